"""lin K e: fully connected,  y = x @ W + b.

p = W [F, K] row-major, then b [K]. Weights and biases are drawn from N(0, (10**e)**2).

    dx = dy @ W.T        dW = x.T @ dy        db = sum of the rows of dy

A following `rel` is done in the forward product's epilogue: settings[0] is the lower bound of y, 0 or -inf.
The update goes tile by tile: a tile of dW is summed over the minibatch in registers, where it meets its weights and
their velocity, so dW is never stored.
"""

from __future__ import annotations

import numpy as np
from numba import types

from ...formats.network import GRAMMAR
from ..cpu import LANES
from ..gemm import MR, NONE, NR, NV, multiply_block, pack_columns, panel_width
from ..jit import F1, F1_IN, F2, F2_IN, inline, kernel
from ..lowlevel import view1
from ..sgd import step_vectors
from ..simd import load, load_part, store, store_part, zeros
from ..tile import step_tile
from .layer import BACKWARD, FORWARD, UPDATE, Layer

# The sums' stretches: NR columns of W, read where they lie, are DEPTH * 3 cache lines of 64 bytes in 32 to 48 KiB of L1
# (longer ones measured 15 % slower on 784 x 100 weights).
DEPTH = 256


@inline
def multiply(x, w, bias, bias_at, low, y):
    """y = max(low, x @ W + b), the sum cut at multiples of DEPTH. W is w.flat[:F*K], b is bias.flat[bias_at:][:K]."""
    rows, F = x.shape
    K = y.shape[1]
    for k in range(0, F, DEPTH):
        deep = min(DEPTH, F - k)
        bound = low if k + deep == F else NONE
        init, init_at, init_m = view1(y, 0, y.size), 0, K
        if k == 0:
            init, init_at, init_m = view1(bias, 0, bias.size), bias_at, 0
        multiply_block(x, k, F, 1, w, k * K, K, deep, init, init_at, init_m, bound, y, 0, K, rows, K)


@inline
def multiply_transposed(w, dy, dx, scratch):
    """dx = dy @ W.T: NR columns of dx at a time, for which NR rows of W are transposed into `scratch`."""
    rows, K = dy.shape
    F = dx.shape[1]
    for f in range(0, F, NR):
        width = min(NR, F - f)
        for k in range(0, K, DEPTH):
            deep = min(DEPTH, K - k)
            pack_columns(w, f * K + k, K, deep, width, scratch, 0, NR)
            init_m = F if k else -1
            multiply_block(dy, k, K, 1, scratch, 0, NR, deep, dx, f, init_m, NONE, dx, f, F, rows, width)


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


@kernel(FORWARD)
def forward(x, p, settings, y, scratch):
    multiply(x, p, p, x.shape[1] * y.shape[1], settings[0], y)


@kernel(BACKWARD)
def backward(x, p, settings, y, dy, dx, scratch):
    multiply_transposed(p, dy, dx, scratch)


@kernel(UPDATE)
def update(x, dy, p, v, rate, decay, momentum, share, shares, scratch):
    rows, F = x.shape
    K = dy.shape[1]
    bands = (F + MR - 1) // MR
    first, last = bands * share // shares * MR, min(F, bands * (share + 1) // shares * MR)
    tall = first + (last - first) // MR * MR
    k = 0
    while k < K:
        width = panel_width(K - k)
        for f in range(first, tall, MR):
            step_tile(x, f, 1, F, dy, k, K, rows, p, v, f * K + k, K, rate, decay, momentum, width, MR, NV)
        for f in range(tall, last):
            step_tile(x, f, 1, F, dy, k, K, rows, p, v, f * K + k, K, rate, decay, momentum, width, 1, NV)
        k += width
    if share == shares - 1:
        sum_rows(dy, scratch)
        step_vectors(p, F * K, v, F * K, scratch, 0, K, rate, decay, momentum)


# ---------------------------------------------------- the same for NumPy arrays and for kernels of the user's own
@kernel(types.void(F2_IN, F2_IN, F1_IN, F2))
def lin_forward(x, W, b, y):
    """y = x @ W + b.   x [B, F], W [F, K], b [K]; writes y [B, K]. float32, no overlap. ValueError on other shapes."""
    if W.shape[0] != x.shape[1] or b.size != W.shape[1] or y.shape != (x.shape[0], W.shape[1]):
        raise ValueError("lin_forward: x [B, F], W [F, K], b [K], y [B, K] do not fit together")
    multiply(x, W, b, 0, NONE, y)


@kernel(types.void(F2_IN, F2_IN, F2))
def lin_backward(W, dy, dx):
    """dx = dy @ W.T.   W [F, K], dy [B, K]; writes dx [B, F]. float32, no overlap. ValueError on other shapes."""
    if dy.shape[1] != W.shape[1] or dx.shape != (dy.shape[0], W.shape[0]):
        raise ValueError("lin_backward: W [F, K], dy [B, K], dx [B, F] do not fit together")
    multiply_transposed(W, dy, dx, np.empty(DEPTH * NR, np.float32))


@kernel(types.void(F2_IN, F2_IN, F2, F1))
def lin_gradient(x, dy, dW, db):
    """dW = x.T @ dy, db = dy.sum(0).   x [B, F], dy [B, K]; writes dW [F, K], db [K]. ValueError on other shapes."""
    (rows, F), K = x.shape, dy.shape[1]
    if dy.shape[0] != rows or dW.shape != (F, K) or db.size != K:
        raise ValueError("lin_gradient: x [B, F], dy [B, K], dW [F, K], db [K] do not fit together")
    for b in range(0, rows, DEPTH):
        deep = min(DEPTH, rows - b)
        init_m = K if b else -1
        multiply_block(x, b * F, 1, F, dy, b * K, K, deep, dW, 0, init_m, NONE, dW, 0, K, F, K)
    sum_rows(dy, db)


LAYER = Layer(
    word=GRAMMAR["lin"],
    forward=forward,
    backward=backward,
    update=update,
    outputs=lambda inputs, numbers: int(numbers[0]),
    parameters=lambda inputs, numbers: (inputs + 1) * int(numbers[0]),
    deviation=lambda inputs, numbers: 10.0 ** numbers[1],
    settings=lambda inputs, numbers: (float("-inf"),),
    scratch_size=lambda inputs, outputs: max(DEPTH * NR, -(-outputs // LANES) * LANES),
    macs=lambda inputs, outputs: inputs * outputs,
    reads_output=False,
)
