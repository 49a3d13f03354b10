"""lky s: leaky ReLU,  y = x where x > 0, else s * x,  for s in [0, 1].    dx = dy where x > 0, else s * dy.

x > 0 is y > 0, so x is not kept. NaN passes forward.
"""

from __future__ import annotations

from ....formats.network import GRAMMAR
from ...compiler import signatures as types
from ...compiler.cpu import LANES
from ...compiler.jit import F2, F2_IN, f32, inline, kernel
from ...vectors.simd import broadcast, load, load_part, store, store_part, where_less, zeros
from .layer import BACKWARD, FORWARD, TextLayer


@inline
def leak(x, slope, y):
    """y = x where x > 0, else slope * x; y may be x."""
    factor, whole = broadcast(slope), x.size // LANES * LANES
    for i in range(0, whole, LANES):
        value = load(x, i)
        store(y, i, where_less(zeros(), value, value, factor * value))
    if whole < x.size:
        rest = x.size - whole
        value = load_part(x, whole, rest)
        store_part(y, whole, where_less(zeros(), value, value, factor * value), rest)


@inline
def leak_gradient(y, slope, dy, dx):
    """dx = dy where y > 0, else slope * dy; dx may be dy."""
    factor, whole = broadcast(slope), y.size // LANES * LANES
    for i in range(0, whole, LANES):
        gradient = load(dy, i)
        store(dx, i, where_less(zeros(), load(y, i), gradient, factor * gradient))
    if whole < y.size:
        rest = y.size - whole
        gradient = load_part(dy, whole, rest)
        store_part(dx, whole, where_less(zeros(), load_part(y, whole, rest), gradient, factor * gradient), rest)


@kernel(FORWARD)
def forward(x, p, settings, y, scratch):
    """Writes y [B, K] from x [B, K]; y may be x. settings[0] is s."""
    leak(x, settings[0], y)


@kernel(BACKWARD)
def backward(x, p, settings, y, dy, dx, scratch):
    """Writes dx [B, K] from y and dy [B, K]; dx may be dy. Does not read x."""
    leak_gradient(y, settings[0], dy, dx)


@kernel(types.void(F2_IN, f32, F2))
def lky_forward(x: types.Floats, slope: float, y: types.Floats) -> None:
    """y = x where x > 0, else slope * x.   x, y [B, K] float32; y may be x. ValueError on different shapes."""
    if x.shape != y.shape:
        raise ValueError("lky_forward: x and y differ in shape")
    leak(x, slope, y)


@kernel(types.void(F2_IN, f32, F2_IN, F2))
def lky_backward(y: types.Floats, slope: float, dy: types.Floats, dx: types.Floats) -> None:
    """dx = dy where y > 0, else slope * dy.   y, dy, dx [B, K] float32; dx may be dy. slope is not negative, so that y
    has the sign of x. ValueError on different shapes."""
    if y.shape != dy.shape or y.shape != dx.shape:
        raise ValueError("lky_backward: y, dy and dx differ in shape")
    leak_gradient(y, slope, dy, dx)


LAYER = TextLayer(word=GRAMMAR["lky"], forward=forward, backward=backward, reads_input=False)
