"""Let layers overwrite their bottom: the tops of ReLU and other activations, BatchNorm, Scale get its name.

A layer runs in place where it is the only reader of its bottom, which shares no memory (`aliasing.py`), and the
bottom is not an input of the net. Where the top is an output of the net, the bottom takes the output's name, not the
other way round.
"""

from __future__ import annotations

from ..analysis.aliasing import exclusive_blobs
from ..ir.graph import Blob, Graph, Node
from ..ops import OPS
from .report import Report


def run_in_place(graph: Graph) -> Report:
    """Renames blobs of `graph`."""
    report = Report("run in place")
    exclusive, outputs = exclusive_blobs(graph), set(graph.outputs)
    for node in graph.nodes:
        if not OPS[node.type].in_place or node.bottoms[0].name == node.tops[0].name:
            continue
        reason = _obstacle(graph, node, exclusive) or (
            _output_obstacle(graph, node) if node.tops[0] in outputs else None
        )
        if reason:
            report.left.append(f"{node.type} {node.name!r}: {reason}")
        elif node.tops[0] in outputs:
            _rename_chain(graph, node.bottoms[0], node.tops[0].name)
            report.changes.append(f"{node.type} {node.name!r}")
        else:
            node.tops[0].name = node.bottoms[0].name
            report.changes.append(f"{node.type} {node.name!r}")
    return report


def _obstacle(graph: Graph, node: Node, exclusive: set[Blob]) -> str | None:
    bottom = node.bottoms[0]
    if graph.phase == "TRAIN":
        return "gradients may need what it would overwrite"
    if bottom in exclusive:
        return None
    if bottom in graph.inputs:
        return f"reads the input {bottom.name!r}"
    others = [reader.name for reader in graph.readers(bottom) if reader is not node]
    return f"{bottom.name!r} is also read by {others[0]!r}" if others else f"{bottom.name!r} shares its memory"


def _output_obstacle(graph: Graph, node: Node) -> str | None:
    """OpenCV's reader makes a layer of the name of a Convolution's top, so that no other layer can be called that."""
    name = node.tops[0].name
    first = graph.producer(_chain(graph, node.bottoms[0])[-1])
    if first.type == "Convolution" and any(other.name == name for other in graph.nodes):
        return f"{first.name!r} would give {name!r}, which is the name of a layer"
    return None


def _rename_chain(graph: Graph, blob: Blob, name: str) -> None:
    for each in _chain(graph, blob):
        each.name = name


def _chain(graph: Graph, blob: Blob) -> list[Blob]:
    """`blob` and the blobs of the same name that were overwritten to give it."""
    chain = [blob]
    while True:
        producer = graph.producer(chain[-1])
        if not producer.bottoms or producer.bottoms[0].name != blob.name:
            return chain
        chain.append(producer.bottoms[0])
