"""Gradients of matrices: outer products of rows, summed by the tile of gradients of filters (`filter_tile.py`)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ....compiler.cpu import FLOAT_BYTES, LANES, VECTOR_BYTES
from ....compiler.fields import read_fields
from ....compiler.jit import inline
from ....products.filter_tile import sum_filters
from ....products.pixel_tile import PANEL
from ....vectors.simd import load, load_part, store_part
from ..emitter import ITEM_MACS, Emitter
from ..steps import Scratch, step_kernel

GRADIENT_LINES = 64  # of the gradient, of an item
NEAR_ROWS = 256  # that are summed at a time: the numbers of an item's lines stay in near caches
OUTER_SCRATCH = GRADIENT_LINES * VECTOR_BYTES  # bytes of each thread


class MatrixRows(NamedTuple):
    """The rows of a matrix, in bytes."""

    offset: int
    row: int  # from a row to the next
    size: int  # numbers of a row


class OuterProducts(NamedTuple):
    a: MatrixRows
    b: MatrixRows
    rows: int
    places: int  # table: of GRADIENT_LINES adjacent numbers
    to: int  # the gradient, which may be anywhere: [numbers of a, numbers of b]
    stretches: int  # of the numbers of b
    scratch: Scratch


@inline
def add_columns(arena, tables, f, line, count, column, to, more, vectors):
    """Into `to`, or added to it: the sums of `count` lines and some vectors of columns. `more` False: into scratch."""
    step = f.b.size * FLOAT_BYTES if more else VECTOR_BYTES
    for row in range(0, f.rows, NEAR_ROWS):
        sum_filters(
            arena, tables, f.a.offset + row * f.a.row + line * FLOAT_BYTES, 0, 0, f.a.row, f.places, count,
            f.b.offset + row * f.b.row + column * FLOAT_BYTES, 0, 0, f.b.row, VECTOR_BYTES, 1, 1,
            min(NEAR_ROWS, f.rows - row), to, step, more or row > 0, vectors,
        )  # fmt: skip


@step_kernel(OuterProducts)
def add_outer_products(arena, weights, tables, at, item, thread):
    """Some lines and a stretch of columns of the gradient: adds the sums over rows of a[row, line] * b[row, column]."""
    f = read_fields(tables, at, OuterProducts)
    stretch, line = item % f.stretches, item // f.stretches * GRADIENT_LINES
    count, blocks = min(GRADIENT_LINES, f.a.size - line), (f.b.size + LANES - 1) // LANES
    first, last = blocks * stretch // f.stretches * LANES, blocks * (stretch + 1) // f.stretches * LANES
    last = min(f.b.size, last)
    to = f.to + line * f.b.size * FLOAT_BYTES
    column = first
    while column + LANES <= last:
        vectors = PANEL if column + PANEL * LANES <= last else 1
        add_columns(arena, tables, f, line, count, column, to + column * FLOAT_BYTES, True, vectors)
        column += vectors * LANES
    if column < last:  # by way of scratch, as a whole vector would be written over the next line
        scratch = f.scratch.offset + thread * f.scratch.thread
        add_columns(arena, tables, f, line, count, column, scratch, False, 1)
        for n in range(count):
            place = to + n * f.b.size * FLOAT_BYTES + column * FLOAT_BYTES
            total = load_part(arena, place, last - column) + load(arena, scratch + n * VECTOR_BYTES)
            store_part(arena, place, total, last - column)


def emit_outer_products(emitter: Emitter, a: MatrixRows, b: MatrixRows, rows: int, to: int) -> None:
    """The step that adds the outer products of the rows of a and b to the gradient at this offset of the arena. Whole
    vectors of b are read."""
    panels = -(-b.size // (PANEL * LANES))
    stretches = max(1, min(panels, panels * PANEL * LANES * GRADIENT_LINES * rows // ITEM_MACS))
    emitter.step(
        add_outer_products, -(-a.size // GRADIENT_LINES) * stretches, a=a, b=b, rows=rows, to=to, stretches=stretches,
        places=emitter.table(np.arange(GRADIENT_LINES) * FLOAT_BYTES), scratch=emitter.scratch,
    )  # fmt: skip
