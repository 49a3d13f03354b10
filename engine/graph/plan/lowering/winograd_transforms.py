"""The transforms B' d B and A' m A of `winograd.py`, for a vector of channels: columns first, then rows."""

from __future__ import annotations

import numpy as np

from ....compiler.cpu import VECTOR_BYTES
from ....compiler.jit import inline
from ....vectors.elementary import TWO
from ....vectors.simd import broadcast, fma, load, maximum, minimum, store

FOUR, FIVE, EIGHT = map(np.float32, (4, 5, 8))
FOUR_POINTS = 4  # the side of F(2x2, 3x3)


@inline
def to_points(d0, d1, d2, d3, d4, d5):
    """B' d for a column of six."""
    two, four = broadcast(TWO), broadcast(FOUR)
    even, odd = fma(-four, d2, d4), fma(-four, d1, d3)
    outer, inner = d4 - d2, two * (d3 - d1)
    first = fma(four, d0, fma(-broadcast(FIVE), d2, d4))
    last = fma(four, d1, fma(-broadcast(FIVE), d3, d5))
    return first, even + odd, even - odd, outer + inner, outer - inner, last


@inline
def two_from_points(m0, m1, m2, m3, m4, m5):
    """A' m for a column of six, where m is 2."""
    return m0 + (m1 + m2) + (m3 + m4), fma(broadcast(TWO), m3 - m4, m1 - m2) + m5


@inline
def four_from_points(m0, m1, m2, m3, m4, m5):
    """A' m for a column of six, where m is 4."""
    sum12, sum34, apart12, apart34 = m1 + m2, m3 + m4, m1 - m2, m3 - m4
    return (
        m0 + sum12 + sum34,
        fma(broadcast(TWO), apart34, apart12),
        fma(broadcast(FOUR), sum34, sum12),
        fma(broadcast(EIGHT), apart34, apart12) + m5,
    )


@inline
def to_four_points(d0, d1, d2, d3):
    """B' d for a column of four."""
    return d0 - d2, d1 + d2, d2 - d1, d1 - d3


@inline
def two_from_four_points(m0, m1, m2, m3):
    """A' m for a column of four."""
    return m0 + (m1 + m2), (m1 - m2) - m3


@inline
def transform_six(arena, at, row, square, to, step):
    """The 36 values of a tile, for a vector of channels: arena[to + n * step]."""
    for j in range(6):
        i, out = at + j * VECTOR_BYTES, square + j * VECTOR_BYTES
        points = to_points(
            load(arena, i), load(arena, i + row), load(arena, i + 2 * row),
            load(arena, i + 3 * row), load(arena, i + 4 * row), load(arena, i + 5 * row),
        )  # fmt: skip
        store(arena, out, points[0])
        store(arena, out + 6 * VECTOR_BYTES, points[1])
        store(arena, out + 12 * VECTOR_BYTES, points[2])
        store(arena, out + 18 * VECTOR_BYTES, points[3])
        store(arena, out + 24 * VECTOR_BYTES, points[4])
        store(arena, out + 30 * VECTOR_BYTES, points[5])
    for j in range(6):
        i, out = square + j * 6 * VECTOR_BYTES, to + j * 6 * step
        points = to_points(
            load(arena, i), load(arena, i + VECTOR_BYTES), load(arena, i + 2 * VECTOR_BYTES),
            load(arena, i + 3 * VECTOR_BYTES), load(arena, i + 4 * VECTOR_BYTES), load(arena, i + 5 * VECTOR_BYTES),
        )  # fmt: skip
        store(arena, out, points[0])
        store(arena, out + step, points[1])
        store(arena, out + 2 * step, points[2])
        store(arena, out + 3 * step, points[3])
        store(arena, out + 4 * step, points[4])
        store(arena, out + 5 * step, points[5])


@inline
def transform_four(arena, at, row, square, to, step):
    """The 16 values of a tile, for a vector of channels: arena[to + n * step]."""
    for j in range(4):
        i, out = at + j * VECTOR_BYTES, square + j * VECTOR_BYTES
        points = to_four_points(
            load(arena, i), load(arena, i + row), load(arena, i + 2 * row), load(arena, i + 3 * row)
        )
        store(arena, out, points[0])
        store(arena, out + 4 * VECTOR_BYTES, points[1])
        store(arena, out + 8 * VECTOR_BYTES, points[2])
        store(arena, out + 12 * VECTOR_BYTES, points[3])
    for j in range(4):
        i, out = square + j * 4 * VECTOR_BYTES, to + j * 4 * step
        points = to_four_points(
            load(arena, i), load(arena, i + VECTOR_BYTES),
            load(arena, i + 2 * VECTOR_BYTES), load(arena, i + 3 * VECTOR_BYTES),
        )  # fmt: skip
        store(arena, out, points[0])
        store(arena, out + step, points[1])
        store(arena, out + 2 * step, points[2])
        store(arena, out + 3 * step, points[3])


@inline
def finish(arena, value, initial, addend, to, lowest, highest):
    """One pixel of a vector of outputs."""
    value = value + initial
    if addend >= 0:
        value = value + load(arena, addend)
    store(arena, to, maximum(lowest, minimum(highest, value)))


@inline
def four_of_six(arena, at, step, initial, square, addend, addend_row, lowest, highest, to, row, rows, columns):
    """4 x 4 outputs of a vector of channels, from 6 x 6 products, of which `rows` x `columns` are written."""
    for j in range(6):
        i, below, out = at + j * step, 6 * step, square + j * VECTOR_BYTES
        values = four_from_points(
            load(arena, i), load(arena, i + below), load(arena, i + 2 * below),
            load(arena, i + 3 * below), load(arena, i + 4 * below), load(arena, i + 5 * below),
        )  # fmt: skip
        store(arena, out, values[0])
        store(arena, out + 6 * VECTOR_BYTES, values[1])
        store(arena, out + 12 * VECTOR_BYTES, values[2])
        store(arena, out + 18 * VECTOR_BYTES, values[3])
    for j in range(rows):
        i, here, added, next_added = square + j * 6 * VECTOR_BYTES, to + j * row, -1, 0
        if addend >= 0:
            added, next_added = addend + j * addend_row, VECTOR_BYTES
        values = four_from_points(
            load(arena, i), load(arena, i + VECTOR_BYTES), load(arena, i + 2 * VECTOR_BYTES),
            load(arena, i + 3 * VECTOR_BYTES), load(arena, i + 4 * VECTOR_BYTES), load(arena, i + 5 * VECTOR_BYTES),
        )  # fmt: skip
        finish(arena, values[0], initial, added, here, lowest, highest)
        if columns > 1:
            finish(arena, values[1], initial, added + next_added, here + VECTOR_BYTES, lowest, highest)
        if columns > 2:
            finish(arena, values[2], initial, added + 2 * next_added, here + 2 * VECTOR_BYTES, lowest, highest)
        if columns > 3:
            finish(arena, values[3], initial, added + 3 * next_added, here + 3 * VECTOR_BYTES, lowest, highest)


@inline
def two_of_six(arena, at, step, initial, square, addend, addend_row, lowest, highest, to, row, rows, columns):
    """2 x 2 outputs of a vector of channels, from 6 x 6 products, of which `rows` x `columns` are written."""
    for j in range(6):
        i, below, out = at + j * step, 6 * step, square + j * VECTOR_BYTES
        values = two_from_points(
            load(arena, i), load(arena, i + below), load(arena, i + 2 * below),
            load(arena, i + 3 * below), load(arena, i + 4 * below), load(arena, i + 5 * below),
        )  # fmt: skip
        store(arena, out, values[0])
        store(arena, out + 6 * VECTOR_BYTES, values[1])
    for j in range(rows):
        i, here, added, next_added = square + j * 6 * VECTOR_BYTES, to + j * row, -1, 0
        if addend >= 0:
            added, next_added = addend + j * addend_row, VECTOR_BYTES
        values = two_from_points(
            load(arena, i), load(arena, i + VECTOR_BYTES), load(arena, i + 2 * VECTOR_BYTES),
            load(arena, i + 3 * VECTOR_BYTES), load(arena, i + 4 * VECTOR_BYTES), load(arena, i + 5 * VECTOR_BYTES),
        )  # fmt: skip
        finish(arena, values[0], initial, added, here, lowest, highest)
        if columns > 1:
            finish(arena, values[1], initial, added + next_added, here + VECTOR_BYTES, lowest, highest)


@inline
def two_of_four(arena, at, step, initial, square, addend, addend_row, lowest, highest, to, row, rows, columns):
    """2 x 2 outputs of a vector of channels, from 4 x 4 products, of which `rows` x `columns` are written."""
    for j in range(4):
        i, below, out = at + j * step, 4 * step, square + j * VECTOR_BYTES
        values = two_from_four_points(
            load(arena, i), load(arena, i + below), load(arena, i + 2 * below),
            load(arena, i + 3 * below),
        )  # fmt: skip
        store(arena, out, values[0])
        store(arena, out + 4 * VECTOR_BYTES, values[1])
    for j in range(rows):
        i, here, added, next_added = square + j * 4 * VECTOR_BYTES, to + j * row, -1, 0
        if addend >= 0:
            added, next_added = addend + j * addend_row, VECTOR_BYTES
        values = two_from_four_points(
            load(arena, i), load(arena, i + VECTOR_BYTES), load(arena, i + 2 * VECTOR_BYTES),
            load(arena, i + 3 * VECTOR_BYTES),
        )  # fmt: skip
        finish(arena, values[0], initial, added, here, lowest, highest)
        if columns > 1:
            finish(arena, values[1], initial, added + next_added, here + VECTOR_BYTES, lowest, highest)
