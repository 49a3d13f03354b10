"""Element-wise activations. All of them may work in place, except AbsVal, to which Caffe does not allow it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ... import signatures as types
from ... import simd
from ...cpu import LANES
from ...elementary import exp, tanh
from ...jit import F1, F1_IN, F2, F2_IN, f32, i64, inline, kernel
from ..graph import Node, Shape
from ..op import Op, Run, count, same_shape
from .checks import refuse_in_place

TANH, SIGMOID, SWISH, ELU, EXP, ABSOLUTE, CLIP, THRESHOLD, LINEAR = range(9)
HALF, ONE = np.float32(0.5), np.float32(1)


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


@inline
def activation(kind, v, a, b):
    """One function of a vector. Where the order of operands matters, it decides what becomes of a NaN."""
    if kind <= SWISH:
        t = tanh(a * v)
        s = simd.fma(simd.broadcast(HALF), t, simd.broadcast(HALF))
        if kind == TANH:
            return t
        return s if kind == SIGMOID else v * s
    if kind == ELU:
        below = exp(simd.minimum(simd.zeros(), v)) - simd.broadcast(ONE)
        return simd.maximum(simd.zeros(), v) + a * below
    if kind == EXP:
        return b * exp(a * v)
    if kind == ABSOLUTE:
        return simd.absolute(v)
    if kind == CLIP:
        return simd.maximum(simd.minimum(b, v), a)
    if kind == THRESHOLD:
        return simd.where_less(a, v, simd.broadcast(ONE), simd.zeros())
    return simd.fma(a, v, b)


@kernel(types.void(F1_IN, F1, i64, f32, f32))
def activate(x, y, kind, a, b):
    """y = f(x), where `kind` names f:   x, y [P]; y may be x.

    TANH tanh(a*x)   SIGMOID s = tanh(a*x)/2 + 1/2   SWISH x*s   ELU max(x, 0) + a*(exp(min(x, 0)) - 1)
    EXP b*exp(a*x)   ABSOLUTE |x|   CLIP max(a, min(x, b))   THRESHOLD x > a   LINEAR a*x + b
    """
    first, second, whole = simd.broadcast(a), simd.broadcast(b), x.size // LANES * LANES
    for i in range(0, whole, LANES):
        simd.store(y, i, activation(kind, simd.load(x, i), first, second))
    if whole < x.size:
        v = simd.load_part(x, whole, x.size - whole)
        simd.store_part(y, whole, activation(kind, v, first, second), x.size - whole)


def prepare_relu(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    slopes = np.array([node.message.relu_param.negative_slope], np.float32)
    return lambda inputs, outputs: relu.run(inputs[0].reshape(1, -1), slopes, outputs[0].reshape(1, -1))


def prelu_weights(node: Node, bottoms: list[Shape]) -> list[Shape]:
    if len(bottoms[0]) < 2:
        raise node.error(f"a bottom of shape {list(bottoms[0])}", "2 axes or more, of which axis 1 are the channels")
    return [() if node.message.prelu_param.channel_shared else (bottoms[0][1],)]


def prepare_prelu(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    shared = prelu_weights(node, bottoms) == [()]
    rows = (1, count(bottoms[0])) if shared else (count(bottoms[0], 0, 2), count(bottoms[0], 2))

    def run(inputs, outputs):
        relu.run(inputs[0].reshape(rows), node.weights[0].reshape(-1), outputs[0].reshape(rows))

    return run


def prelu_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    prelu_weights(node, bottoms)
    return [bottoms[0]]


def activating(parameters: Callable[[Node], tuple[int, float, float]]) -> Callable:
    """The `prepare` of a layer that is one call of `activate`, of which `parameters` gives kind, a and b."""

    def prepare(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
        arguments = parameters(node)
        return lambda inputs, outputs: activate.run(inputs[0].reshape(-1), outputs[0].reshape(-1), *arguments)

    return prepare


def clip_bounds(node: Node) -> tuple[int, float, float]:
    clip = node.message.clip_param
    if not (clip.HasField("min") and clip.HasField("max")):
        raise node.error("has not both of clip_param's min and max", "both")
    return CLIP, clip.min, clip.max


def exponential(node: Node) -> tuple[int, float, float]:
    """base ** (shift + scale * x) as outer * exp(inner * x)."""
    parameter = node.message.exp_param
    log_base = checked_log(node, parameter.base)
    return EXP, float(log_base * parameter.scale), float(np.exp(log_base * parameter.shift))


def checked_log(node: Node, base: float) -> float:
    """ln(base), 1 for -1, which stands for e."""
    if base != -1 and not 0 < base < np.inf:
        raise node.error(f"base {base:g}", "a positive number, or -1 for e")
    return 1.0 if base == -1 else float(np.log(base))


def absolute_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    refuse_in_place(node)
    return [bottoms[0]]


def prepare_power(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    """(shift + scale * x) ** power. A power of another number than 1 is NumPy's: few nets have one."""
    parameter = node.message.power_param
    power, scale, shift = (np.float32(getattr(parameter, name)) for name in ("power", "scale", "shift"))
    start = shift if shift else np.float32(-0.0)  # Caffe adds no shift of 0, so -0 stays -0
    if power * scale == 0:
        with np.errstate(all="ignore"):
            value = np.float32(1) if power == 0 else np.power(shift, power)
        return lambda inputs, outputs: outputs[0].fill(value)

    def run(inputs, outputs):
        activate.run(inputs[0].reshape(-1), outputs[0].reshape(-1), LINEAR, scale, start)
        if power != 1:
            np.power(outputs[0], power, out=outputs[0])

    return run


def prepare_log(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    """log(shift + scale * x) to a base."""
    parameter = node.message.log_param
    log_base = checked_log(node, parameter.base)
    if log_base == 0:
        raise node.error("base 1", "a positive number other than 1, or -1 for e")
    inverse = np.float32(1 / log_base)

    def run(inputs, outputs):
        activate.run(inputs[0].reshape(-1), outputs[0].reshape(-1), LINEAR, parameter.scale, parameter.shift)
        np.log(outputs[0], out=outputs[0])
        np.multiply(outputs[0], inverse, out=outputs[0])

    return run


def prepare_bnll(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    """log(1 + exp(x)), as max(x, 0) + log(1 + exp(-|x|)), which cannot overflow."""
    part = np.empty(bottoms[0], np.float32)

    def run(inputs, outputs):
        np.abs(inputs[0], out=part)
        np.negative(part, out=part)
        np.exp(part, out=part)
        np.log1p(part, out=part)
        np.maximum(inputs[0], 0, out=outputs[0])
        np.add(outputs[0], part, out=outputs[0])

    return run


OPS = (
    Op("ReLU", same_shape, prepare_relu, in_place=True),
    Op("PReLU", prelu_shapes, prepare_prelu, prelu_weights, in_place=True),
    Op("ELU", same_shape, activating(lambda node: (ELU, node.message.elu_param.alpha, 0.0)), in_place=True),
    Op("TanH", same_shape, activating(lambda node: (TANH, 1.0, 0.0)), in_place=True),
    Op("Sigmoid", same_shape, activating(lambda node: (SIGMOID, 0.5, 0.0)), in_place=True),
    Op("Swish", same_shape, activating(lambda node: (SWISH, 0.5 * node.message.swish_param.beta, 0.0)), in_place=True),
    Op("AbsVal", absolute_shapes, activating(lambda node: (ABSOLUTE, 0.0, 0.0))),
    Op("Clip", same_shape, activating(clip_bounds), in_place=True),
    Op(
        "Threshold",
        same_shape,
        activating(lambda node: (THRESHOLD, node.message.threshold_param.threshold, 0.0)),
        in_place=True,
    ),
    Op("Exp", same_shape, activating(exponential), in_place=True),
    Op("Power", same_shape, prepare_power, in_place=True),
    Op("Log", same_shape, prepare_log, in_place=True),
    Op("BNLL", same_shape, prepare_bnll, in_place=True),
)
