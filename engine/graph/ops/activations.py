"""Element-wise activations. All of them may work in place, except AbsVal, to which Caffe does not allow it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...compiler import signatures as types
from ...compiler.cpu import LANES
from ...compiler.jit import F1, F1_IN, F2, F2_IN, Kernel, f32, i64, inline, kernel
from ...vectors import simd
from ...vectors.elementary import exp, exp_minus_one, gated, tanh
from ..ir.graph import Node, Shape
from ..ir.op import Op, Run, count, same_shape
from .checks import refuse_in_place

TANH, SIGMOID, SWISH, ELU_CURVE, EXP = range(5)  # of `bend`
ABSOLUTE, CLIP, THRESHOLD, LINEAR = range(4)  # of `cut`
ONE = np.float32(1)


@dataclass(frozen=True)
class ReLU:
    negative_slope: float = 0.0


@dataclass(frozen=True)
class PReLU:
    """`channel_shared`: one slope for all channels."""

    channel_shared: bool = False


@dataclass(frozen=True)
class ELU:
    alpha: float = 1.0


@dataclass(frozen=True)
class Swish:
    beta: float = 1.0


@dataclass(frozen=True)
class Clip:
    """The bounds, which the layer needs both of."""

    min: float | None = None
    max: float | None = None


@dataclass(frozen=True)
class Threshold:
    threshold: float = 0.0


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


# Functions of one vector. Where the order of operands matters, it decides what becomes of a NaN.
@inline
def scaled_tanh(v, a, b):
    return tanh(a * v)


@inline
def sigmoid(v, a, b):
    return gated(simd.broadcast(ONE), a * v)


@inline
def swish(v, a, b):
    return gated(v, a * v)


@inline
def elu(v, a, b):
    return simd.maximum(simd.zeros(), v) + a * exp_minus_one(simd.minimum(simd.zeros(), v))


@inline
def scaled_exp(v, a, b):
    return b * exp(a * v)


@inline
def magnitude(v, a, b):
    return simd.absolute(v)


@inline
def clip(v, a, b):
    return simd.maximum(simd.minimum(b, v), a)


@inline
def threshold(v, a, b):
    return simd.where_less(a, v, simd.broadcast(ONE), simd.zeros())


@inline
def linear(v, a, b):
    return simd.fma(a, v, b)


@inline
def apply(function, x, y, a, b):
    """y = function(x, a, b): one loop a function, as a choice inside the loop costs more than most of them."""
    first, second, whole = simd.broadcast(a), simd.broadcast(b), x.size // LANES * LANES
    for i in range(0, whole, LANES):
        simd.store(y, i, function(simd.load(x, i), first, second))
    if whole < x.size:
        v = simd.load_part(x, whole, x.size - whole)
        simd.store_part(y, whole, function(v, first, second), x.size - whole)


@kernel(types.void(F1_IN, F1, i64, f32, f32))
def bend(x, y, kind, a, b):
    """y = f(x), where `kind` names a curve:   x, y [P]; y may be x.

    TANH tanh(a*x)   SIGMOID s = 1/(1 + exp(-a*x))   SWISH x*s   ELU_CURVE max(x, 0) + a*(exp(min(x, 0)) - 1)
    EXP b*exp(a*x)
    """
    if kind == TANH:
        apply(scaled_tanh, x, y, a, b)
    elif kind == SIGMOID:
        apply(sigmoid, x, y, a, b)
    elif kind == SWISH:
        apply(swish, x, y, a, b)
    elif kind == ELU_CURVE:
        apply(elu, x, y, a, b)
    elif kind == EXP:
        apply(scaled_exp, x, y, a, b)


@kernel(types.void(F1_IN, F1, i64, f32, f32))
def cut(x, y, kind, a, b):
    """y = f(x), where `kind` names a function of straight pieces:   x, y [P]; y may be x.

    ABSOLUTE |x|   CLIP max(a, min(x, b))   THRESHOLD 1 where x > a, else 0   LINEAR a*x + b
    """
    if kind == ABSOLUTE:
        apply(magnitude, x, y, a, b)
    elif kind == CLIP:
        apply(clip, x, y, a, b)
    elif kind == THRESHOLD:
        apply(threshold, x, y, a, b)
    elif kind == LINEAR:
        apply(linear, x, y, a, b)


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


def calling(curve: Kernel, parameters: Callable[[Node], tuple[int, float, float]]) -> Callable:
    """The `prepare` of a layer that is one call of `bend` or `cut`, for which `parameters` gives kind, a and b."""

    def prepare(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
        arguments = parameters(node)
        return lambda inputs, outputs: curve.run(inputs[0].reshape(-1), outputs[0].reshape(-1), *arguments)

    return prepare


def clip_bounds(node: Node) -> tuple[int, float, float]:
    low, high = node.attributes.min, node.attributes.max
    if low is None or high is None:
        raise node.error("has not both of clip_param's min and max", "both")
    return CLIP, low, high


def threshold_bound(node: Node) -> tuple[int, float, float]:
    return THRESHOLD, node.attributes.threshold, 0.0


def absolute_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    refuse_in_place(node)
    return [bottoms[0]]


OPS = (
    Op("ReLU", same_shape, prepare_relu, in_place=True),
    Op("PReLU", prelu_shapes, prepare_prelu, prelu_weights, in_place=True),
    Op("ELU", same_shape, calling(bend, lambda node: (ELU_CURVE, node.attributes.alpha, 0.0)), in_place=True),
    Op("TanH", same_shape, calling(bend, lambda node: (TANH, 1.0, 0.0)), in_place=True),
    Op("Sigmoid", same_shape, calling(bend, lambda node: (SIGMOID, 1.0, 0.0)), in_place=True),
    Op("Swish", same_shape, calling(bend, lambda node: (SWISH, node.attributes.beta, 0.0)), in_place=True),
    Op("AbsVal", absolute_shapes, calling(cut, lambda node: (ABSOLUTE, 0.0, 0.0))),
    Op("Clip", same_shape, calling(cut, clip_bounds), in_place=True),
    Op("Threshold", same_shape, calling(cut, threshold_bound), in_place=True),
)
