"""ReLU and PReLU:  y = max(x, 0) + slope * min(x, 0). Both may work in place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...compiler import signatures as types
from ...compiler.cpu import LANES
from ...compiler.jit import F1_IN, F2, F2_IN, inline, kernel
from ...vectors import simd
from ..ir.graph import Node, Shape
from ..ir.op import Back, Gradient, Layers, Op, Run, count, same_shape
from .channels import add_sums, channel_sums
from .curves import RECTIFIED


@dataclass(frozen=True)
class ReLU:
    negative_slope: float = 0.0


@dataclass(frozen=True)
class PReLU:
    """`channel_shared`: one slope for all channels."""

    channel_shared: bool = False


@inline
def rectify(v, slopes):
    """max(v, 0) + slopes * min(v, 0): NaN stays; -inf without a slope gives NaN, as in Caffe."""
    return simd.maximum(simd.zeros(), v) + slopes * simd.minimum(simd.zeros(), v)


@kernel(types.void(F2_IN, F1_IN, F2))
def relu(x, slopes, y):
    """y = max(x, 0) + slope * min(x, 0), where row r of x has slopes[r % C].   x, y [R, P], slopes [C]; y may be x."""
    rows, size = x.shape
    whole = size // LANES * LANES
    for r in range(rows):
        slope, start = simd.broadcast(simd.element(slopes, r % slopes.size)), r * size
        for i in range(start, start + whole, LANES):
            simd.store(y, i, rectify(simd.load(x, i), slope))
        if whole < size:
            v = simd.load_part(x, start + whole, size - whole)
            simd.store_part(y, start + whole, rectify(v, slope), size - whole)


@kernel(types.void(F2_IN, F1_IN, F2_IN, F2))
def relu_gradient(x, slopes, dy, dx):
    """dx = dy where x > 0, else dy * slopes[r % C] for row r.   x, dy, dx [R, P], slopes [C]; dx may be dy."""
    rows, size = x.shape
    whole = size // LANES * LANES
    for r in range(rows):
        slope, start = simd.broadcast(simd.element(slopes, r % slopes.size)), r * size
        for i in range(start, start + whole, LANES):
            d = simd.load(dy, i)
            simd.store(dx, i, simd.where_less(simd.zeros(), simd.load(x, i), d, slope * d))
        if whole < size:
            i, left = start + whole, size - whole
            d = simd.load_part(dy, i, left)
            simd.store_part(dx, i, simd.where_less(simd.zeros(), simd.load_part(x, i, left), d, slope * d), left)


def prepare_relu(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    slopes = np.array([node.attributes.negative_slope], np.float32)
    return lambda inputs, outputs: relu.run(inputs[0].reshape(1, -1), slopes, outputs[0].reshape(1, -1))


def prelu_weights(node: Node, bottoms: list[Shape]) -> list[Shape]:
    if len(bottoms[0]) < 2:
        raise node.error(f"a bottom of shape {list(bottoms[0])}", "2 axes or more, of which axis 1 are the channels")
    return [() if node.attributes.channel_shared else (bottoms[0][1],)]


def prepare_prelu(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    shared = prelu_weights(node, bottoms) == [()]
    rows = (1, count(bottoms[0])) if shared else (count(bottoms[0], 0, 2), count(bottoms[0], 2))

    def run(inputs, outputs):
        relu.run(inputs[0].reshape(rows), node.weights[0].reshape(-1), outputs[0].reshape(rows))

    return run


def prelu_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    prelu_weights(node, bottoms)
    return [bottoms[0]]


def relu_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
    slopes = np.array([node.attributes.negative_slope], np.float32)

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        rows = [array.reshape(1, -1) for array in (inputs[0], output_gradients[0], input_gradients[0])]
        relu_gradient.run(rows[0], slopes, *rows[1:])

    return back


def prelu_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
    """The gradient of a slope is the sum of dy * x over the x that are not positive."""
    shared = prelu_weights(node, bottoms) == [()]
    outer, channels, inner = (1, 1, count(bottoms[0])) if shared else (*bottoms[0][:2], count(bottoms[0], 2))
    below, sums, products = np.empty(bottoms[0], np.float32), np.empty(channels), np.empty(channels)

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        x, dy, rows = inputs[0], output_gradients[0], (outer * channels, inner)
        if weight_gradients[0] is not None:
            np.minimum(x, 0, out=below)
            channel_sums.run(below.reshape(-1), dy.reshape(-1), outer, channels, inner, sums, products)
            add_sums(weight_gradients[0], products)
        if input_gradients[0] is not None:
            slopes = node.weights[0].reshape(-1)
            relu_gradient.run(x.reshape(rows), slopes, dy.reshape(rows), input_gradients[0].reshape(rows))

    return back


OPS = (
    Op(
        "ReLU", same_shape, prepare_relu, in_place=True, kernels=(relu,),
        gradient=Gradient(relu_back, kernels=(relu_gradient,), reads_memory=True),
        curve=lambda node: (RECTIFIED, node.attributes.negative_slope, 0.0),
    ),
    Op(
        "PReLU", prelu_shapes, prepare_prelu, prelu_weights, in_place=True, kernels=(relu,),
        gradient=Gradient(prelu_back, kernels=(relu_gradient, channel_sums)), curve=lambda node: (RECTIFIED, 0.0, 0.0),
    ),
)  # fmt: skip
