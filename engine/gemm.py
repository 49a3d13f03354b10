"""Matrix products on the register tile:  C = max(low, op(A) @ op(B) + init).

    multiply_block   every tile of a block; operands are read where they lie, B's rows contiguous
    pack_rows, pack_columns   B, or B stored transposed, into panels [ceil(columns/panel)][depth][panel]
    gemm             the whole product for arrays of any size: blocked, packed, all four transposes

Sizes. M rows, N columns, K the length of the sums.

  MR x NV    the tile. Registers hold MR*NV accumulators, NV vectors of B and one broadcast of A:
             AVX-512  8*3 + 3 + 1 = 28 of 32     AVX2 and SSE2  4*3 + 3 + 1 = 16 of 16.
             Each step of k issues NV + MR loads for MR*NV FMAs; two loads and two FMAs can issue a cycle, so
             the loads (11 for 24, 7 for 12) stay below the FMAs.
  KC         the length of a sum's stretch. C is read and written once a stretch, so it should be long. A column panel
             of B, KC*NR*4 bytes, is read again for every MR rows of A: packed, it streams from the L2 cache as fast as
             the tile eats it (measured: 100 GFLOP/s from 75 KiB, of a peak of 102).  1024 * 24 * 4 = 96 KiB.
  MC         the packed block of A, MC*KC*4 bytes, is read again for every column panel and shares the L2 cache with
             one: 48 * 1024 * 4 = 192 KiB of 512 KiB or more.
  NC         the packed block of B, KC*NC*4 bytes = 12 MiB, is read once for each block of A, from the L3 cache.
  PACKED_*   below so many columns (rows), A (B) is used too seldom to pay for packing, and is read where it lies.

A sum is always cut at multiples of KC and added up in order, so a result depends neither on the number of rows that
are computed together nor on the number of threads.
"""

from __future__ import annotations

import numpy as np
from numba import types

from .cpu import LANES, REGISTERS
from .jit import F1_IN, F2, F2_IN, f32, inline, kernel
from .lowlevel import view1
from .simd import copy, copy_transposed, element
from .tile import SPARE_REGISTER, multiply_tile

MR = 8 if LANES == 16 else 4
NV = 3
NR = NV * LANES
KC = 1024
NC = 3072 // NR * NR
MC = 48
PACKED_COLUMNS = 256
PACKED_ROWS = 4 * MR
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
def pack_rows(b, b_at, b_step, depth, columns, out, out_at, panel):
    """B[depth, columns], row k at b_at + k*b_step, into panels of `panel` columns. Places past the last one stay."""
    for n in range(0, columns, panel):
        width = min(panel, columns - n)
        for k in range(depth):
            copy(b, b_at + k * b_step + n, out, out_at + n * depth + k * panel, width)


@inline
def pack_columns(b, b_at, b_step, depth, columns, out, out_at, panel):
    """As `pack_rows` for B stored transposed: *column* n of B at b_at + n*b_step."""
    squares = columns // LANES * LANES if panel % LANES == 0 else 0  # a square of LANES x LANES lies in one panel
    whole = depth // LANES * LANES
    for n in range(0, squares, LANES):
        column, to = b_at + n * b_step, out_at + n // panel * panel * depth + n % panel
        for k in range(0, whole, LANES):
            copy_transposed(b, column + k, b_step, out, to + k * panel, panel)
    for n in range(columns):
        column, to = b_at + n * b_step, out_at + n // panel * panel * depth + n % panel
        for k in range(whole if n < squares else 0, depth):
            out[to + k * panel] = element(b, column + k)


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
    flat_a, flat_b = view1(a, 0, a.size), view1(b, 0, b.size)
    flat_c, flat_bias = view1(c, 0, c.size), view1(bias, 0, bias.size)
    a_m, a_k = (1, rows) if transpose_a else (depth, 1)
    pack_a, pack_b = columns >= PACKED_COLUMNS, transpose_b or rows >= PACKED_ROWS
    bands = np.empty(min(depth, KC) * _rounded(min(rows, MC), MR) if pack_a else 0, np.float32)
    panels = np.empty(min(depth, KC) * _rounded(min(columns, NC), NR) if pack_b else 0, np.float32)
    for n in range(0, columns, NC):  #                                   c[:, n:n+width]   op(b)[:, n:n+width]
        width = min(NC, columns - n)
        for k in range(0, max(depth, 1), KC):  #                         op(a)[:, k:k+deep]   op(b)[k:k+deep]
            deep = min(KC, depth - k)
            right, right_at, right_k = flat_b, k * columns + n, columns
            if transpose_b:
                pack_columns(b, n * depth + k, depth, deep, width, panels, 0, NR)
            elif pack_b:
                pack_rows(b, k * columns + n, columns, deep, width, panels, 0, NR)
            if pack_b:
                right, right_at, right_k = view1(panels, 0, panels.size), 0, NR
            bound = low if k + deep >= depth else NONE
            init, init_m = flat_c, columns
            if k == 0 and not accumulate:
                init, init_m = (flat_bias, 0) if bias.size else (flat_c, -1)
            for m in range(0, rows, MC):  #                              c[m:m+tall]   op(a)[m:m+tall, k:k+deep]
                tall = min(MC, rows - m)
                left, left_at, left_m, left_k, height = flat_a, m * a_m + k * a_k, a_m, a_k, tall
                if pack_a:
                    if transpose_a:
                        pack_rows(a, k * rows + m, rows, deep, tall, bands, 0, MR)
                    else:
                        pack_columns(a, m * depth + k, depth, deep, tall, bands, 0, MR)
                    left, left_at, left_m, left_k, height = view1(bands, 0, bands.size), 0, 1, MR, MR
                for panel in range(0, width, NR):  #                     c[m:m+tall, n+panel:n+panel+NR]
                    b_at = right_at + panel * (deep if pack_b else 1)
                    for band in range(0, tall, height):
                        c_at = (m + band) * columns + n + panel
                        init_at = n + panel if init_m == 0 else c_at
                        multiply_block(
                            left, left_at + band * deep, left_m, left_k, right, b_at, right_k, deep,
                            init, init_at, init_m, bound, c, c_at, columns,
                            min(height, tall - band), min(NR, width - panel),
                        )  # fmt: skip


@inline
def _rounded(size, step):
    return (size + step - 1) // step * step
