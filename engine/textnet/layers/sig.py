"""sig: the logistic function,  y = 1 / (1 + exp(-x)).    dx = dy * y * (1 - y)."""

from __future__ import annotations

from ....formats.network import GRAMMAR
from ...compiler import signatures as types
from ...compiler.cpu import LANES
from ...compiler.jit import F2, F2_IN, inline, kernel
from ...vectors.elementary import sigmoid
from ...vectors.simd import fma, load, load_part, store, store_part
from .layer import BACKWARD, FORWARD, TextLayer


@inline
def logistic(x, y):
    """y = 1 / (1 + exp(-x)); y may be x."""
    whole = x.size // LANES * LANES
    for i in range(0, whole, LANES):
        store(y, i, sigmoid(load(x, i)))
    if whole < x.size:
        rest = x.size - whole
        store_part(y, whole, sigmoid(load_part(x, whole, rest)), rest)


@inline
def scale_by_logistic_slope(y, dy, dx):
    """dx = dy * y * (1 - y); dx may be dy."""
    whole = y.size // LANES * LANES
    for i in range(0, whole, LANES):
        value = load(y, i)
        store(dx, i, load(dy, i) * fma(-value, value, value))
    if whole < y.size:
        rest = y.size - whole
        value = load_part(y, whole, rest)
        store_part(dx, whole, load_part(dy, whole, rest) * fma(-value, value, value), rest)


@kernel(FORWARD)
def forward(x, p, settings, y, scratch):
    """Writes y [B, K] from x [B, K]; y may be x."""
    logistic(x, y)


@kernel(BACKWARD)
def backward(x, p, settings, y, dy, dx, scratch):
    """Writes dx [B, K] from y and dy [B, K]; dx may be dy. Does not read x."""
    scale_by_logistic_slope(y, dy, dx)


@kernel(types.void(F2_IN, F2))
def sig_forward(x: types.Floats, y: types.Floats) -> None:
    """y = 1 / (1 + exp(-x)).   x, y [B, K] float32; y may be x. ValueError on different shapes."""
    if x.shape != y.shape:
        raise ValueError("sig_forward: x and y differ in shape")
    logistic(x, y)


@kernel(types.void(F2_IN, F2_IN, F2))
def sig_backward(y: types.Floats, dy: types.Floats, dx: types.Floats) -> None:
    """dx = dy * y * (1 - y).   y, dy, dx [B, K] float32; dx may be dy. ValueError on different shapes."""
    if y.shape != dy.shape or y.shape != dx.shape:
        raise ValueError("sig_backward: y, dy and dx differ in shape")
    scale_by_logistic_slope(y, dy, dx)


LAYER = TextLayer(word=GRAMMAR["sig"], forward=forward, backward=backward, reads_input=False)
