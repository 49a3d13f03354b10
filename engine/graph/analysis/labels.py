"""Which inputs of a graph must be whole numbers, as classes and indices, so that random values for them are valid."""

from __future__ import annotations

from collections.abc import Mapping

from ..ir.graph import Blob, Graph, Node, Shape
from ..ir.op import axis_of, count
from ..ops.softmax import axis_sizes
from ..ops.upsample import has_places

PASSING = ("Concat", "Flatten", "Reshape", "Slice", "Split")  # their tops hold the numbers of their bottoms


def class_counts(graph: Graph, shapes: Mapping[Blob, Shape]) -> dict[Blob, int]:
    """The blobs whose values have to be whole numbers from 0 to below a limit, the smallest that a reader has."""
    limits: dict[Blob, int] = {}
    for node in reversed(graph.nodes):
        asked = _limits(node, shapes)
        if node.type in PASSING:
            passed = [limits[top] for top in node.tops if top in limits]
            asked = dict.fromkeys(node.bottoms, min(passed)) if passed else {}
        for blob, limit in asked.items():
            limits[blob] = min(limit, limits.get(blob, limit))
    return limits


def _limits(node: Node, shapes: Mapping[Blob, Shape]) -> dict[Blob, int]:
    """Of one layer's bottoms."""
    if node.type == "Embed":
        return {node.bottoms[0]: node.attributes.input_dim}
    if node.type == "Upsample" and has_places(node):
        return {node.bottoms[1]: count(shapes[node.tops[0]], 2)}
    if node.type == "ReverseTime":
        return {node.bottoms[1]: shapes[node.bottoms[0]][0] + 1}
    if node.type not in ("Accuracy", "HingeLoss", "SoftmaxWithLoss"):
        return {}
    scores, labels = node.bottoms[:2]
    if node.type == "SoftmaxWithLoss":
        return {labels: axis_sizes(node, shapes[scores])[1]}
    if node.type == "HingeLoss":
        return {labels: count(shapes[scores], 1)}
    return {labels: shapes[scores][axis_of(node, node.attributes.axis, len(shapes[scores]))]}
