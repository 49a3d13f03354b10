"""Softmax of PLANAR blobs: row by row, of rows of few values LANES rows at a time, or of columns side by side."""

from __future__ import annotations

from typing import NamedTuple

from ....compiler.cpu import FLOAT_BYTES, LANES, VECTOR_BYTES
from ....compiler.fields import read_fields
from ....vectors.copying import copy_transposed
from ....vectors.elementary import exp
from ....vectors.simd import load, maximum, store, store_part, zeros
from ....vectors.views import view1
from ...ops.softmax import axis_sizes, softmax_columns, softmax_row
from ..emitter import Emitter
from ..steps import Scratch, step_kernel
from ..storage import Storage, StorageKind
from .lowered import PLANAR, Context, Lowered, Lowering
from .softmax_backward import softmax_backward, softmax_blocks_back, softmax_rows_back

SHORT_ROWS = 16 * LANES  # of an item


class SoftmaxRows(NamedTuple):
    x: int  # offset of the first row
    y: int
    rows: int
    size: int  # of a row
    together: int  # rows of an item
    scratch: Scratch  # of short rows: two squares of LANES vectors


@step_kernel(SoftmaxRows)
def softmax_rows(arena, weights, tables, at, item, thread):
    """Some rows: writes y [rows, size], PLANAR, from x; y may be x."""
    f = read_fields(tables, at, SoftmaxRows)
    row, first, last = f.size * FLOAT_BYTES, item * f.together, min(f.rows, (item + 1) * f.together)
    lines = f.scratch.offset + thread * f.scratch.thread
    columns = lines + LANES * VECTOR_BYTES
    if f.together > 1:
        while first + LANES <= last:  # the values behind a row's last are not used
            copy_transposed(arena, f.x + first * row, row, arena, columns, VECTOR_BYTES)
            most = load(arena, columns)
            for c in range(columns + VECTOR_BYTES, columns + f.size * VECTOR_BYTES, VECTOR_BYTES):
                most = maximum(most, load(arena, c))
            sums = zeros()
            for c in range(columns, columns + f.size * VECTOR_BYTES, VECTOR_BYTES):
                v = exp(load(arena, c) - most)
                store(arena, c, v)
                sums = sums + v
            for c in range(columns, columns + f.size * VECTOR_BYTES, VECTOR_BYTES):
                store(arena, c, load(arena, c) / sums)
            copy_transposed(arena, columns, VECTOR_BYTES, arena, lines, VECTOR_BYTES)
            for r in range(LANES):
                store_part(arena, f.y + (first + r) * row, load(arena, lines + r * VECTOR_BYTES), f.size)
            first += LANES
    for r in range(first, last):
        softmax_row(view1(arena, f.x + r * row, f.size), view1(arena, f.y + r * row, f.size), 0, 0, f.size)


class SoftmaxColumns(NamedTuple):
    x: int
    y: int
    size: int  # of a column
    inner: int  # columns side by side
    blocks: int  # of LANES columns


@step_kernel(SoftmaxColumns)
def softmax_blocks(arena, weights, tables, at, item, thread):
    """LANES columns, at the end fewer: writes y [outer, size, inner], PLANAR, from x; y may be x."""
    f = read_fields(tables, at, SoftmaxColumns)
    i, floats = item % f.blocks * LANES, f.size * f.inner
    offset = item // f.blocks * floats * FLOAT_BYTES
    x, y = view1(arena, f.x + offset, floats), view1(arena, f.y + offset, floats)
    softmax_columns(x, y, i, f.size, f.inner, min(LANES, f.inner - i))


def lower_softmax(context: Context) -> Lowered | None:
    outer, size, inner = axis_sizes(context.group.main, context.bottoms[0])
    if not outer * size * inner:
        return None
    together = SHORT_ROWS if size <= LANES else 1

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        x, y = bottoms[0].first, tops[0].first
        if inner == 1:
            emitter.step(
                softmax_rows, -(-outer // together), x=x, y=y, rows=outer, size=size, together=together,
                scratch=emitter.scratch,
            )  # fmt: skip
        else:
            blocks = -(-inner // LANES)
            emitter.step(softmax_blocks, outer * blocks, x=x, y=y, size=size, inner=inner, blocks=blocks)

    scratch = 2 * LANES * VECTOR_BYTES if together > 1 else 0
    backward = softmax_backward(outer, size, inner)
    return Lowered([PLANAR], StorageKind.PLANAR, emit, scratch=scratch, in_place=True, backward=backward)


SOFTMAX = Lowering(
    lower_softmax, kernels=(softmax_rows, softmax_blocks), any_rank=True,
    backward_kernels=(softmax_rows_back, softmax_blocks_back),
)  # fmt: skip
