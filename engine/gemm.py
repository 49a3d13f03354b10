"""Matrix products on the register tile:  C = max(low, op(A) @ op(B) + init).

    multiply_block   every tile of a block; operands are read where they lie, B's rows contiguous
    pack_rows, pack_columns   B, or B stored transposed, into column panels [ceil(columns/NR)][depth][NR]
    gemm             the whole product for arrays of any size: blocked, packed, all four transposes

Sizes. M rows, N columns, K the length of the sums.

  MR x NV    the tile. Registers hold MR*NV accumulators, NV vectors of B and one broadcast of A:
             AVX-512  8*3 + 3 + 1 = 28 of 32     AVX2 and SSE2  4*3 + 3 + 1 = 16 of 16.
             Each step of k issues NV + MR loads for MR*NV FMAs; two loads and two FMAs can issue a cycle, so
             the loads (11 for 24, 7 for 12) stay below the FMAs.
  KC         a column panel of B, KC*NR*4 bytes, is read again for every MR rows of A and should stay in the L1 cache
             beside the streaming A: 256 * 24 * 4 = 24 KiB (AVX2), 256 * 48 * 4 = 48 KiB (AVX-512, which comes with
             48 KiB of L1 or reads L2 at 64 bytes a cycle).
  NC         the packed block of B, KC*NC*4 bytes, stays in the L2 cache: 256 * 384 * 4 = 384 KiB.

A sum is always cut at multiples of KC and added up in order, so a result depends neither on the number of rows that
are computed together nor on the number of threads.
"""

from __future__ import annotations

import numpy as np
from numba import types

from .cpu import LANES, REGISTERS
from .jit import F1_IN, F2, F2_IN, f32, inline, kernel
from .simd import copy, element
from .tile import SPARE_REGISTER, multiply_tile

MR = 8 if LANES == 16 else 4
NV = 3
NR = NV * LANES
KC = 256
NC = 384 // NR * NR
MASKED = NR - LANES * (1 - SPARE_REGISTER)  # columns of the widest tile that is not whole
NONE = np.float32(-np.inf)  # `low` of a product without an activation
assert MR * NV + NV + 1 <= REGISTERS, "the accumulators would spill"


@inline
def panel_width(left):
    """How many of the `left` columns the next column of tiles takes: the vectors are dealt out evenly, as a tile of a
    single vector waits for its own sums. (100 columns in vectors of 8: 24, 24, 24, 16 and 12, not 4 times 24 and 4.)
    """
    vectors = (left + LANES - 1) // LANES
    panels = (vectors + NV - 1) // NV
    width = min(left, (vectors + panels - 1) // panels * LANES)
    return width if width == NR else min(width, MASKED)


@inline
def multiply_block(a, a_at, a_m, a_k, b, b_at, b_k, depth, init, init_at, init_m, low, c, c_at, c_m, rows, columns):
    """C[rows, columns] = max(low, A @ B + init), tile by tile. Arguments as of `multiply_tile`."""
    tall = rows // MR * MR
    n = 0
    while n < columns:
        width = panel_width(columns - n)
        for m in range(0, tall, MR):
            a_n, i_n, c_n = a_at + m * a_m, init_at + m * init_m + n, c_at + m * c_m + n
            multiply_tile(a, a_n, a_m, a_k, b, b_at + n, b_k, depth, init, i_n, init_m, low, c, c_n, c_m, width, MR, NV)
        for m in range(tall, rows):
            a_n, i_n, c_n = a_at + m * a_m, init_at + m * init_m + n, c_at + m * c_m + n
            multiply_tile(a, a_n, a_m, a_k, b, b_at + n, b_k, depth, init, i_n, init_m, low, c, c_n, c_m, width, 1, NV)
        n += width


@inline
def pack_rows(b, b_at, b_step, depth, columns, out, out_at):
    """B[depth, columns], row k at b_at + k*b_step, into column panels; places past the last column stay as they are."""
    for n in range(0, columns, NR):
        width = min(NR, columns - n)
        for k in range(depth):
            copy(b, b_at + k * b_step + n, out, out_at + n * depth + k * NR, width)


@inline
def pack_columns(b, b_at, b_step, depth, columns, out, out_at):
    """As `pack_rows` for B stored transposed: *column* n of B at b_at + n*b_step."""
    for n in range(columns):
        column, to = b_at + n * b_step, out_at + n // NR * NR * depth + n % NR
        for k in range(depth):
            out[to + k * NR] = element(b, column + k)


@kernel(types.void(F2_IN, F2_IN, F1_IN, F2, types.boolean, types.boolean, types.boolean, f32))
def gemm(a, b, bias, c, transpose_a, transpose_b, accumulate, low):
    """C = max(low, op(A) @ op(B) + bias), or with `accumulate` C = max(low, C + op(A) @ op(B)).

    a [M, K] (transpose_a: [K, M]), b [K, N] (transpose_b: [N, K]), bias [N] or empty, c [M, N]: float32,
    C-contiguous, c overlapping no other. low is 0 for ReLU and -inf for nothing. c may hold garbage on entry unless
    `accumulate`. Raises ValueError where the shapes do not fit together.
    """
    rows, columns = c.shape
    depth = a.shape[0] if transpose_a else a.shape[1]
    if (a.shape[1] if transpose_a else a.shape[0]) != rows:
        raise ValueError("gemm: op(a) and c differ in their number of rows")
    if (b.shape[0] if transpose_b else b.shape[1]) != columns:
        raise ValueError("gemm: op(b) and c differ in their number of columns")
    if (b.shape[1] if transpose_b else b.shape[0]) != depth:
        raise ValueError("gemm: op(a) has another number of columns than op(b) has rows")
    if bias.size and (accumulate or bias.size != columns):
        raise ValueError("gemm: the bias must have one value a column of c, and does not go with accumulate")
    a_m, a_k = (1, rows) if transpose_a else (depth, 1)
    flat_c, flat_bias = c.reshape(-1), bias[:]
    work = np.empty(min(depth, KC) * ((min(columns, NC) + NR - 1) // NR * NR), np.float32)
    for n in range(0, columns, NC):  #                                   c[:, n:n+width]   op(b)[:, n:n+width]
        width = min(NC, columns - n)
        for k in range(0, max(depth, 1), KC):  #                         op(a)[:, k:k+deep]   op(b)[k:k+deep]
            deep = min(KC, depth - k)
            if transpose_b:
                pack_columns(b, n * depth + k, depth, deep, width, work, 0)
            else:
                pack_rows(b, k * columns + n, columns, deep, width, work, 0)
            bound = low if k + deep >= depth else NONE
            init, init_m = flat_c, columns
            if k == 0 and not accumulate:
                init, init_m = (flat_bias, 0) if bias.size else (flat_c, -1)
            for panel in range(0, width, NR):  #                         one column panel against all rows
                at = n + panel
                multiply_block(
                    a, k * a_k, a_m, a_k, work, panel * deep, NR, deep, init, at, init_m, bound,
                    c, at, columns, rows, min(NR, width - panel),
                )  # fmt: skip
