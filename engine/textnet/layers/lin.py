"""lin K e: fully connected,  y = x @ W + b.

    dx = dy @ W.T        dW = x.T @ dy        db = sum of the rows of dy

Weights and biases are drawn from N(0, (10**e)**2). Or instead of e stands how the deviation of the weights follows from
the widths, and biases begin at 0: `he`, N(0, 2/F), which keeps the variance before a ReLU, or `glorot`, N(0, 2/(F+K)),
which balances that of values and of gradients. A following `rel` is done in the forward product's epilogue:
settings[0] is the lower bound of y, 0 or -inf.

p holds W [F, K] in the panels of `gemm.py` for a depth of F rounded up to whole vectors, and then b, filled up with
zeros to whole vectors. So no product of a training packs W, the forward product reads it front to back, and so does
the update, tile by tile: a tile of dW is summed over the minibatch in registers and at once applied to its weights and
their velocity; dW is never stored. Little is packed, once per minibatch: dy into panels, x into bands (F_BLOCK of its
columns at a time, so that they lie in L1 while all of dy's panels pass by), NR rows of W.T for a panel of dx.

Rows of x are picked by index, so the first layer reads a shuffled minibatch directly from the data.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ....formats.network import GRAMMAR, Value
from ...compiler import signatures as types
from ...compiler.cpu import LANES
from ...compiler.jit import F1, F2, F2_IN, inline, kernel
from ...parameters.sgd import step_vectors
from ...products.gemm import (
    MR,
    NO_LOWER_BOUND,
    NR,
    NV,
    TALL,
    gemm,
    multiply_column,
    pack_bands_transposed,
    pack_panels,
    panel_width,
    whole,
)
from ...products.tile import step_tile
from ...vectors.copying import copy_transposed
from ...vectors.simd import load, load_part, prefetch, store, store_part, zeros
from ...vectors.views import no_rows, view1
from .layer import BACKWARD, PICKING_FORWARD, PICKING_UPDATE, TextLayer

# The length of a stretch of the sums: a panel of W or W.T streams from L2, 1024 * NR * 4 bytes = 96 KiB, and y is
# written once. Derived, not measured alone.
LIN_KC = 1024
F_BLOCK = 64  # inputs whose dW is computed together: 64 * 100 rows * 4 bytes = 25 KiB of L1; derived
CACHE_LINE_FLOATS = 16
# Prefetched of each picked row, PICKED_ROWS_AHEAD rows before the tile that needs it. 128 floats instead of 64: the
# first product of the net `rank` took 84 us instead of 88, and 100 without (EPYC Zen 3, AVX2, 2026-11-22; perf --suite
# train).
PREFETCHED_FLOATS = 8 * CACHE_LINE_FLOATS
PICKED_ROWS_AHEAD = 2 * MR


@inline
def sum_rows(dy, out):
    """out[k] = sum of dy[:, k] over the rows of dy [B, K]; writes out[:K]."""
    rows, K = dy.shape
    for k in range(0, K, LANES):
        width = min(LANES, K - k)
        total = zeros()
        for b in range(rows):
            total = total + (load(dy, b * K + k) if width == LANES else load_part(dy, b * K + k, width))
        if width == LANES:
            store(out, k, total)
        else:
            store_part(out, k, total, width)


@inline
def prefetch_rows(x, picks, picks_at, first, last, F, k, depth):
    """Prefetch the picked rows [first, last) from column k on; in long ones the CPU's own prefetcher continues."""
    for b in range(first, last):
        row = picks[picks_at + b] * F + k
        for f in range(0, min(depth, PREFETCHED_FLOATS), CACHE_LINE_FLOATS):
            prefetch(x, row + f)


@kernel(PICKING_FORWARD)
def forward(x, picks, picks_at, p, settings, y, scratch):
    """Writes y [B, K] = max(settings[0], picked rows of x [N, F] @ W + b); p holds W in panels, then b."""
    F, (rows, K) = x.shape[1], y.shape
    deep = whole(F)
    bias, flat_x, flat_y = deep * whole(K), view1(x, 0, x.size), view1(y, 0, y.size)
    for k in range(0, F, LIN_KC):  #                    x[:, k:k+depth]   W[k:k+depth, :]
        depth = min(LIN_KC, F - k)
        bound = settings[0] if k + depth == F else NO_LOWER_BOUND
        n = 0
        while n < K:  #                                 y[:, n:n+width]   W[k:k+depth, n:n+width], a panel
            width = panel_width(K - n)
            step = whole(width)
            init, init_at, init_m = flat_y, n, K
            if k == 0:
                init, init_at, init_m = p, bias + n, 0
            far = picks_at >= 0 and n == 0  # scattered rows, read for the first time
            b = 0
            while b < rows:  #                          y[b:b+high, n:n+width]   x[b:b+high, k:k+depth]
                high = min(rows - b, MR) if far else rows
                if far:
                    ahead = b + PICKED_ROWS_AHEAD
                    prefetch_rows(flat_x, picks, picks_at, ahead, min(rows, ahead + MR), F, k, depth)
                multiply_column(
                    flat_x, k, F, 1, picks, picks_at + b, p, n * deep + k * step, step, depth,
                    init, init_at + b * init_m, init_m, bound, flat_y, b * K + n, K, high, width,
                )  # fmt: skip
                b += high
            n += width


@inline
def transpose_rows(p, deep, f, width, k, depth, K, out):
    """out[c * step + j] = W[f + j, k + c] for c < depth, j < width, where step is whole(width)."""
    step = whole(width)
    n = 0
    while n < K:  #                                     W[f:f+step, n:n+panel], a panel
        panel = whole(panel_width(K - n))
        for c in range(max(n, k), min(n + panel, k + depth), LANES):
            for j in range(0, step, LANES):
                copy_transposed(p, n * deep + (f + j) * panel + c - n, panel, out, (c - k) * step + j, step)
        n += panel


@kernel(BACKWARD)
def backward(x, p, settings, y, dy, dx, scratch):
    """Writes dx [B, F] = dy [B, K] @ W.T; `scratch` holds one panel of W.T. Reads neither x nor y."""
    (rows, K), F = dy.shape, dx.shape[1]
    deep, flat_dy, flat_dx = whole(F), view1(dy, 0, dy.size), view1(dx, 0, dx.size)
    f = 0
    while f < F:  #                                     dx[:, f:f+width]
        width = panel_width(F - f)
        for k in range(0, K, LIN_KC):  #                dy[:, k:k+depth]   W.T[k:k+depth, f:f+width]
            depth = min(LIN_KC, K - k)
            transpose_rows(p, deep, f, width, k, depth, K, scratch)
            multiply_column(
                flat_dy, k, K, 1, no_rows(), -1, scratch, 0, whole(width), depth,
                flat_dx, f, F if k else -1, NO_LOWER_BOUND, flat_dx, f, F, rows, width,
            )  # fmt: skip
        f += width


@kernel(PICKING_UPDATE)
def update(x, picks, picks_at, dy, p, v, rate, decay, momentum, share, shares, scratch):
    """One step of p and v against dW = picked x.T @ dy and db; writes share `share` of `shares` of their rows.

    dy [B, K]. `scratch` holds dy in panels, and F_BLOCK columns of x in bands. The last share updates b.
    """
    F, (rows, K) = x.shape[1], dy.shape
    deep, wide = whole(F), whole(K)
    tiles = (F + MR - 1) // MR
    first, last = tiles * share // shares * MR, tiles * (share + 1) // shares * MR
    flat_x = view1(x, 0, x.size)
    panels, bands = view1(scratch, 0, rows * wide), view1(scratch, rows * wide, rows * F_BLOCK)
    pack_panels(dy, 0, K, rows, K, panels)
    for block in range(first, last, F_BLOCK):  #        x[:, block:block+high]   W[block:block+high, :]
        high = min(F_BLOCK, last - block)
        pack_bands_transposed(flat_x, block, F, picks, picks_at, rows, min(high, F - block), bands)
        n = 0
        while n < K:  #                                 dy[:, n:n+step]   W[block:block+high, n:n+step]
            step = whole(panel_width(K - n))
            tall = high // TALL * TALL if step == LANES else 0
            for f in range(0, tall, TALL):  #           W[block+f:+TALL, n:n+step]
                step_tile(
                    bands, f * rows, panels, n * rows, step, rows, p, v, n * deep + (block + f) * step, step,
                    rate, decay, momentum, step, MR, TALL, 1,
                )  # fmt: skip
            for f in range(tall, high, MR):  #          W[block+f:+MR, n:n+step]
                step_tile(
                    bands, f * rows, panels, n * rows, step, rows, p, v, n * deep + (block + f) * step, step,
                    rate, decay, momentum, step, MR, MR, NV,
                )  # fmt: skip
            n += step
    if share == shares - 1:
        sum_rows(dy, panels)
        step_vectors(p, deep * wide, v, deep * wide, panels, 0, K, rate, decay, momentum)


def initial_parameters(drawn: np.ndarray, inputs: int, values: Sequence[Value]) -> np.ndarray:
    """W [F, K] row by row, then b [K]: float32 like `drawn`, as many draws of N(0, 1)."""
    outputs, start = int(values[0]), values[1]
    if not isinstance(start, str):
        return drawn * np.float32(10.0**start)
    weights = drawn * np.float32(math.sqrt(2 / (inputs if start == "he" else inputs + outputs)))
    weights[inputs * outputs :] = 0
    return weights


# ------------------------------------------------------------------------------- between a file's order and panels
def stored_size(inputs: int, outputs: int) -> int:
    return int((whole.py_func(inputs) + 1) * whole.py_func(outputs))


def store_parameters(natural: np.ndarray, inputs: int, outputs: int) -> np.ndarray:
    """p for `natural`: W [F, K] row by row, then b [K]."""
    stored = np.zeros(stored_size(inputs, outputs), np.float32)
    weights, bias = natural[: inputs * outputs].reshape(inputs, outputs), natural[inputs * outputs :]
    for panel, columns in _panels(stored, inputs, outputs):
        panel[...] = weights[:, columns]
    _bias(stored, inputs, outputs)[...] = bias
    return stored


def natural_parameters(stored: np.ndarray, inputs: int, outputs: int) -> np.ndarray:
    """The inverse of `store_parameters`."""
    natural = np.empty((inputs + 1) * outputs, np.float32)
    weights = natural[: inputs * outputs].reshape(inputs, outputs)
    for panel, columns in _panels(stored, inputs, outputs):
        weights[:, columns] = panel
    natural[inputs * outputs :] = _bias(stored, inputs, outputs)
    return natural


def _panels(stored, inputs, outputs):
    """Each panel's part of W, as a view of `stored`, and the columns that it holds."""
    deep, n = whole.py_func(inputs), 0
    while n < outputs:
        width = panel_width.py_func(outputs - n)
        step = whole.py_func(width)
        yield stored[n * deep :][: deep * step].reshape(deep, step)[:inputs, :width], slice(n, n + width)
        n += step


def _bias(stored, inputs, outputs):
    return stored[whole.py_func(inputs) * whole.py_func(outputs) :][:outputs]


# ---------------------------------------------------- the same for NumPy arrays and for kernels of the user's own
@kernel(types.void(F2_IN, F2_IN, F1, F2))
def lin_forward(x: types.Floats, W: types.Floats, b: types.Floats, y: types.Floats) -> None:
    """y = x @ W + b.   x [B, F], W [F, K], b [K]; writes y [B, K]. float32, no overlap. ValueError on other shapes."""
    if W.shape[0] != x.shape[1] or b.size != W.shape[1] or y.shape != (x.shape[0], W.shape[1]):
        raise ValueError("lin_forward: x [B, F], W [F, K], b [K], y [B, K] do not fit together")
    gemm(x, W, b, y, False, False, False, NO_LOWER_BOUND)


@kernel(types.void(F2_IN, F2_IN, F2))
def lin_backward(W: types.Floats, dy: types.Floats, dx: types.Floats) -> None:
    """dx = dy @ W.T.   W [F, K], dy [B, K]; writes dx [B, F]. float32, no overlap. ValueError on other shapes."""
    if dy.shape[1] != W.shape[1] or dx.shape != (dy.shape[0], W.shape[0]):
        raise ValueError("lin_backward: W [F, K], dy [B, K], dx [B, F] do not fit together")
    gemm(dy, W, view1(dx, 0, 0), dx, False, True, False, NO_LOWER_BOUND)


@kernel(types.void(F2_IN, F2_IN, F2, F1))
def lin_gradient(x: types.Floats, dy: types.Floats, dW: types.Floats, db: types.Floats) -> None:
    """dW = x.T @ dy, db = dy.sum(0).   x [B, F], dy [B, K]; writes dW [F, K], db [K]. ValueError on other shapes."""
    (rows, F), K = x.shape, dy.shape[1]
    if dy.shape[0] != rows or dW.shape != (F, K) or db.size != K:
        raise ValueError("lin_gradient: x [B, F], dy [B, K], dW [F, K], db [K] do not fit together")
    gemm(x, dy, view1(dW, 0, 0), dW, True, False, False, NO_LOWER_BOUND)
    sum_rows(dy, db)


LAYER = TextLayer(
    word=GRAMMAR["lin"],
    forward=forward,
    backward=backward,
    update=update,
    picks=True,
    outputs=lambda inputs, values: int(values[0]),
    parameters=lambda inputs, values: (inputs + 1) * int(values[0]),
    shapes=lambda inputs, outputs: {"W": (inputs, outputs), "b": (outputs,)},
    stored_size=stored_size,
    store=store_parameters,
    natural=natural_parameters,
    initial=initial_parameters,
    settings=lambda inputs, values: (float("-inf"),),
    scratch_size=lambda inputs, outputs, rows: int(
        max(min(LIN_KC, whole.py_func(outputs)) * NR, rows * (whole.py_func(outputs) + F_BLOCK), whole.py_func(outputs))
    ),
    macs=lambda inputs, outputs: inputs * outputs,
    reads_parameters=False,
    reads_output=False,
)
