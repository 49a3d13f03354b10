"""exp, tanh, the logistic function and related ones for vectors, to one or a few units in the last place.

exp       x = n*ln2 + r with |r| <= ln2/2; ln2 is taken in two parts, so that n*ln2_high is exact (Cody and Waite);
          exp(r) is its Taylor series to r**7, whose remainder r**8/8! is below 2**-26 on that interval.
decay     exp of x <= 0, with the denormal results that exp leaves out for its speed.
exp_minus_one  of x <= 0: 2**n * (exp(r) - 1) + (2**n - 1), of which only the series remains near 0.
tanh      above 5/8:  1 - 2 / (exp(2|x|) + 1); below, where that cancels, x + x**3 * q(x**2) with q fitted to the least
          maximal error (tests/engine/vectors/test_elementary.py states what is reached). Odd by construction.
gated     factor / (1 + exp(-x)), with e = exp(-|x|) as factor / (1 + e) or factor * e / (1 + e), which cancel nowhere.
softplus_rest  log(1 + e) = 2 * artanh(e / (2 + e)) for e = exp(-|x|): of its series in numbers up to 1/3, what begins
          with the power 15 is below 2**-26 of it.
sigmoid_slope  e / (1 + e)**2, the derivative of 1 / (1 + exp(-x)), for which y * (1 - y) would cancel.
NaN gives NaN. exp overflows to inf above 88.72 and is 0 below -87.33 (a result there would be denormal).
"""

from __future__ import annotations

import numpy as np

from ..compiler.jit import inline
from .simd import absolute, broadcast, fma, maximum, minimum, round_even, scale_by_power, where_less, zeros

F = np.float32
LOG2E = F(1.4426950408889634)
LN2_HIGH = F(0.693359375)  # 355/512: nine bits, so n * LN2_HIGH is exact for |n| < 2**15
LN2_REST = F(0.6931471805599453 - 0.693359375)
EXP_LOWEST, EXP_HIGHEST = F(-87.33654), F(88.72284)
DECAY_LOWEST = F(-156)  # below, x * e**x is 0
LIFT, LOWER = 100, F(2**-100)  # 2**(n + LIFT) is a normal float32 for all n that belong to DECAY_LOWEST and above
EXPM1_LOWEST = F(-20)  # below, e**x - 1 rounds to -1
HALF, ONE, TWO, MINUS_TWO = F(0.5), F(1), F(2), F(-2)
E3, E4, E5, E6, E7 = F(1 / 6), F(1 / 24), F(1 / 120), F(1 / 720), F(1 / 5040)
A3, A5, A7, A9, A11, A13 = (F(1 / n) for n in range(3, 14, 2))
INFINITY = F(np.inf)
TANH_SERIES_LIMIT = F(0.625)
# Least maximal relative error of x + x**3 * q(x**2) against tanh on [0, 5/8]: 4.4e-9.
T3, T5, T7, T9, T11 = F(-0.3333328194), F(0.133314421), F(-0.05373970683), F(0.0206390605), F(-0.005704957222)


@inline
def exp(x):
    """e**x."""
    bounded = minimum(broadcast(EXP_HIGHEST), maximum(broadcast(EXP_LOWEST), x))
    n = round_even(bounded * broadcast(LOG2E))
    series = exp_remainder(bounded, n) + broadcast(ONE)
    # 2**128 is not a float32, so the scaling is done in two steps at the upper end.
    half = round_even(n * broadcast(HALF))
    value = scale_by_power(scale_by_power(series, half, 0), n - half, 0)
    value = where_less(x, broadcast(EXP_LOWEST), zeros(), value)
    return where_less(broadcast(EXP_HIGHEST), x, broadcast(INFINITY), value)


@inline
def exp_remainder(x, n):
    """e**r - 1 for r = x - n * ln 2, which is small."""
    r = fma(-n, broadcast(LN2_REST), fma(-n, broadcast(LN2_HIGH), x))
    series = fma(broadcast(E7), r, broadcast(E6))
    series = fma(series, r, broadcast(E5))
    series = fma(series, r, broadcast(E4))
    series = fma(series, r, broadcast(E3))
    series = fma(series, r, broadcast(HALF))
    return fma(series, r * r, r)


@inline
def lifted_decay(x):
    """e**x * 2**LIFT for x <= 0."""
    bounded = maximum(broadcast(DECAY_LOWEST), x)
    n = round_even(bounded * broadcast(LOG2E))
    series = exp_remainder(bounded, n) + broadcast(ONE)
    return where_less(x, broadcast(DECAY_LOWEST), zeros(), scale_by_power(series, n, LIFT))


@inline
def decay(x):
    """e**x for x <= 0, down to the smallest denormal."""
    return lifted_decay(x) * broadcast(LOWER)


@inline
def exp_minus_one(x):
    """e**x - 1 for x <= 0."""
    bounded = maximum(broadcast(EXPM1_LOWEST), x)
    n = round_even(bounded * broadcast(LOG2E))
    power = scale_by_power(broadcast(ONE), n, 0)
    return fma(power, exp_remainder(bounded, n), power - broadcast(ONE))


@inline
def gated(factor, x):
    """factor / (1 + e**-x)."""
    lifted = lifted_decay(-absolute(x))
    below = factor * lifted * broadcast(LOWER)  # rounded once where it is denormal
    return where_less(x, zeros(), below, factor) / fma(lifted, broadcast(LOWER), broadcast(ONE))


@inline
def sigmoid(x):
    """1 / (1 + e**-x), denormal results included."""
    return gated(broadcast(ONE), x)


@inline
def sigmoid_slope(x):
    """The derivative of sigmoid."""
    e = decay(-absolute(x))
    total = broadcast(ONE) + e
    return e / (total * total)


@inline
def softplus_rest(x):
    """log(1 + e**-|x|)."""
    e = decay(-absolute(x))
    s = e / (broadcast(TWO) + e)
    square = s * s
    series = fma(broadcast(A13), square, broadcast(A11))
    series = fma(series, square, broadcast(A9))
    series = fma(series, square, broadcast(A7))
    series = fma(series, square, broadcast(A5))
    series = fma(series, square, broadcast(A3))
    return broadcast(TWO) * fma(series * square, s, s)


@inline
def tanh(x):
    """The hyperbolic tangent."""
    size = absolute(x)
    large = fma(broadcast(MINUS_TWO), broadcast(ONE) / (exp(size + size) + broadcast(ONE)), broadcast(ONE))
    large = where_less(x, zeros(), -large, large)
    square = x * x
    q = broadcast(T11)
    q = fma(q, square, broadcast(T9))
    q = fma(q, square, broadcast(T7))
    q = fma(q, square, broadcast(T5))
    q = fma(q, square, broadcast(T3))
    small = where_less(zeros(), size, fma(q * square, x, x), x)  # the sum alone would make -0 into 0
    return where_less(size, broadcast(TANH_SERIES_LIMIT), small, large)
