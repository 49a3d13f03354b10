"""The transforms of squares by the numbers of a tiling that kernels read: `squares.py` has one of each for literals."""

from __future__ import annotations

from .....compiler.jit import inline
from .squares import (
    FROM_POINTS,
    FROM_POINTS_BACK,
    TO_POINTS,
    TO_POINTS_BACK,
    TO_TAPS,
    add_square,
    finish_square,
    near_points,
    transform_square,
)


@inline
def transform_inputs(arena, x, x_row, x_column, square, y, y_row, y_column, side):
    """B' x B: it depends on the side alone."""
    if side == 8:
        transform_square(arena, x, x_row, x_column, square, y, y_row, y_column, TO_POINTS, 4, 5)
    elif side == 6:
        transform_square(arena, x, x_row, x_column, square, y, y_row, y_column, TO_POINTS, 4, 3)
    else:
        transform_square(arena, x, x_row, x_column, square, y, y_row, y_column, TO_POINTS, 2, 3)


@inline
def finish_outputs(
    arena, x, x_row, x_column, square, y, y_row, y_column, addend, addend_row, rows, columns, initial, lowest, highest,
    m, r,
):  # fmt: skip
    """A' x A, and what follows."""
    if m == 4 and r == 5:
        finish_square(arena, x, x_row, x_column, square, y, y_row, y_column, addend, addend_row, rows, columns,
                      initial, lowest, highest, FROM_POINTS, 4, 5)  # fmt: skip
    elif m == 4:
        finish_square(arena, x, x_row, x_column, square, y, y_row, y_column, addend, addend_row, rows, columns,
                      initial, lowest, highest, FROM_POINTS, 4, 3)  # fmt: skip
    elif r == 5:
        finish_square(arena, x, x_row, x_column, square, y, y_row, y_column, addend, addend_row, rows, columns,
                      initial, lowest, highest, FROM_POINTS, 2, 5)  # fmt: skip
    else:
        finish_square(arena, x, x_row, x_column, square, y, y_row, y_column, addend, addend_row, rows, columns,
                      initial, lowest, highest, FROM_POINTS, 2, 3)  # fmt: skip


@inline
def spread_outputs(arena, x, x_row, x_column, square, y, y_row, y_column, m, r):
    """A x A'."""
    if m == 4 and r == 5:
        transform_square(arena, x, x_row, x_column, square, y, y_row, y_column, TO_POINTS_BACK, 4, 5)
    elif m == 4:
        transform_square(arena, x, x_row, x_column, square, y, y_row, y_column, TO_POINTS_BACK, 4, 3)
    elif r == 5:
        transform_square(arena, x, x_row, x_column, square, y, y_row, y_column, TO_POINTS_BACK, 2, 5)
    else:
        transform_square(arena, x, x_row, x_column, square, y, y_row, y_column, TO_POINTS_BACK, 2, 3)


@inline
def add_inputs(arena, x, x_row, x_column, square, y, y_row, y_column, side):
    """y += B x B'."""
    if side == 8:
        add_square(arena, x, x_row, x_column, square, y, y_row, y_column, FROM_POINTS_BACK, 4, 5)
    elif side == 6:
        add_square(arena, x, x_row, x_column, square, y, y_row, y_column, FROM_POINTS_BACK, 4, 3)
    else:
        add_square(arena, x, x_row, x_column, square, y, y_row, y_column, FROM_POINTS_BACK, 2, 3)


@inline
def gather_taps(arena, x, x_row, x_column, square, y, y_row, y_column, m, r):
    """G' x G."""
    if m == 4 and r == 5:
        transform_square(arena, x, x_row, x_column, square, y, y_row, y_column, TO_TAPS, 4, 5)
    elif m == 4:
        transform_square(arena, x, x_row, x_column, square, y, y_row, y_column, TO_TAPS, 4, 3)
    elif r == 5:
        transform_square(arena, x, x_row, x_column, square, y, y_row, y_column, TO_TAPS, 2, 5)
    else:
        transform_square(arena, x, x_row, x_column, square, y, y_row, y_column, TO_TAPS, 2, 3)


@inline
def transform_filter(weights, x, x_step, arena, y, y_step, m, r):
    """G x G' in float32."""
    if m == 4 and r == 5:
        near_points(weights, x, x_step, arena, y, y_step, 4, 5)
    elif m == 4:
        near_points(weights, x, x_step, arena, y, y_step, 4, 3)
    elif r == 5:
        near_points(weights, x, x_step, arena, y, y_step, 2, 5)
    else:
        near_points(weights, x, x_step, arena, y, y_step, 2, 3)
