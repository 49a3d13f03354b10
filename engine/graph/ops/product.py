"""The products of matrices that InnerProduct and Deconvolution run, forward and backward: as `gemm.py`, in given
memory."""

from __future__ import annotations

import numpy as np

from ...compiler import signatures as types
from ...compiler.jit import F1, F1_IN, i64, inline, kernel
from ...products.gemm import (
    KC,
    NC,
    NO_LOWER_BOUND,
    multiply_column,
    pack_panels,
    pack_panels_transposed,
    panel_width,
    whole,
)
from ...products.gemv import DOT_SUMS, multiply_columns, multiply_rows
from ...vectors.views import no_rows

PANELS = KC * NC  # floats of scratch
FEW_ROWS = 8  # of A, for which B is not packed: dot products read it once, DOT_SUMS rows at a time; not measured


@inline
def start_rows(c, bias, rows, columns):
    for m in range(rows):
        for n in range(columns):
            c[m * columns + n] = bias[n] if bias.size else np.float32(0)


@kernel(types.void(F1_IN, i64, i64, F1_IN, i64, F1_IN, i64, i64, i64, F1, F1))
def multiply(a, a_m, a_k, b, transposed, bias, rows, columns, depth, panels, c):
    """C [rows, columns] = A @ B + bias.   A[m, k] is a[m * a_m + k * a_k].

    b is B [depth, columns], or where `transposed` is 1, [columns, depth]; bias [columns] or empty; panels [PANELS] is
    scratch. Writes c, which overlaps no other.
    """
    if a_k == 1 and (rows == 1 or (transposed and rows <= FEW_ROWS)):
        start_rows(c, bias, rows, columns)
        if not transposed:
            multiply_columns(a, 0, b, 0, columns, depth, c, 0, columns)
            return
        for n in range(0, columns, DOT_SUMS):
            for m in range(rows):
                count = min(DOT_SUMS, columns - n)
                multiply_rows(a, m * a_m, b, n * depth, depth, depth, c, m * columns + n, count)
        return
    picks = no_rows()
    stretches = max(1, (depth + KC - 1) // KC)
    stretch = max(1, (depth + stretches - 1) // stretches)
    for k in range(0, max(1, depth), stretch):
        deep = min(stretch, depth - k)
        for n in range(0, columns, NC):
            wide, at = min(NC, columns - n), n
            if transposed:
                pack_panels_transposed(b, n * depth + k, depth, deep, wide, panels)
            else:
                pack_panels(b, k * columns + n, columns, deep, wide, panels)
            while at < n + wide:
                width = panel_width(n + wide - at)
                init, init_at, init_m = c, at, columns
                if k == 0:
                    init, init_at, init_m = (bias, at, 0) if bias.size else (c, at, -1)
                multiply_column(
                    a, k * a_k, a_m, a_k, picks, -1, panels, (at - n) * deep, whole(width), deep,
                    init, init_at, init_m, NO_LOWER_BOUND, c, at, columns, rows, width,
                )  # fmt: skip
                at += width


@kernel(types.void(F1_IN, i64, i64, F1_IN, i64, i64, i64, F1, F1))
def add_product(a, a_m, a_k, b, rows, columns, depth, panels, c):
    """C [rows, columns] += A @ B.   A[m, k] is a[m * a_m + k * a_k], b is B [depth, columns].

    panels [KC * NC] is scratch. Adds to c, which overlaps no other.
    """
    picks = no_rows()
    stretches = max(1, (depth + KC - 1) // KC)
    stretch = max(1, (depth + stretches - 1) // stretches)
    for k in range(0, depth, stretch):
        deep = min(stretch, depth - k)
        for n in range(0, columns, NC):
            wide, at = min(NC, columns - n), n
            pack_panels(b, k * columns + n, columns, deep, wide, panels)
            while at < n + wide:
                width = panel_width(n + wide - at)
                multiply_column(
                    a, k * a_k, a_m, a_k, picks, -1, panels, (at - n) * deep, whole(width), deep,
                    c, at, columns, NO_LOWER_BOUND, c, at, columns, rows, width,
                )  # fmt: skip
                at += width
