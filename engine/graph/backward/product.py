"""A product of matrices that is added to what is there: gradients of weights."""

from __future__ import annotations

from ...compiler import signatures as types
from ...compiler.jit import F1, F1_IN, i64, kernel
from ...products.gemm import KC, NC, NO_LOWER_BOUND, multiply_column, pack_panels, panel_width, whole
from ...vectors.views import no_rows


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
