"""l2l: the loss for real targets. Squared error:  loss = sum_k (x[k] - target[k])**2,   dx = x - target.

The gradient carries no factor 2, as in the original. With K outputs the loss of a row is summed over them.
`test` writes the values that reach it.
"""

from __future__ import annotations

from ....formats.network import GRAMMAR
from ...compiler import signatures as types
from ...compiler.cpu import LANES
from ...compiler.jit import F1, F2, F2_IN, inline, kernel
from ...vectors.copying import copy
from ...vectors.simd import fma, load, load_part, reduce_add, store, store_part, zeros
from .layer import FORWARD, LOSS, TextLayer


@inline
def squared_error(x, target, dx, losses):
    """Writes dx [B, K] and losses [B] from x and target [B, K]; dx may be x."""
    rows, K = x.shape
    for b in range(rows):
        total, whole = zeros(), K // LANES * LANES
        for at in range(b * K, b * K + whole, LANES):
            difference = load(x, at) - load(target, at)
            store(dx, at, difference)
            total = fma(difference, difference, total)
        if whole < K:
            at, rest = b * K + whole, K - whole
            difference = load_part(x, at, rest) - load_part(target, at, rest)
            store_part(dx, at, difference, rest)
            total = fma(difference, difference, total)
        losses[b] = reduce_add(total)


@kernel(FORWARD)
def forward(x, p, settings, y, scratch):
    """Writes y [B, K] = x [B, K]."""
    copy(x, 0, y, 0, x.size)


@kernel(LOSS)
def loss(x, target, settings, dx, losses):
    """As `squared_error`."""
    squared_error(x, target, dx, losses)


@kernel(types.void(F2_IN, F2_IN, F2, F1))
def l2l_loss(x: types.Floats, target: types.Floats, dx: types.Floats, losses: types.Floats) -> None:
    """losses[b] = sum of (x[b] - target[b])**2 and dx = x - target.

    x, target [B, K] float32; writes dx [B, K] (may be x) and losses [B]. ValueError on other shapes.
    """
    if target.shape != x.shape or dx.shape != x.shape or losses.size != x.shape[0]:
        raise ValueError("l2l_loss: x [B, K], target [B, K], dx [B, K], losses [B] do not fit together")
    squared_error(x, target, dx, losses)


LAYER = TextLayer(word=GRAMMAR["l2l"], forward=forward, loss=loss, reads_input=False, targets=lambda outputs: outputs)
