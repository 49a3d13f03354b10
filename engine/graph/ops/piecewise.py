"""Element-wise functions of polynomials: AbsVal, Clip, ReLU6, HardSigmoid, HardSwish, Threshold; and Power's.

All may work in place, except AbsVal, for which Caffe does not allow it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...compiler import signatures as types
from ...compiler.jit import F1, F1_IN, f32, i64, inline, kernel
from ...vectors import simd
from ...vectors.elementary import ONE
from ..ir.graph import Node, Shape
from .checks import refuse_in_place
from .curves import (
    ABSOLUTE,
    CAPPED,
    CLIP,
    HARD_SIGMOID,
    HARD_SWISH,
    LINEAR,
    THRESHOLD,
    apply,
    apply_slope,
    curve,
)
from .relu import rectify

SMALLEST_DENORMAL = np.float32(1e-45)
RELU6_CAP = 6.0


@dataclass(frozen=True)
class Clip:
    """The bounds; the layer needs both."""

    min: float | None = None
    max: float | None = None


@dataclass(frozen=True)
class HardSigmoid:
    """max(0, min(1, alpha * x + beta))."""

    alpha: float = 0.2
    beta: float = 0.5


@dataclass(frozen=True)
class ReLU6:
    """min(max(x, 0) + negative_slope * min(x, 0), 6)."""

    negative_slope: float = 0.0


@dataclass(frozen=True)
class Threshold:
    threshold: float = 0.0


# Functions of one vector. Where the order of operands matters, it decides the result for a NaN.
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
def hard_sigmoid(v, a, b):
    return simd.maximum(simd.zeros(), simd.minimum(simd.broadcast(ONE), simd.fma(a, v, b)))


@inline
def hard_swish(v, a, b):
    return v * hard_sigmoid(v, a, b)


@inline
def capped(v, a, b):
    return simd.minimum(b, rectify(v, a))


@kernel(types.void(F1_IN, F1, i64, f32, f32))
def piecewise_activation(x, y, kind, a, b):
    """y = f(x), for the function `kind`, which consists of polynomials:   x, y [P]; y may be x.

    ABSOLUTE |x|   CLIP max(a, min(x, b))   THRESHOLD 1 where x > a, else 0   LINEAR a*x + b
    HARD_SIGMOID s = max(0, min(1, a*x + b))   HARD_SWISH x*s   CAPPED min(b, max(x, 0) + a*min(x, 0))
    """
    if kind == ABSOLUTE:
        apply(magnitude, x, y, a, b)
    elif kind == CLIP:
        apply(clip, x, y, a, b)
    elif kind == THRESHOLD:
        apply(threshold, x, y, a, b)
    elif kind == LINEAR:
        apply(linear, x, y, a, b)
    elif kind == HARD_SIGMOID:
        apply(hard_sigmoid, x, y, a, b)
    elif kind == HARD_SWISH:
        apply(hard_swish, x, y, a, b)
    elif kind == CAPPED:
        apply(capped, x, y, a, b)


# Functions of a value v, the layer's output y for it, and the gradient d of y.
@inline
def absolute_slope(v, y, d, a, b):
    return simd.where_less(simd.zeros(), v, d, simd.where_less(v, simd.zeros(), -d, simd.zeros()))


@inline
def clip_slope(v, y, d, a, b):
    """d where a <= v <= b, where the layer changes nothing; 0 for NaN."""
    moved = simd.absolute(v - clip(v, a, b))
    return simd.where_less(moved, simd.broadcast(SMALLEST_DENORMAL), d, simd.zeros())


@inline
def hard_sigmoid_slope(v, y, d, a, b):
    """a*d where 0 < a*v + b < 1, else 0."""
    line = simd.fma(a, v, b)
    below = simd.where_less(line, simd.broadcast(ONE), a * d, simd.zeros())
    return simd.where_less(simd.zeros(), line, below, simd.zeros())


@inline
def hard_swish_slope(v, y, d, a, b):
    return simd.fma(v, hard_sigmoid_slope(v, y, d, a, b), hard_sigmoid(v, a, b) * d)


@inline
def capped_slope(v, y, d, a, b):
    """d where 0 < v < b, a*d up to 0, else 0; 0 for NaN."""
    return simd.where_less(v, b, simd.where_less(simd.zeros(), v, d, a * d), simd.zeros())


@kernel(types.void(F1_IN, F1_IN, F1_IN, F1, i64, f32, f32))
def piecewise_gradient(x, y, dy, dx, kind, a, b):
    """dx = dy * f'(x) of all of `piecewise_activation` but THRESHOLD and LINEAR.   All [P]; dx may be dy."""
    if kind == ABSOLUTE:
        apply_slope(absolute_slope, x, y, dy, dx, a, b)
    elif kind == CLIP:
        apply_slope(clip_slope, x, y, dy, dx, a, b)
    elif kind == HARD_SIGMOID:
        apply_slope(hard_sigmoid_slope, x, y, dy, dx, a, b)
    elif kind == HARD_SWISH:
        apply_slope(hard_swish_slope, x, y, dy, dx, a, b)
    elif kind == CAPPED:
        apply_slope(capped_slope, x, y, dy, dx, a, b)


def clip_bounds(node: Node) -> tuple[int, float, float]:
    least, most = node.attributes.min, node.attributes.max
    if least is None or most is None:
        raise node.error("has not both of clip_param's min and max", "both")
    return CLIP, least, most


def threshold_bound(node: Node) -> tuple[int, float, float]:
    return THRESHOLD, node.attributes.threshold, 0.0


def absolute_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    refuse_in_place(node)
    return [bottoms[0]]


def hard_sigmoid_line(node: Node) -> tuple[int, float, float]:
    return HARD_SIGMOID, node.attributes.alpha, node.attributes.beta


def hard_swish_line(node: Node) -> tuple[int, float, float]:
    return HARD_SWISH, 1 / 6, 0.5


LINES = {
    "Clip": clip_bounds,
    "ReLU6": lambda node: (CAPPED, node.attributes.negative_slope, RELU6_CAP),
    **dict.fromkeys(("HardSigmoid", "HSigmoid"), hard_sigmoid_line),
    **dict.fromkeys(("HardSwish", "HSwish"), hard_swish_line),
}
OPS = (
    curve(
        "AbsVal",
        lambda node: (ABSOLUTE, 0.0, 0.0),
        piecewise_activation,
        piecewise_gradient,
        shapes=absolute_shapes,
        in_place=False,
    ),
    *(curve(kind, parameters, piecewise_activation, piecewise_gradient) for kind, parameters in LINES.items()),
    curve("Threshold", threshold_bound, piecewise_activation, None),
)
