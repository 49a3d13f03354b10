"""Remove layers that nothing comes of: Silence and what only leads there; or all that given outputs do not need.

In Caffe every blob that nobody reads is an output, so without a list of outputs only Silence makes a layer useless. A
Silence that reads an input stays: without it the input would be an output.
"""

from __future__ import annotations

from collections.abc import Sequence

from ....errors import InputError
from ..graph import Graph
from .report import Report


def drop_dead_layers(graph: Graph, outputs: Sequence[str] | None = None) -> Report:
    """Removes them in place of `graph`; layers without bottoms stay. Raises InputError for an unknown output."""
    report = Report("drop dead layers")
    wanted = set(graph.outputs) if outputs is None else {_named(graph, name) for name in outputs}
    needed = set()
    inputs = set(graph.inputs)
    for node in reversed(graph.nodes):
        silences = outputs is None and node.type == "Silence" and inputs & set(node.bottoms)
        if not node.bottoms or wanted & set(node.tops) or silences:
            needed.add(node)
            wanted |= set(node.bottoms)
    dead = [node for node in graph.nodes if node not in needed]
    graph.remove(dead)
    report.changes += [f"{node.type} {node.name!r}" for node in dead]
    return report


def _named(graph: Graph, name: str):
    """The last blob of that name."""
    found = [top for node in graph.nodes for top in node.tops if top.name == name]
    if not found:
        raise InputError("<net>", f"has no blob {name!r}", "the name of an output")
    return found[-1]
