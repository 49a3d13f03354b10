"""Gradients of the element-wise activations."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...compiler import signatures as types
from ...compiler.cpu import LANES
from ...compiler.jit import F1, F1_IN, F2, F2_IN, Kernel, f32, i64, inline, kernel
from ...vectors import simd
from ...vectors.elementary import decay, gated, sigmoid, sigmoid_slope
from ..ir.graph import Node, Shape
from ..ir.op import Run, count
from ..ops.activations import (
    ABSOLUTE,
    CLIP,
    ELU_CURVE,
    EXP,
    ONE,
    SIGMOID,
    SWISH,
    TANH,
    clip,
    clip_bounds,
    prelu_weights,
)
from .channels import add_sums, channel_sums
from .op import Back, Backward

SMALLEST = np.float32(1e-45)
FOUR, LARGE = np.float32(4), np.float32(200)


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


# Functions of a value v, of what the layer made of it, y, and of the gradient d of that. Slopes are made of v where y
# has lost the digits that matter: 1 - y where y is almost 1.
@inline
def tanh_curve_slope(v, y, d, a, b):
    return simd.broadcast(FOUR) * sigmoid_slope(v + v) * d


@inline
def sigmoid_curve_slope(v, y, d, a, b):
    return sigmoid_slope(v) * d


@inline
def swish_slope(v, y, d, a, b):
    """s(z) * (1 + z * s(-z)) for z = a*v; beyond LARGE, where s is 0 or 1, z need not be exact."""
    z = a * v
    z = simd.maximum(simd.broadcast(-LARGE), simd.minimum(simd.broadcast(LARGE), z))
    return gated(simd.fma(z, sigmoid(-z), simd.broadcast(ONE)), z) * d


@inline
def elu_slope(v, y, d, a, b):
    return simd.where_less(simd.zeros(), v, d, a * decay(simd.minimum(simd.zeros(), v)) * d)


@inline
def exp_slope(v, y, d, a, b):
    return a * y * d


@inline
def absolute_slope(v, y, d, a, b):
    return simd.where_less(simd.zeros(), v, d, simd.where_less(v, simd.zeros(), -d, simd.zeros()))


@inline
def clip_slope(v, y, d, a, b):
    """d where a <= v <= b, which are the values that stay as they are; 0 for NaN."""
    moved = simd.absolute(v - clip(v, a, b))
    return simd.where_less(moved, simd.broadcast(SMALLEST), d, simd.zeros())


@inline
def apply(function, x, y, dy, dx, a, b):
    first, second, whole = simd.broadcast(a), simd.broadcast(b), x.size // LANES * LANES
    for i in range(0, whole, LANES):
        simd.store(dx, i, function(simd.load(x, i), simd.load(y, i), simd.load(dy, i), first, second))
    if whole < x.size:
        left = x.size - whole
        v, w, d = simd.load_part(x, whole, left), simd.load_part(y, whole, left), simd.load_part(dy, whole, left)
        simd.store_part(dx, whole, function(v, w, d, first, second), left)


@kernel(types.void(F1_IN, F1_IN, F1_IN, F1, i64, f32, f32))
def bend_gradient(x, y, dy, dx, kind, a, b):
    """dx = dy * f'(x) of the curves that `bend` of the forward file names.   All [P]; dx may be dy."""
    if kind == TANH:
        apply(tanh_curve_slope, x, y, dy, dx, a, b)
    elif kind == SIGMOID:
        apply(sigmoid_curve_slope, x, y, dy, dx, a, b)
    elif kind == SWISH:
        apply(swish_slope, x, y, dy, dx, a, b)
    elif kind == ELU_CURVE:
        apply(elu_slope, x, y, dy, dx, a, b)
    elif kind == EXP:
        apply(exp_slope, x, y, dy, dx, a, b)


@kernel(types.void(F1_IN, F1_IN, F1_IN, F1, i64, f32, f32))
def cut_gradient(x, y, dy, dx, kind, a, b):
    """dx = dy * f'(x) of ABSOLUTE and CLIP, as `cut` of the forward file names them.   All [P]; dx may be dy."""
    if kind == ABSOLUTE:
        apply(absolute_slope, x, y, dy, dx, a, b)
    elif kind == CLIP:
        apply(clip_slope, x, y, dy, dx, a, b)


def prepare_relu(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run) -> Back:
    slopes = np.array([node.attributes.negative_slope], np.float32)

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        rows = [array.reshape(1, -1) for array in (inputs[0], output_gradients[0], input_gradients[0])]
        relu_gradient.run(rows[0], slopes, *rows[1:])

    return back


def prepare_prelu(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run) -> Back:
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


def calling(slope: Kernel, parameters: Callable[[Node], tuple[int, float, float]]) -> Callable:
    """The `prepare` of a layer that is one call of `bend_gradient` or `cut_gradient` with its kind, a and b."""

    def prepare(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run) -> Back:
        arguments = parameters(node)

        def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
            arrays = inputs[0], outputs[0], output_gradients[0], input_gradients[0]
            slope.run(*(array.reshape(-1) for array in arrays), *arguments)

        return back

    return prepare


BACKWARDS = (
    Backward("ReLU", prepare_relu),
    Backward("PReLU", prepare_prelu),
    Backward("ELU", calling(bend_gradient, lambda node: (ELU_CURVE, node.attributes.alpha, 0.0))),
    Backward("TanH", calling(bend_gradient, lambda node: (TANH, 1.0, 0.0))),
    Backward("Sigmoid", calling(bend_gradient, lambda node: (SIGMOID, 1.0, 0.0))),
    Backward("Swish", calling(bend_gradient, lambda node: (SWISH, node.attributes.beta, 0.0))),
    Backward("AbsVal", calling(cut_gradient, lambda node: (ABSOLUTE, 0.0, 0.0))),
    Backward("Clip", calling(cut_gradient, clip_bounds)),
)
