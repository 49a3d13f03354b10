"""Smooth element-wise functions: ELU, SELU, TanH, Sigmoid, Swish, Mish, BNLL; and Exp's. All may work in place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...compiler import signatures as types
from ...compiler.jit import F1, F1_IN, f32, i64, inline, kernel
from ...vectors import simd
from ...vectors.elementary import (
    LOWER,
    ONE,
    TWO,
    decay,
    exp,
    exp_minus_one,
    gated,
    lifted_decay,
    sigmoid,
    sigmoid_slope,
    softplus_rest,
    tanh,
)
from .curves import ELU_CURVE, EXP, MISH, SIGMOID, SOFTPLUS, SWISH, TANH, apply, apply_slope, curve

SLOPE_LIMIT = np.float32(200)  # beyond, e**-|x| is 0 by far


@dataclass(frozen=True)
class ELU:
    alpha: float = 1.0


@dataclass(frozen=True)
class SELU:
    """scale * x above 0, scale * alpha * (exp(x) - 1) below."""

    alpha: float = 1.6732632
    scale: float = 1.0507010


@dataclass(frozen=True)
class Swish:
    beta: float = 1.0


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
    return b * (simd.maximum(simd.zeros(), v) + a * exp_minus_one(simd.minimum(simd.zeros(), v)))


@inline
def scaled_exp(v, a, b):
    return b * exp(a * v)


@inline
def mish_parts(v):
    """For u = e**-|v|: u * 2**LIFT, u, and numerator and denominator of tanh(ln(1 + e**v)), that of a v below 0 over u.

    With n = e**v * (e**v + 2) it is n / (n + 2), here in powers of u, which neither overflow nor cancel.
    """
    lifted = lifted_decay(-simd.absolute(v))
    u, one, two = lifted * simd.broadcast(LOWER), simd.broadcast(ONE), simd.broadcast(TWO)
    above = simd.where_less(v, simd.zeros(), u + two, simd.fma(two, u, one))
    below = simd.where_less(v, simd.zeros(), simd.fma(u, u + two, two), simd.fma(two * u, u + one, one))
    return lifted, u, above, below


@inline
def mish(v, a, b):
    lifted, _, above, below = mish_parts(v)
    value = simd.where_less(v, simd.zeros(), v * lifted, v) * (above / below)
    return value * simd.where_less(v, simd.zeros(), simd.broadcast(LOWER), simd.broadcast(ONE))


@inline
def softplus(v, a, b):
    """log(1 + exp(v)), which cannot overflow."""
    return simd.maximum(simd.zeros(), v) + softplus_rest(v)


@kernel(types.void(F1_IN, F1, i64, f32, f32))
def smooth_activation(x, y, kind, a, b):
    """y = f(x), for the smooth function `kind`:   x, y [P]; y may be x.

    TANH tanh(a*x)   SIGMOID s = 1/(1 + exp(-a*x))   SWISH x*s   ELU_CURVE b*(max(x, 0) + a*(exp(min(x, 0)) - 1))
    EXP b*exp(a*x)   MISH x*tanh(ln(1 + exp(x)))   SOFTPLUS ln(1 + exp(x))
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
    elif kind == MISH:
        apply(mish, x, y, a, b)
    elif kind == SOFTPLUS:
        apply(softplus, x, y, a, b)


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
    """s(z) * (1 + z * s(-z)) for z = a*v; beyond SLOPE_LIMIT, where s is 0 or 1, z need not be exact."""
    z = a * v
    z = simd.maximum(simd.broadcast(-SLOPE_LIMIT), simd.minimum(simd.broadcast(SLOPE_LIMIT), z))
    return gated(simd.fma(z, sigmoid(-z), simd.broadcast(ONE)), z) * d


@inline
def elu_slope(v, y, d, a, b):
    return b * simd.where_less(simd.zeros(), v, d, a * decay(simd.minimum(simd.zeros(), v)) * d)


@inline
def exp_slope(v, y, d, a, b):
    return a * y * d


@inline
def mish_slope(v, y, d, a, b):
    """t + 4 * v * e**v * (e**v + 1) / (n + 2)**2 with the t = n / (n + 2) of `mish_parts`, in its powers of u."""
    v = simd.maximum(simd.broadcast(-SLOPE_LIMIT), simd.minimum(simd.broadcast(SLOPE_LIMIT), v))
    lifted, u, above, below = mish_parts(v)
    bend = simd.broadcast(np.float32(4)) * v * (simd.broadcast(ONE) + u) / (below * below)
    left = lifted * (above / below + bend) * simd.broadcast(LOWER)
    return simd.where_less(v, simd.zeros(), left, simd.fma(u * u, bend, above / below)) * d


@inline
def softplus_slope(v, y, d, a, b):
    return sigmoid(v) * d


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
    elif kind == MISH:
        apply_slope(mish_slope, x, y, dy, dx, a, b)
    elif kind == SOFTPLUS:
        apply_slope(softplus_slope, x, y, dy, dx, a, b)


OPS = tuple(
    curve(kind, parameters, smooth_activation, smooth_activation_gradient)
    for kind, parameters in {
        "ELU": lambda node: (ELU_CURVE, node.attributes.alpha, 1.0),
        **dict.fromkeys(("SELU", "SeLu"), lambda node: (ELU_CURVE, node.attributes.alpha, node.attributes.scale)),
        "TanH": lambda node: (TANH, 1.0, 0.0),
        "Sigmoid": lambda node: (SIGMOID, 1.0, 0.0),
        "Swish": lambda node: (SWISH, node.attributes.beta, 0.0),
        "Mish": lambda node: (MISH, 0.0, 0.0),
        "BNLL": lambda node: (SOFTPLUS, 0.0, 0.0),
    }.items()
)
