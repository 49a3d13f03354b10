"""Sums over the pixels of blocks of channels, lane by lane."""

from __future__ import annotations

from ....compiler.cpu import VECTOR_BYTES
from ....compiler.jit import inline
from ....vectors.simd import fma, load, store, zeros


@inline
def sum_rows(arena, dy, picture, row, pictures, rows, columns, to, more):
    """arena[to] = sum of the vectors of these pixels of dy, plus what is there if `more`."""
    a = b = c = d = zeros()
    for n in range(pictures):
        for r in range(rows):
            at = dy + n * picture + r * row
            end = at + columns * VECTOR_BYTES
            while at + 3 * VECTOR_BYTES < end:
                a, b = a + load(arena, at), b + load(arena, at + VECTOR_BYTES)
                c, d = c + load(arena, at + 2 * VECTOR_BYTES), d + load(arena, at + 3 * VECTOR_BYTES)
                at += 4 * VECTOR_BYTES
            while at < end:
                a = a + load(arena, at)
                at += VECTOR_BYTES
    total = (a + b) + (c + d)
    store(arena, to, total + load(arena, to) if more else total)


@inline
def sum_lanes(arena, x, x_picture, x_row, x_column, dy, dy_picture, dy_row, pictures, rows, columns, to, more):
    """arena[to] = sum of x * dy, lane by lane, of the vectors of these pixels, plus what is there if `more`."""
    a = b = c = d = zeros()
    for n in range(pictures):
        for r in range(rows):
            i, at = x + n * x_picture + r * x_row, dy + n * dy_picture + r * dy_row
            end = at + columns * VECTOR_BYTES
            while at + 3 * VECTOR_BYTES < end:
                a = fma(load(arena, i), load(arena, at), a)
                b = fma(load(arena, i + x_column), load(arena, at + VECTOR_BYTES), b)
                c = fma(load(arena, i + 2 * x_column), load(arena, at + 2 * VECTOR_BYTES), c)
                d = fma(load(arena, i + 3 * x_column), load(arena, at + 3 * VECTOR_BYTES), d)
                i, at = i + 4 * x_column, at + 4 * VECTOR_BYTES
            while at < end:
                a = fma(load(arena, i), load(arena, at), a)
                i, at = i + x_column, at + VECTOR_BYTES
    total = (a + b) + (c + d)
    store(arena, to, total + load(arena, to) if more else total)
