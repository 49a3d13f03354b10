"""hub d: the Huber loss for real targets.   With e = x - target, and c = e within d, else d or -d:

    loss = sum_k c[k] * (e[k] - c[k] / 2)        e**2 / 2 within d, d * (|e| - d / 2) beyond
    dx = c                                       the derivative of the loss

Within d its gradient is that of `l2l`, whose loss is twice as much as belongs to it: the original's l2l carries no
factor 2 there. So a rate that suits the one suits the other, and l2l is hub with an infinite d and its losses doubled.
`test` writes the values that reach it.
"""

from __future__ import annotations

from ....formats.network import GRAMMAR
from ...compiler import signatures as types
from ...compiler.cpu import LANES
from ...compiler.jit import F1, F2, F2_IN, f32, inline, kernel
from ...vectors.elementary import HALF
from ...vectors.simd import broadcast, fma, load, load_part, maximum, minimum, reduce_add, store, store_part, zeros
from .l2l import forward
from .layer import LOSS, TextLayer


@inline
def within(difference, bound):
    """The difference, or where it is beyond the bound that bound, with its sign; NaN stays. Vectors."""
    return minimum(bound, maximum(-bound, difference))


@inline
def huber(x, target, delta, dx, losses):
    """Writes dx [B, K] and losses [B] from x and target [B, K]; dx may be x."""
    rows, K = x.shape
    bound, half = broadcast(delta), broadcast(-HALF)
    for b in range(rows):
        total, whole = zeros(), K // LANES * LANES
        for at in range(b * K, b * K + whole, LANES):
            difference = load(x, at) - load(target, at)
            cut = within(difference, bound)
            store(dx, at, cut)
            total = fma(cut, fma(half, cut, difference), total)
        if whole < K:
            at, rest = b * K + whole, K - whole
            difference = load_part(x, at, rest) - load_part(target, at, rest)
            cut = within(difference, bound)
            store_part(dx, at, cut, rest)
            total = fma(cut, fma(half, cut, difference), total)
        losses[b] = reduce_add(total)


@kernel(LOSS)
def loss(x, target, settings, dx, losses):
    """As `huber`; settings[0] is d."""
    huber(x, target, settings[0], dx, losses)


@kernel(types.void(F2_IN, F2_IN, f32, F2, F1))
def hub_loss(x: types.Floats, target: types.Floats, delta: float, dx: types.Floats, losses: types.Floats) -> None:
    """dx = x - target, cut at -delta and delta; losses[b] = sum of dx[b] * (x[b] - target[b] - dx[b] / 2).

    x, target [B, K] float32, delta > 0; writes dx [B, K] (may be x) and losses [B].
    ValueError on other shapes or delta.
    """
    if target.shape != x.shape or dx.shape != x.shape or losses.size != x.shape[0]:
        raise ValueError("hub_loss: x [B, K], target [B, K], dx [B, K], losses [B] do not fit together")
    if not delta > 0:
        raise ValueError("hub_loss: delta is not above 0")
    huber(x, target, delta, dx, losses)


LAYER = TextLayer(word=GRAMMAR["hub"], forward=forward, loss=loss, reads_input=False, targets=lambda outputs: outputs)
