"""rel: ReLU,  y = max(0, x).    dx = dy where x > 0, else 0.

x > 0 is y > 0, so x is not kept. NaN passes forward.
"""

from __future__ import annotations

from ....formats.network import GRAMMAR
from ...compiler import signatures as types
from ...compiler.cpu import LANES
from ...compiler.jit import F2, F2_IN, inline, kernel
from ...vectors.simd import load, load_part, maximum, store, store_part, where_less, zeros
from .layer import BACKWARD, FORWARD, TextLayer


@inline
def rectify(x, y):
    """y = max(0, x); y may be x."""
    whole = x.size // LANES * LANES
    for i in range(0, whole, LANES):
        store(y, i, maximum(zeros(), load(x, i)))
    if whole < x.size:
        rest = x.size - whole
        store_part(y, whole, maximum(zeros(), load_part(x, whole, rest)), rest)


@inline
def pass_where_positive(y, dy, dx):
    """dx = dy where y > 0, else 0; dx may be dy."""
    whole = y.size // LANES * LANES
    for i in range(0, whole, LANES):
        store(dx, i, where_less(zeros(), load(y, i), load(dy, i), zeros()))
    if whole < y.size:
        rest = y.size - whole
        gradient = where_less(zeros(), load_part(y, whole, rest), load_part(dy, whole, rest), zeros())
        store_part(dx, whole, gradient, rest)


@kernel(FORWARD)
def forward(x, p, settings, y, scratch):
    """Writes y [B, K] from x [B, K]; y may be x."""
    rectify(x, y)


@kernel(BACKWARD)
def backward(x, p, settings, y, dy, dx, scratch):
    """Writes dx [B, K] from y and dy [B, K]; dx may be dy. Does not read x."""
    pass_where_positive(y, dy, dx)


@kernel(types.void(F2_IN, F2))
def rel_forward(x: types.Floats, y: types.Floats) -> None:
    """y = max(0, x).   x, y [B, K] float32; y may be x. ValueError on different shapes."""
    if x.shape != y.shape:
        raise ValueError("rel_forward: x and y differ in shape")
    rectify(x, y)


@kernel(types.void(F2_IN, F2_IN, F2))
def rel_backward(y: types.Floats, dy: types.Floats, dx: types.Floats) -> None:
    """dx = dy where y > 0, else 0.   y, dy, dx [B, K] float32; dx may be dy. ValueError on different shapes."""
    if y.shape != dy.shape or y.shape != dx.shape:
        raise ValueError("rel_backward: y, dy and dx differ in shape")
    pass_where_positive(y, dy, dx)


LAYER = TextLayer(word=GRAMMAR["rel"], forward=forward, backward=backward, reads_input=False)
