"""Matrix products on the register tile:  C = max(lower_bound, op(A) @ op(B) + init).

    multiply_column    the tiles of a column, one below the other
    pack_panels, pack_panels_transposed    B, or B stored transposed, into panels
    pack_bands, pack_bands_transposed      A, or A stored transposed, into bands
    gemm               the whole product for arrays of any size: blocked, packed, all four transposes

Panels. The columns of B are dealt out (`panel_width`) to panels of at most NR columns; a panel that starts at column n
holds B[k, n + j] at  n*depth + k*whole(width) + j,  filled up with zeros to whole vectors. So a panel is read front to
back in whole cache lines. (Read where they lie in a matrix with 100 columns, 24 columns of 4 bytes touch 2.4 lines of
64 bytes per row instead of 1.5: 100 rows of them no longer fit into L1, and tiles ran at half their speed.)
Bands. MR rows of A, element (m, k) at  band*MR*depth + k*MR + m % MR.

Sizes. M rows, N columns, K the length of the sums.

  MR x NV    the tile. Registers hold MR*NV accumulators, NV vectors of B and one broadcast of A:
             AVX-512  8*3 + 3 + 1 = 28 of 32     AVX2 and SSE2  4*3 + 3 + 1 = 16 of 16.
             Each step of k issues NV + MR loads for MR*NV FMAs; two loads and two FMAs can issue per cycle, so
             the loads (11 for 24, 7 for 12) stay below the FMAs.
  TALL x 1   the tile for at most LANES columns: FMAs take 4 cycles, so 8 sums keep two units busy.
  KC         the length of a stretch of the sum. A longer one reads and writes C less often; with a shorter one a panel
             of B, KC*NR*4 bytes = 36 KiB, and a band of A, 6 KiB, stay in near caches. Stretches have equal lengths.
  NC         the columns of B that are packed together: KC*NC*4 = 147 KiB, used at once from the L2 cache. Packed alone,
             a panel of a wide B would read only a part of each line.
  MC         the rows of A that are packed together: up to 3 MiB, streamed from the L3 cache, KC*MR*4 bytes per tile:
             16 bytes for 6 cycles of FMAs. So B is packed once for 2048 rows.
  PACKED_*   below so many columns (rows), A (B) is used too seldom to pay for packing, and is read where it lies.

KC, NC, MC, B_ROWS_AHEAD and PACKED_* were tuned on EPYC Zen 3 (AVX2, 2 cores), 2026-11-22: 1024x1024x1024 went from 69
to 84 of 102 GFLOP/s, 10x100x100 from 32 to 46.  perf --suite kernels  measures such shapes.

A sum is always cut into the same stretches and added up in order, so a result depends neither on the number of rows
that are computed together (from two on: a single row or column is a matrix times a vector, `gemv.py`) nor on threads.
"""

from __future__ import annotations

import numpy as np

from ..compiler import signatures as types
from ..compiler.cpu import LANES, REGISTERS
from ..compiler.jit import F1_IN, F2, F2_IN, f32, inline, kernel
from ..vectors.copying import copy_transposed, copy_zipped
from ..vectors.simd import element, join_lower, join_upper, load, load_part, prefetch, store, store_part
from ..vectors.views import no_rows, view1
from .gemv import multiply_columns, multiply_rows
from .tile import multiply_tile

MR = 8 if LANES == 16 else 4
NV = 3
NR = NV * LANES
TALL = 8
KC = 384
NC = 4 * NR
MC = 2048
B_ROWS_AHEAD = 16  # rows of B that are prefetched while it is packed
BANDS_TOGETHER = 8  # bands may lie a multiple of 4096 bytes apart, and L1 keeps only 8 such lines
PACKED_COLUMNS = 256
PACKED_ROWS = 4 * MR
NO_LOWER_BOUND = np.float32(-np.inf)  # of a product without an activation
assert MR * NV + NV + 1 <= REGISTERS, "the accumulators would spill"


@inline
def whole(count):
    """`count` rounded up to whole vectors."""
    return (count + LANES - 1) // LANES * LANES


@inline
def panel_width(left):
    """How many of the `left` columns the next panel takes: the vectors are dealt out evenly, as a tile of a single
    vector waits for its own sums. (100 columns in vectors of 8: 24, 24, 24, 16 and 12, not 4 times 24 and 4.)
    """
    vectors = (left + LANES - 1) // LANES
    panels = (vectors + NV - 1) // NV
    return min(left, (vectors + panels - 1) // panels * LANES)


@inline
def multiply_column(
    a, a_at, a_m, a_k, picks, picks_at, b, b_at, b_k, depth, init, init_at, init_m, lower_bound, c, c_at, c_m,
    rows, width,
):  # fmt: skip
    """C[rows, width] = max(lower_bound, A @ B + init): a column of tiles, one below the other.

    The arguments are those of `multiply_tile`, whose `rows` are `picks` here. Writes C only.
    """
    tall = rows // MR * MR
    high = rows // TALL * TALL if width <= LANES else 0
    for m in range(0, high, TALL):  #          c[m:m+TALL, :width]   a[m:m+TALL, :]   TALL x 1 vectors
        at, pick = (a_at + m * a_m, picks_at) if picks_at < 0 else (a_at, picks_at + m)
        multiply_tile(
            a, at, a_m, a_k, picks, pick, b, b_at, b_k, depth, init, init_at + m * init_m, init_m, lower_bound,
            c, c_at + m * c_m, c_m, width, TALL, 1,
        )  # fmt: skip
    for m in range(high, tall, MR):  #         c[m:m+MR, :width]     a[m:m+MR, :]     MR x NV vectors
        at, pick = (a_at + m * a_m, picks_at) if picks_at < 0 else (a_at, picks_at + m)
        multiply_tile(
            a, at, a_m, a_k, picks, pick, b, b_at, b_k, depth, init, init_at + m * init_m, init_m, lower_bound,
            c, c_at + m * c_m, c_m, width, MR, NV,
        )  # fmt: skip
    for m in range(tall, rows):  #             c[m, :width]          a[m, :]          1 x NV vectors
        at, pick = (a_at + m * a_m, picks_at) if picks_at < 0 else (a_at, picks_at + m)
        multiply_tile(
            a, at, a_m, a_k, picks, pick, b, b_at, b_k, depth, init, init_at + m * init_m, init_m, lower_bound,
            c, c_at + m * c_m, c_m, width, 1, NV,
        )  # fmt: skip


@inline
def pack_panels(b, b_at, b_step, depth, columns, out):
    """B[depth, columns], row k at b_at + k*b_step, into panels; `out` takes depth * whole(columns) floats."""
    n = 0
    while n < columns:  #                          b[:, n:n+width] -> out[n*depth:][:depth*step]
        width = panel_width(columns - n)
        step, full = whole(width), width // LANES * LANES
        for k in range(depth):  #                  b[k, n:n+width] -> out[to:to+step]
            row, to = b_at + k * b_step + n, n * depth + k * step
            prefetch(b, row + B_ROWS_AHEAD * b_step)  # the CPU's prefetcher does not follow long strides
            prefetch(b, row + B_ROWS_AHEAD * b_step + width - 1)
            for v in range(0, full, LANES):
                store(out, to + v, load(b, row + v))
            if full < width:
                store(out, to + full, load_part(b, row + full, width - full))
        n += width


@inline
def pack_panels_transposed(b, b_at, b_step, depth, columns, out):
    """As `pack_panels` for B stored transposed: *column* n of B at b_at + n*b_step."""
    squared = depth // LANES * LANES
    n = 0
    while n < columns:  #                          b.T[:, n:n+width] -> out[n*depth:][:depth*step]
        width = panel_width(columns - n)
        step = whole(width)
        for v in range(0, step, LANES):  #         b.T[:, n+v:n+v+LANES] -> column v of the panel
            column, to = b_at + (n + v) * b_step, n * depth + v
            start = 0
            if v + LANES <= width:
                for k in range(0, squared, LANES):
                    copy_transposed(b, column + k, b_step, out, to + k * step, step)
                start = squared
            for k in range(start, depth):
                for j in range(LANES):
                    out[to + k * step + j] = element(b, column + j * b_step + k) if v + j < width else np.float32(0)
        n += width


@inline
def pack_bands(a, a_at, a_step, depth, rows, out):
    """A[rows, depth], row m at a_at + m*a_step, into bands; `out` takes depth * (rows rounded up to MR) floats."""
    zipped = depth // LANES * LANES
    for m in range(0, rows, MR):  #                a[m:m+MR, :] -> out[m*depth:][:depth*MR]
        row, to, start = a_at + m * a_step, m * depth, 0
        if m + MR <= rows:
            for k in range(0, zipped, LANES):
                copy_zipped(a, row + k, a_step, out, to + k * MR, MR)
            start = zipped
        for k in range(start, depth):
            for j in range(min(MR, rows - m)):
                out[to + k * MR + j] = element(a, row + j * a_step + k)


@inline
def pack_bands_transposed(a, a_at, a_step, picks, picks_at, depth, rows, out):
    """As `pack_bands` for A stored transposed: its *column* k at a_at + column(k)*a_step, where column(k) is k for
    a negative picks_at, else picks[picks_at + k]. Rows that fill up the last band are zeros."""
    for block in range(0, rows, BANDS_TOGETHER * MR):  #     a.T[block:end, :] -> out[block*depth:]
        end = min(rows, block + BANDS_TOGETHER * MR)
        for k in range(0, depth, 2):  #                      a.T[block:end, k:k+2]
            twice = k + 1 < depth
            if picks_at < 0:
                one, two = a_at + k * a_step, a_at + (k + 1) * a_step
            else:
                one = a_at + picks[picks_at + k] * a_step
                two = a_at + picks[picks_at + k + 1] * a_step if twice else one
            for m in range(block, end, LANES):  #            a.T[m:m+LANES, k:k+2] -> one band, or two of MR rows
                left = rows - m
                v = load(a, one + m) if left >= LANES else load_part(a, one + m, left)
                w = v
                if twice:
                    w = load(a, two + m) if left >= LANES else load_part(a, two + m, left)
                to = m * depth + k * MR
                if MR == LANES:
                    store(out, to, v)
                    if twice:
                        store(out, to + MR, w)
                elif twice:
                    store(out, to, join_lower(v, w))
                    if left > MR:
                        store(out, to + MR * depth, join_upper(v, w))
                else:
                    store_part(out, to, v, MR)
                    if left > MR:
                        store_part(out, to + MR * depth, join_upper(v, w), MR)


@inline
def start(c, bias, columns, accumulate):
    """Write to c, flat, what the products are added to: the bias of each column, 0, or c itself."""
    if not accumulate:
        for i in range(c.size):
            c[i] = bias[i % columns] if bias.size else np.float32(0)


@inline
def bound(c, lower_bound):
    """c = max(lower_bound, c), in place; NaN stays."""
    for i in range(c.size):
        c[i] = lower_bound if lower_bound > c[i] else c[i]


@kernel(types.void(F2_IN, F2_IN, F1_IN, F2, types.boolean, types.boolean, types.boolean, f32))
def gemm(
    a: types.Floats,
    b: types.Floats,
    bias: types.Floats,
    c: types.Floats,
    transpose_a: bool,
    transpose_b: bool,
    accumulate: bool,
    lower_bound: float,
) -> None:
    """C = max(lower_bound, op(A) @ op(B) + bias), or with `accumulate` C = max(lower_bound, C + op(A) @ op(B)).

    a [M, K] (transpose_a: [K, M]), b [K, N] (transpose_b: [N, K]), bias [N] or empty, c [M, N]: float32,
    C-contiguous, c overlapping no other. lower_bound is 0 for ReLU, -inf for none. c may hold garbage on entry unless
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
        raise ValueError("gemm: the bias must have one value per column of c, and does not go with accumulate")
    flat_a, flat_b = view1(a, 0, a.size), view1(b, 0, b.size)
    flat_c, flat_bias = view1(c, 0, c.size), view1(bias, 0, bias.size)
    if rows == 1 or columns == 1:
        start(flat_c, flat_bias, columns, accumulate)
        if columns == 1 and (rows == 1 or not transpose_a):
            multiply_rows(flat_b, 0, flat_a, 0, depth, depth, flat_c, 0, rows)
        elif columns == 1:
            multiply_columns(flat_b, 0, flat_a, 0, rows, depth, flat_c, 0, rows)
        elif transpose_b:
            multiply_rows(flat_a, 0, flat_b, 0, depth, depth, flat_c, 0, columns)
        else:
            multiply_columns(flat_a, 0, flat_b, 0, columns, depth, flat_c, 0, columns)
        bound(flat_c, lower_bound)
        return
    picks = no_rows()
    a_m, a_k = (1, rows) if transpose_a else (depth, 1)
    pack_a = columns >= PACKED_COLUMNS
    pack_b = transpose_b or rows >= PACKED_ROWS
    inside = columns if pack_b else columns // LANES * LANES  # whole vectors of B's rows can be read where they lie
    stretches = max(1, (depth + KC - 1) // KC)
    stretch = (depth + stretches - 1) // stretches
    bands = np.empty(stretch * (min(rows, MC) + MR - 1) if pack_a else 0, np.float32)
    panels = np.empty(stretch * whole(min(columns, NC) if pack_b else columns - inside), np.float32)
    for k in range(0, max(depth, 1), max(stretch, 1)):  #                op(a)[:, k:k+deep]   op(b)[k:k+deep]
        deep = min(stretch, depth - k)
        limit = lower_bound if k + deep >= depth else NO_LOWER_BOUND
        init, init_m = flat_c, columns
        if k == 0 and not accumulate:
            init, init_m = (flat_bias, 0) if bias.size else (flat_c, -1)
        for m in range(0, rows, MC):  #                                  c[m:m+tall]   op(a)[m:m+tall, k:k+deep]
            tall = min(MC, rows - m)
            left, left_at, left_m, left_k, height = flat_a, m * a_m + k * a_k, a_m, a_k, tall
            if pack_a:
                if transpose_a:
                    pack_bands_transposed(a, k * rows + m, rows, picks, -1, deep, tall, bands)
                else:
                    pack_bands(a, m * depth + k, depth, deep, tall, bands)
                left, left_at, left_m, left_k, height = view1(bands, 0, bands.size), 0, 1, MR, MR
            for n in range(0, columns, NC):  #                           op(b)[k:k+deep, n:n+wide]
                wide = min(NC, columns - n)
                if transpose_b:
                    pack_panels_transposed(b, n * depth + k, depth, deep, wide, panels)
                elif pack_b:
                    pack_panels(b, k * columns + n, columns, deep, wide, panels)
                elif n + wide > inside:
                    pack_panels(b, k * columns + inside, columns, deep, columns - inside, panels)
                at = n
                while at < n + wide:  #                                  c[m:m+tall, at:at+width]
                    width = panel_width((min(n + wide, inside) if at < inside else columns) - at)
                    right, right_at, right_k = flat_b, k * columns + at, columns
                    if pack_b or at >= inside:
                        right, right_k = view1(panels, 0, panels.size), whole(width)
                        right_at = (at - n if pack_b else at - inside) * deep
                    for band in range(0, tall, height):
                        c_at = (m + band) * columns + at
                        multiply_column(
                            left, left_at + band * deep, left_m, left_k, picks, -1, right, right_at, right_k, deep,
                            init, at if init_m == 0 else c_at, init_m, limit, flat_c, c_at, columns,
                            min(height, tall - band), width,
                        )  # fmt: skip
                    at += width
