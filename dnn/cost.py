"""Shapes, operations and bytes of layers, as OpenCV counts them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from ..engine.graph.analysis.shapes import infer_shapes, macs, weight_shapes
from ..engine.graph.ir.graph import Blob, Graph, Node, Shape
from ..engine.graph.ir.op import count
from ..engine.graph.ops.pooling import POOL_AVE
from ..engine.graph.plan.groups import CONVOLUTIONS
from .layers import DnnLayer

LayerShapes = tuple[np.ndarray, tuple[tuple[np.ndarray, ...], ...], tuple[tuple[np.ndarray, ...], ...]]
BYTES = 4  # of a number
PER_VALUE = {  # operations for each value of an element-wise layer's output
    **dict.fromkeys(("AbsVal", "PReLU", "ReLU", "TanH"), 1),
    **dict.fromkeys(("ELU", "Power", "Scale"), 2),
    **dict.fromkeys(("BatchNorm", "Exp", "Sigmoid"), 3),
    "Softmax": 4,
    "BNLL": 5,
}


def operations(graph: Graph, layers: Sequence[DnnLayer], inputs: Mapping[str, Shape]) -> int:
    """Of these layers, for inputs of these shapes; a multiplication with addition counts as two."""
    shapes = infer_shapes(graph, inputs)
    return sum(_operations(layer._node, shapes) for layer in layers if layer._node)


def _operations(node: Node, shapes: Mapping[Blob, Shape]) -> int:
    values = sum(count(shapes[top]) for top in node.tops)
    if node.type in PER_VALUE:
        return PER_VALUE[node.type] * values
    if node.type in CONVOLUTIONS:
        return 2 * macs(node, shapes) + values
    if node.type == "InnerProduct":
        return 3 * macs(node, shapes)
    if node.type == "Eltwise":
        return len(node.bottoms) * values
    if node.type == "Pooling":  # one over the whole picture has a kernel of 1 for OpenCV
        window: int = math.prod(node.attributes.kernel or (1,))
        return values * (window + int(node.attributes.pool == POOL_AVE))
    return 2 * macs(node, shapes)


def bytes_of(graph: Graph, layers: Sequence[DnnLayer], inputs: Mapping[str, Shape]) -> tuple[int, int]:
    """Of the weights of these layers, and of their outputs."""
    shapes = infer_shapes(graph, inputs)
    expected = dict(zip(graph.nodes, weight_shapes(graph, shapes), strict=True))
    weights = sum(count(shape) for layer in layers if layer._node for shape in expected[layer._node])
    return BYTES * weights, BYTES * sum(count(shapes[top]) for layer in layers for top in layer._tops)


def shapes_by_layer(graph: Graph, layers: Sequence[DnnLayer], inputs: Mapping[str, Shape]) -> LayerShapes:
    """The numbers of the layers, and for each the shapes of what it reads and gives, int32."""
    shapes = infer_shapes(graph, inputs)

    def listed(blobs: Iterable[Blob]) -> tuple[np.ndarray, ...]:
        return tuple(np.array(shapes[blob], np.int32) for blob in blobs)

    read = [listed(layer._node.bottoms if layer._node else layer._tops) for layer in layers]
    return np.arange(len(layers), dtype=np.int32), tuple(read), tuple(listed(layer._tops) for layer in layers)
