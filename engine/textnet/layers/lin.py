"""lin K e: fully connected,  y = x @ W + b.

    dx = dy @ W.T        dW = x.T @ dy        db = sum of the rows of dy

Weights and biases are drawn from N(0, (10**e)**2). A following `rel` is done in the forward product's epilogue:
settings[0] is the lower bound of y, 0 or -inf.

p holds W [F, K] in the panels of `gemm.py` for a depth of F rounded up to whole vectors, and then b, filled up with
zeros to whole vectors. So no product of a training packs W, the forward product reads it front to back, and so does
the update, tile by tile: a tile of dW is summed over the minibatch in registers, where it meets its weights and their
velocity; dW is never stored. What is packed, once a minibatch, is small: dy into panels, x into bands (F_BLOCK of its
columns at a time, so that they lie in L1 while all of dy's panels pass by), NR rows of W.T for a panel of dx.

Rows of x are picked by index, so the first layer reads a shuffled minibatch from where its rows lie.
"""

from __future__ import annotations

import numpy as np

from ....formats.network import GRAMMAR
from ...compiler import signatures as types
from ...compiler.cpu import LANES
from ...compiler.jit import F1, F2, F2_IN, inline, kernel
from ...parameters.sgd import step_vectors
from ...products.gemm import (
    MR,
    NONE,
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
from .layer import BACKWARD, PICKING_FORWARD, PICKING_UPDATE, Layer

# The sums' stretches: a panel of W or W.T streams from L2, 1024 * NR * 4 bytes = 96 KiB, and y is written once.
DEPTH = 1024
F_BLOCK = 64  # 64 * 100 rows * 4 bytes = 25 KiB of L1
LINE = 16  # floats of a cache line
FETCHED = 8 * LINE  # of each picked row, AHEAD rows before the tile that needs it
AHEAD = 2 * MR


@inline
def sum_rows(dy, out):
    """out[k] = sum of dy[:, k]."""
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
    """Start fetching the picked rows [first, last) from column k on; where they are long, the CPU goes on by itself."""
    for b in range(first, last):
        row = picks[picks_at + b] * F + k
        for f in range(0, min(depth, FETCHED), LINE):
            prefetch(x, row + f)


@kernel(PICKING_FORWARD)
def forward(x, picks, picks_at, p, settings, y, scratch):
    F, (rows, K) = x.shape[1], y.shape
    deep = whole(F)
    bias, flat_x, flat_y = deep * whole(K), view1(x, 0, x.size), view1(y, 0, y.size)
    for k in range(0, F, DEPTH):
        depth = min(DEPTH, F - k)
        bound = settings[0] if k + depth == F else NONE
        n = 0
        while n < K:
            width = panel_width(K - n)
            step = whole(width)
            init, init_at, init_m = flat_y, n, K
            if k == 0:
                init, init_at, init_m = p, bias + n, 0
            far = picks_at >= 0 and n == 0  # rows from anywhere in memory, and this is the first time
            b = 0
            while b < rows:
                high = min(rows - b, MR) if far else rows
                if far:
                    prefetch_rows(flat_x, picks, picks_at, b + AHEAD, min(rows, b + AHEAD + MR), F, k, depth)
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
    while n < K:
        panel = whole(panel_width(K - n))
        for c in range(max(n, k), min(n + panel, k + depth), LANES):
            for j in range(0, step, LANES):
                copy_transposed(p, n * deep + (f + j) * panel + c - n, panel, out, (c - k) * step + j, step)
        n += panel


@kernel(BACKWARD)
def backward(x, p, settings, y, dy, dx, scratch):
    (rows, K), F = dy.shape, dx.shape[1]
    deep, flat_dy, flat_dx = whole(F), view1(dy, 0, dy.size), view1(dx, 0, dx.size)
    f = 0
    while f < F:
        width = panel_width(F - f)
        for k in range(0, K, DEPTH):
            depth = min(DEPTH, K - k)
            transpose_rows(p, deep, f, width, k, depth, K, scratch)
            multiply_column(
                flat_dy, k, K, 1, no_rows(), -1, scratch, 0, whole(width), depth,
                flat_dx, f, F if k else -1, NONE, flat_dx, f, F, rows, width,
            )  # fmt: skip
        f += width


@kernel(PICKING_UPDATE)
def update(x, picks, picks_at, dy, p, v, rate, decay, momentum, share, shares, scratch):
    F, (rows, K) = x.shape[1], dy.shape
    deep, wide = whole(F), whole(K)
    tiles = (F + MR - 1) // MR
    first, last = tiles * share // shares * MR, tiles * (share + 1) // shares * MR
    flat_x = view1(x, 0, x.size)
    panels, bands = view1(scratch, 0, rows * wide), view1(scratch, rows * wide, rows * F_BLOCK)
    pack_panels(dy, 0, K, rows, K, panels)
    for block in range(first, last, F_BLOCK):
        high = min(F_BLOCK, last - block)
        pack_bands_transposed(flat_x, block, F, picks, picks_at, rows, min(high, F - block), bands)
        n = 0
        while n < K:
            step = whole(panel_width(K - n))
            tall = high // TALL * TALL if step == LANES else 0
            for f in range(0, tall, TALL):
                step_tile(
                    bands, f * rows, panels, n * rows, step, rows, p, v, n * deep + (block + f) * step, step,
                    rate, decay, momentum, step, MR, TALL, 1,
                )  # fmt: skip
            for f in range(tall, high, MR):
                step_tile(
                    bands, f * rows, panels, n * rows, step, rows, p, v, n * deep + (block + f) * step, step,
                    rate, decay, momentum, step, MR, MR, NV,
                )  # fmt: skip
            n += step
    if share == shares - 1:
        sum_rows(dy, panels)
        step_vectors(p, deep * wide, v, deep * wide, panels, 0, K, rate, decay, momentum)


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
def lin_forward(x, W, b, y):
    """y = x @ W + b.   x [B, F], W [F, K], b [K]; writes y [B, K]. float32, no overlap. ValueError on other shapes."""
    if W.shape[0] != x.shape[1] or b.size != W.shape[1] or y.shape != (x.shape[0], W.shape[1]):
        raise ValueError("lin_forward: x [B, F], W [F, K], b [K], y [B, K] do not fit together")
    gemm(x, W, b, y, False, False, False, NONE)


@kernel(types.void(F2_IN, F2_IN, F2))
def lin_backward(W, dy, dx):
    """dx = dy @ W.T.   W [F, K], dy [B, K]; writes dx [B, F]. float32, no overlap. ValueError on other shapes."""
    if dy.shape[1] != W.shape[1] or dx.shape != (dy.shape[0], W.shape[0]):
        raise ValueError("lin_backward: W [F, K], dy [B, K], dx [B, F] do not fit together")
    gemm(dy, W, view1(dx, 0, 0), dx, False, True, False, NONE)


@kernel(types.void(F2_IN, F2_IN, F2, F1))
def lin_gradient(x, dy, dW, db):
    """dW = x.T @ dy, db = dy.sum(0).   x [B, F], dy [B, K]; writes dW [F, K], db [K]. ValueError on other shapes."""
    (rows, F), K = x.shape, dy.shape[1]
    if dy.shape[0] != rows or dW.shape != (F, K) or db.size != K:
        raise ValueError("lin_gradient: x [B, F], dy [B, K], dW [F, K], db [K] do not fit together")
    gemm(x, dy, view1(dW, 0, 0), dW, True, False, False, NONE)
    sum_rows(dy, db)


LAYER = Layer(
    word=GRAMMAR["lin"],
    forward=forward,
    backward=backward,
    update=update,
    picks=True,
    outputs=lambda inputs, numbers: int(numbers[0]),
    parameters=lambda inputs, numbers: (inputs + 1) * int(numbers[0]),
    stored_size=stored_size,
    store=store_parameters,
    natural=natural_parameters,
    deviation=lambda inputs, numbers: 10.0 ** numbers[1],
    settings=lambda inputs, numbers: (float("-inf"),),
    scratch_size=lambda inputs, outputs, rows: int(
        max(min(DEPTH, whole.py_func(outputs)) * NR, rows * (whole.py_func(outputs) + F_BLOCK), whole.py_func(outputs))
    ),
    macs=lambda inputs, outputs: inputs * outputs,
    reads_output=False,
)
