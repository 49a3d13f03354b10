"""exp and tanh of vectors, to about one unit in the last place.

exp   x = n*ln2 + r with |r| <= ln2/2; ln2 is taken in two parts, so that n*ln2_high is exact (Cody and Waite);
      exp(r) is its Taylor series to r**7, whose remainder r**8/8! is below 2**-26 on that interval.
tanh  above 5/8:  1 - 2 / (exp(2|x|) + 1); below, where that cancels, x + x**3 * q(x**2) with q fitted to the least
      maximal error (tests/engine/test_elementary.py states what is reached). Odd by construction.
NaN gives NaN. exp overflows to inf above 88.72 and is 0 below -87.33 (a result there would be denormal).
"""

from __future__ import annotations

import numpy as np

from .jit import inline
from .simd import absolute, broadcast, fma, maximum, minimum, round_even, scale_by_power, where_less, zeros

F = np.float32
LOG2E = F(1.4426950408889634)
LN2_HIGH = F(0.693359375)  # 355/512: nine bits, so n * LN2_HIGH is exact for |n| < 2**15
LN2_LOW = F(0.6931471805599453 - 0.693359375)
LOWEST, HIGHEST = F(-87.33654), F(88.72284)
HALF, ONE, TWO, MINUS_TWO = F(0.5), F(1), F(2), F(-2)
E3, E4, E5, E6, E7 = F(1 / 6), F(1 / 24), F(1 / 120), F(1 / 720), F(1 / 5040)
INFINITY = F(np.inf)
SMALL = F(0.625)
# Least maximal relative error of x + x**3 * q(x**2) against tanh on [0, 5/8]: 4.4e-9.
T3, T5, T7, T9, T11 = F(-0.3333328194), F(0.133314421), F(-0.05373970683), F(0.0206390605), F(-0.005704957222)


@inline
def exp(x):
    """e**x."""
    bounded = minimum(broadcast(HIGHEST), maximum(broadcast(LOWEST), x))
    n = round_even(bounded * broadcast(LOG2E))
    r = fma(-n, broadcast(LN2_LOW), fma(-n, broadcast(LN2_HIGH), bounded))
    series = fma(broadcast(E7), r, broadcast(E6))
    series = fma(series, r, broadcast(E5))
    series = fma(series, r, broadcast(E4))
    series = fma(series, r, broadcast(E3))
    series = fma(series, r, broadcast(HALF))
    series = fma(series, r * r, r) + broadcast(ONE)
    # 2**128 is no float32, so the scaling is done in two steps at the upper end.
    half = round_even(n * broadcast(HALF))
    value = scale_by_power(scale_by_power(series, half), n - half)
    value = where_less(x, broadcast(LOWEST), zeros(), value)
    return where_less(broadcast(HIGHEST), x, broadcast(INFINITY), value)


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
    return where_less(size, broadcast(SMALL), small, large)
