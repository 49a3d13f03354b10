"""Element-wise functions, smooth and piecewise linear. All may work in place, except AbsVal, for which Caffe does not
allow it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...compiler import signatures as types
from ...compiler.cpu import LANES
from ...compiler.jit import F1, F1_IN, Kernel, f32, i64, inline, kernel
from ...vectors import simd
from ...vectors.elementary import ONE, decay, exp, exp_minus_one, gated, sigmoid, sigmoid_slope, tanh
from ..ir.graph import Node, Shape
from ..ir.op import Back, Gradient, Layers, Op, Run, no_curve, same_shape
from .checks import refuse_in_place

SMOOTH = TANH, SIGMOID, SWISH, ELU_CURVE, EXP = range(5)  # of `smooth_activation`
ABSOLUTE, CLIP, THRESHOLD, LINEAR, HARD_SIGMOID, HARD_SWISH = range(5, 11)  # of `piecewise_activation`
RECTIFIED = 11  # ReLU and PReLU, `relu.py`
SWISH_LIMIT, SMALLEST_DENORMAL = np.float32(200), np.float32(1e-45)


@dataclass(frozen=True)
class ELU:
    alpha: float = 1.0


@dataclass(frozen=True)
class Swish:
    beta: float = 1.0


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
class HardSwish:
    """x * max(0, min(1, x / 6 + 1 / 2))."""


@dataclass(frozen=True)
class Threshold:
    threshold: float = 0.0


# Functions of one vector. Where the order of operands matters, it decides the result for a NaN.
@inline
def scaled_tanh(v, a, b):
    return tanh(a * v)


@inline
def sigmoid_curve(v, a, b):
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
def hard_sigmoid(v, a, b):
    return simd.maximum(simd.zeros(), simd.minimum(simd.broadcast(ONE), simd.fma(a, v, b)))


@inline
def hard_swish(v, a, b):
    return v * hard_sigmoid(v, a, b)


@inline
def apply(function, x, y, a, b):
    """y = function(x, a, b): one loop per function, as a choice inside the loop takes longer than most of them."""
    first, second, whole = simd.broadcast(a), simd.broadcast(b), x.size // LANES * LANES
    for i in range(0, whole, LANES):
        simd.store(y, i, function(simd.load(x, i), first, second))
    if whole < x.size:
        v = simd.load_part(x, whole, x.size - whole)
        simd.store_part(y, whole, function(v, first, second), x.size - whole)


@kernel(types.void(F1_IN, F1, i64, f32, f32))
def smooth_activation(x, y, kind, a, b):
    """y = f(x), for the smooth function `kind`:   x, y [P]; y may be x.

    TANH tanh(a*x)   SIGMOID s = 1/(1 + exp(-a*x))   SWISH x*s   ELU_CURVE max(x, 0) + a*(exp(min(x, 0)) - 1)
    EXP b*exp(a*x)
    """
    if kind == TANH:
        apply(scaled_tanh, x, y, a, b)
    elif kind == SIGMOID:
        apply(sigmoid_curve, x, y, a, b)
    elif kind == SWISH:
        apply(swish, x, y, a, b)
    elif kind == ELU_CURVE:
        apply(elu, x, y, a, b)
    elif kind == EXP:
        apply(scaled_exp, x, y, a, b)


@kernel(types.void(F1_IN, F1, i64, f32, f32))
def piecewise_activation(x, y, kind, a, b):
    """y = f(x), for the function `kind`, which consists of polynomials:   x, y [P]; y may be x.

    ABSOLUTE |x|   CLIP max(a, min(x, b))   THRESHOLD 1 where x > a, else 0   LINEAR a*x + b
    HARD_SIGMOID s = max(0, min(1, a*x + b))   HARD_SWISH x*s
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


# Functions of a value v, the layer's output y for it, and the gradient d of y. Slopes are computed from v where y has
# lost the digits that matter: 1 - y where y is almost 1.
@inline
def tanh_curve_slope(v, y, d, a, b):
    return simd.broadcast(np.float32(4)) * sigmoid_slope(v + v) * d


@inline
def sigmoid_curve_slope(v, y, d, a, b):
    return sigmoid_slope(v) * d


@inline
def swish_slope(v, y, d, a, b):
    """s(z) * (1 + z * s(-z)) for z = a*v; beyond SWISH_LIMIT, where s is 0 or 1, z need not be exact."""
    z = a * v
    z = simd.maximum(simd.broadcast(-SWISH_LIMIT), simd.minimum(simd.broadcast(SWISH_LIMIT), z))
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
def apply_slope(function, x, y, dy, dx, a, b):
    first, second, whole = simd.broadcast(a), simd.broadcast(b), x.size // LANES * LANES
    for i in range(0, whole, LANES):
        simd.store(dx, i, function(simd.load(x, i), simd.load(y, i), simd.load(dy, i), first, second))
    if whole < x.size:
        left = x.size - whole
        v, w, d = simd.load_part(x, whole, left), simd.load_part(y, whole, left), simd.load_part(dy, whole, left)
        simd.store_part(dx, whole, function(v, w, d, first, second), left)


@kernel(types.void(F1_IN, F1_IN, F1_IN, F1, i64, f32, f32))
def smooth_activation_gradient(x, y, dy, dx, kind, a, b):
    """dx = dy * f'(x) of the functions of `smooth_activation`.   All [P]; dx may be dy."""
    if kind == TANH:
        apply_slope(tanh_curve_slope, x, y, dy, dx, a, b)
    elif kind == SIGMOID:
        apply_slope(sigmoid_curve_slope, x, y, dy, dx, a, b)
    elif kind == SWISH:
        apply_slope(swish_slope, x, y, dy, dx, a, b)
    elif kind == ELU_CURVE:
        apply_slope(elu_slope, x, y, dy, dx, a, b)
    elif kind == EXP:
        apply_slope(exp_slope, x, y, dy, dx, a, b)


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


def calling(curve: Kernel, parameters: Callable[[Node], tuple[int, float, float]]) -> Callable:
    """The `prepare` of a layer that is one call of a kernel with kind, a and b from `parameters`."""

    def prepare(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
        arguments = parameters(node)
        return lambda inputs, outputs: curve.run(inputs[0].reshape(-1), outputs[0].reshape(-1), *arguments)

    return prepare


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


def calling_gradient(slope: Kernel, parameters: Callable[[Node], tuple[int, float, float]]) -> Callable:
    """The `prepare` of a layer that is one call of the kernel `slope` with its kind, a and b."""

    def prepare(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
        arguments = parameters(node)

        def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
            arrays = inputs[0], outputs[0], output_gradients[0], input_gradients[0]
            slope.run(*(array.reshape(-1) for array in arrays), *arguments)

        return back

    return prepare


def curve(
    kind: str,
    parameters: Callable[[Node], tuple[int, float, float]],
    kernel: Kernel = smooth_activation,
    slope: Kernel | None = smooth_activation_gradient,
    *,
    shapes: Callable[[Node, list[Shape]], list[Shape]] = same_shape,
    in_place: bool = True,
    attributes: type | None = None,
) -> Op:
    """A layer that is one call of a kernel, whose gradient is one of `slope`, or that has none."""
    gradient = Gradient(calling_gradient(slope, parameters), kernels=(slope,)) if slope else None
    prepare = calling(kernel, parameters)
    return Op(
        kind,
        shapes,
        prepare,
        in_place=in_place,
        kernels=(kernel,),
        gradient=gradient,
        curve=parameters if in_place else no_curve,
        attributes=attributes,
    )


OPS = (
    curve("ELU", lambda node: (ELU_CURVE, node.attributes.alpha, 0.0)),
    curve("TanH", lambda node: (TANH, 1.0, 0.0)),
    curve("Sigmoid", lambda node: (SIGMOID, 1.0, 0.0)),
    curve("Swish", lambda node: (SWISH, node.attributes.beta, 0.0)),
    curve(
        "AbsVal",
        lambda node: (ABSOLUTE, 0.0, 0.0),
        piecewise_activation,
        piecewise_gradient,
        shapes=absolute_shapes,
        in_place=False,
    ),
    curve("Clip", clip_bounds, piecewise_activation, piecewise_gradient),
    curve(
        "HardSigmoid",
        lambda node: (HARD_SIGMOID, node.attributes.alpha, node.attributes.beta),
        piecewise_activation,
        piecewise_gradient,
        attributes=HardSigmoid,
    ),
    curve(
        "HardSwish",
        lambda node: (HARD_SWISH, 1 / 6, 0.5),
        piecewise_activation,
        piecewise_gradient,
        attributes=HardSwish,
    ),
    curve("Threshold", threshold_bound, piecewise_activation, None),
)
