"""tnh: y = tanh(x).    dx = dy * (1 - y**2)."""

from __future__ import annotations

from ....formats.network import GRAMMAR
from ...compiler import signatures as types
from ...compiler.cpu import LANES
from ...compiler.jit import F2, F2_IN, inline, kernel
from ...vectors.elementary import ONE, tanh
from ...vectors.simd import broadcast, fma, load, load_part, store, store_part
from .layer import BACKWARD, FORWARD, TextLayer


@inline
def squash(x, y):
    """y = tanh(x); y may be x."""
    whole = x.size // LANES * LANES
    for i in range(0, whole, LANES):
        store(y, i, tanh(load(x, i)))
    if whole < x.size:
        store_part(y, whole, tanh(load_part(x, whole, x.size - whole)), x.size - whole)


@inline
def slope(y, dy):
    """dy * (1 - y**2), vectors."""
    return dy * fma(-y, y, broadcast(ONE))


@inline
def scale_by_slope(y, dy, dx):
    """dx = dy * (1 - y**2); dx may be dy."""
    whole = y.size // LANES * LANES
    for i in range(0, whole, LANES):
        store(dx, i, slope(load(y, i), load(dy, i)))
    if whole < y.size:
        rest = y.size - whole
        store_part(dx, whole, slope(load_part(y, whole, rest), load_part(dy, whole, rest)), rest)


@kernel(FORWARD)
def forward(x, p, settings, y, scratch):
    """Writes y [B, K] from x [B, K]; y may be x."""
    squash(x, y)


@kernel(BACKWARD)
def backward(x, p, settings, y, dy, dx, scratch):
    """Writes dx [B, K] from y and dy [B, K]; dx may be dy. Does not read x."""
    scale_by_slope(y, dy, dx)


@kernel(types.void(F2_IN, F2))
def tnh_forward(x: types.Floats, y: types.Floats) -> None:
    """y = tanh(x).   x, y [B, K] float32; y may be x. ValueError on different shapes."""
    if x.shape != y.shape:
        raise ValueError("tnh_forward: x and y differ in shape")
    squash(x, y)


@kernel(types.void(F2_IN, F2_IN, F2))
def tnh_backward(y: types.Floats, dy: types.Floats, dx: types.Floats) -> None:
    """dx = dy * (1 - y**2).   y, dy, dx [B, K] float32; dx may be dy. ValueError on different shapes."""
    if y.shape != dy.shape or y.shape != dx.shape:
        raise ValueError("tnh_backward: y, dy and dx differ in shape")
    scale_by_slope(y, dy, dx)


LAYER = TextLayer(word=GRAMMAR["tnh"], forward=forward, backward=backward, reads_input=False)
