"""Remove layers without effect: Silence and HDF5Output, and layers that only lead to them; or all that given outputs
do not need. Then the blobs of Input layers that no layer reads.

In Caffe every blob without a reader is an output, so without a list of outputs only Silence makes a layer useless. A
Silence stays for what layers give that are not useless, such as a data layer or a Slice whose other top is read:
without it that would be an output.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ....errors import InputError
from ..ir.graph import Blob, Graph, Node
from ..ops.views import WITHOUT_RESULT
from .report import Report


def drop_dead_layers(graph: Graph, outputs: Sequence[str] | None = None) -> Report:
    """Removes them in place of `graph`; other layers without bottoms than Input stay. Raises InputError for an unknown
    output."""
    report = Report("drop dead layers")
    wanted = set(graph.results) if outputs is None else {_named(graph, name) for name in outputs}
    needed, kept = set(), set(wanted)
    for node in reversed(graph.nodes):
        if not node.bottoms or wanted & set(node.tops):
            needed.add(node)
            wanted |= set(node.bottoms)
    given = {top for node in needed if node.type != "Input" for top in node.tops}
    for node in graph.nodes if outputs is None else ():
        if node.type in WITHOUT_RESULT and (silenced := [blob for blob in node.bottoms if blob in given - wanted]):
            node.bottoms = silenced
            needed.add(node)
    dead = [node for node in graph.nodes if node not in needed]
    graph.remove(dead)
    report.changes += [f"{node.type} {node.name!r}" for node in dead]
    for node in [node for node in graph.nodes if node.type == "Input"]:
        report.changes += _drop_inputs(graph, node, kept)
    return report


def _drop_inputs(graph: Graph, node: Node, kept: set[Blob]) -> list[str]:
    """Keeps only those of an Input layer's tops that are read or are in `kept`; returns messages about the others."""
    gone = [number for number, top in enumerate(node.tops) if top not in kept and not graph.readers(top)]
    shapes = node.attributes.shapes
    if len(shapes) == len(node.tops):
        left = [shape for number, shape in enumerate(shapes) if number not in gone]
        node.attributes = replace(node.attributes, shapes=tuple(left))
    changes = [f"the input {node.tops[number].name!r}, which nothing reads" for number in gone]
    for number in reversed(gone):
        del node.tops[number]
    if not node.tops:
        graph.remove([node])
    return changes


def _named(graph: Graph, name: str):
    """The last blob of that name."""
    found = [top for node in graph.nodes for top in node.tops if top.name == name]
    if not found:
        raise InputError(graph.path, f"has no blob {name!r}", "the name of an output")
    return found[-1]
