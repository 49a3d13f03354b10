"""Which inputs of a graph must be whole numbers, as classes and indices, so that random values for them are valid."""

from __future__ import annotations

from collections.abc import Mapping

from ..ir.graph import Blob, Graph, Node, Shape
from ..ir.op import axis_of, count
from ..ops.softmax import axis_sizes
from ..ops.upsample import has_places

YES_OR_NO = 2  # 0 or 1
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
    first, *others = node.bottoms or [None]
    match node.type:
        case "Embed":
            return {first: node.attributes.input_dim}
        case "SoftmaxWithLoss" | "InfogainLoss":
            return {others[0]: axis_sizes(node, shapes[first])[1]}
        case "HingeLoss" | "MultinomialLogisticLoss":
            return {others[0]: count(shapes[first], 1)}
        case "Accuracy":
            return {others[0]: shapes[first][axis_of(node, node.attributes.axis, len(shapes[first]))]}
        case "CenterLoss":
            return {others[0]: node.attributes.num_output}
        case "Upsample" if has_places(node):
            return {others[0]: count(shapes[node.tops[0]], 2)}
        case "ReverseTime":
            return {others[0]: shapes[first][0] + 1}
        case "BatchReindex":
            return {others[0]: shapes[first][0]}
        case "MultiBoxLoss":  # of an image, and its class
            return {others[-1]: min(shapes[first][0], node.attributes.num_classes)}
        case "Filter" | "ContrastiveLoss" | "LSTMUnit":
            return {others[-1]: YES_OR_NO}
        case "LSTM" | "RNN":
            return {others[0]: YES_OR_NO}
        case "Lstm" if others:
            return {others[0]: YES_OR_NO}
    return {}
