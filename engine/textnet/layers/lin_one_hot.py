"""lin after one-hot inputs: the same y, dW and db as `lin.py`, without the ones and zeros.

    x [N, H]   the numbers of the H inputs of a row that are 1, as float32; the others of the F inputs are 0

    y[b] = b + sum of W[x[b, h]] over h           dW[f] = sum of dy[b] over the rows b that have f

Sums run in the order of lin's own (inputs upwards in stretches of LIN_KC, rows upwards), and 1 * w is w, so with the
numbers of a row in ascending order the results are lin's to the bit. p is laid out as there. A row of y costs H rows
of W instead of F. The gradient is summed for a block of W's rows at a time and then applied to their weights and
velocities.
"""

from __future__ import annotations

import dataclasses

from ...compiler.cpu import LANES
from ...compiler.jit import inline, kernel
from ...parameters.sgd import step_vectors
from ...products.gemm import MR, panel_width, whole
from ...vectors.simd import broadcast, load, load_part, maximum, store, store_part, zeros
from ...vectors.views import view1
from . import lin
from .layer import PICKING_FORWARD, PICKING_UPDATE

GRADIENT_ROWS = 16 * MR  # rows of W whose gradient is summed at a time: with 50 outputs, it fits into L1; derived


@inline
def row_of(picks, picks_at, b):
    """The row of x that is row b of the minibatch."""
    return picks[picks_at + b] if picks_at >= 0 else b


@kernel(PICKING_FORWARD)
def forward(x, picks, picks_at, p, settings, y, scratch):
    """Writes y [B, K] = max(settings[0], b + sum of the rows W[x[picked, h]] over h); x [N, H] as float32."""
    H, (rows, K) = x.shape[1], y.shape
    deep = p.size // whole(K) - 1
    bias, bound = deep * whole(K), broadcast(settings[0])
    for b in range(rows):  #                                                  y[b, :]
        row, n = row_of(picks, picks_at, b), 0
        while n < K:
            step = whole(panel_width(K - n))
            for c in range(0, step, LANES):  #                                y[b, n+c:n+c+LANES]
                total, part, end = load(p, bias + n + c), zeros(), lin.LIN_KC
                for h in range(H):  #                                         W[x[b, h], n+c:n+c+LANES]
                    f = int(x[row, h])
                    while f >= end:
                        total, part, end = total + part, zeros(), end + lin.LIN_KC
                    part = part + load(p, n * deep + f * step + c)
                total = total + part
                width = min(LANES, K - n - c)
                if width == LANES:
                    store(y, b * K + n + c, maximum(bound, total))
                elif width > 0:
                    store_part(y, b * K + n + c, maximum(bound, total), width)
            n += step


@inline
def sum_gradient(x, picks, picks_at, dy, first, high, gradient):
    """dW of the inputs [first, first + high), in panels as W's; writes gradient[:high * whole(K)]."""
    H, (rows, K) = x.shape[1], dy.shape
    for i in range(0, high * whole(K), LANES):
        store(gradient, i, zeros())
    for b in range(rows):
        row = row_of(picks, picks_at, b)
        for h in range(H):
            f = int(x[row, h]) - first
            if f >= 0 and f < high:
                n = 0
                while n < K:
                    step = whole(panel_width(K - n))
                    for c in range(0, min(step, K - n), LANES):
                        at, width = n * high + f * step + c, min(LANES, K - n - c)
                        part = load(dy, b * K + n + c) if width == LANES else load_part(dy, b * K + n + c, width)
                        store(gradient, at, load(gradient, at) + part)
                    n += step


@kernel(PICKING_UPDATE)
def update(x, picks, picks_at, dy, p, v, rate, decay, momentum, share, shares, scratch):
    """One step of p and v against dW and db; writes share `share` of `shares` of their rows. dy [B, K]."""
    K = dy.shape[1]
    wide = whole(K)
    deep = p.size // wide - 1
    first, last = deep * share // shares, deep * (share + 1) // shares
    gradient = view1(scratch, 0, GRADIENT_ROWS * wide)
    for block in range(first, last, GRADIENT_ROWS):  #       W[block:block+high, :]
        high = min(GRADIENT_ROWS, last - block)
        sum_gradient(x, picks, picks_at, dy, block, high, gradient)
        n = 0
        while n < K:
            step = whole(panel_width(K - n))
            at = n * deep + block * step
            step_vectors(p, at, v, at, gradient, n * high, high * step, rate, decay, momentum)
            n += step
    if share == shares - 1:
        lin.sum_rows(dy, gradient)
        step_vectors(p, deep * wide, v, deep * wide, gradient, 0, K, rate, decay, momentum)


def scratch_size(outputs: int) -> int:
    """Floats of scratch memory that `update` needs."""
    return int(GRADIENT_ROWS * whole.py_func(outputs))


LAYER = dataclasses.replace(lin.LAYER, forward=forward, update=update)
