"""The gradient of Softmax of PLANAR blobs from its values:  dx = y * (dy - sum of dy * y over the axis)."""

from __future__ import annotations

from typing import NamedTuple

from ....compiler.cpu import FLOAT_BYTES, LANES
from ....compiler.fields import read_fields
from ....vectors.simd import broadcast, fma, load, load_part, reduce_add, store, store_part, zeros
from ..emitter import Emitter
from ..steps import step_kernel
from ..storage import StorageKind
from .backward import Backward, BackwardBlobs

ITEM_VALUES = 16 << 10  # some microseconds


class SoftmaxRowsBack(NamedTuple):
    y: int  # offset of the first row
    dy: int
    dx: int
    rows: int
    size: int  # of a row
    together: int  # rows of an item


@step_kernel(SoftmaxRowsBack)
def softmax_rows_back(arena, weights, tables, at, item, thread):
    """Some rows: writes dx [rows, size], PLANAR; dx may be dy."""
    f = read_fields(tables, at, SoftmaxRowsBack)
    whole, step = f.size // LANES * LANES, LANES * FLOAT_BYTES
    left, end = f.size - whole, whole * FLOAT_BYTES
    for r in range(item * f.together, min(f.rows, (item + 1) * f.together)):
        row, total = r * f.size * FLOAT_BYTES, zeros()
        y, dy, dx = f.y + row, f.dy + row, f.dx + row
        for p in range(0, end, step):
            total = fma(load(arena, y + p), load(arena, dy + p), total)
        if left:
            total = fma(load_part(arena, y + end, left), load_part(arena, dy + end, left), total)
        shared = broadcast(reduce_add(total))
        for p in range(0, end, step):
            store(arena, dx + p, load(arena, y + p) * (load(arena, dy + p) - shared))
        if left:
            v, d = load_part(arena, y + end, left), load_part(arena, dy + end, left)
            store_part(arena, dx + end, v * (d - shared), left)


class SoftmaxColumnsBack(NamedTuple):
    y: int
    dy: int
    dx: int
    size: int  # of a column
    inner: int  # columns side by side
    blocks: int  # of LANES columns


@step_kernel(SoftmaxColumnsBack)
def softmax_blocks_back(arena, weights, tables, at, item, thread):
    """LANES columns, at the end fewer: writes dx [outer, size, inner], PLANAR; dx may be dy."""
    f = read_fields(tables, at, SoftmaxColumnsBack)
    column = item % f.blocks * LANES
    width, step = min(LANES, f.inner - column), max(1, f.inner) * FLOAT_BYTES
    first = (item // f.blocks * f.size * f.inner + column) * FLOAT_BYTES
    total = zeros()
    for p in range(first, first + f.size * step, step):
        total = fma(load_part(arena, f.y + p, width), load_part(arena, f.dy + p, width), total)
    for p in range(first, first + f.size * step, step):
        v, d = load_part(arena, f.y + p, width), load_part(arena, f.dy + p, width)
        store_part(arena, f.dx + p, v * (d - total), width)


def softmax_backward(outer: int, size: int, inner: int) -> Backward:
    """Of columns of `size` values, `inner` of them side by side, `outer` times."""

    def emit(emitter: Emitter, blobs: BackwardBlobs) -> None:
        y, dy, dx = blobs.tops[0].first, blobs.top_gradients[0].first, blobs.bottom_gradients[0].first
        if inner == 1:
            together = max(1, ITEM_VALUES // size)
            items = -(-outer // together)
            emitter.step(softmax_rows_back, items, y=y, dy=dy, dx=dx, rows=outer, size=size, together=together)
        else:
            blocks = -(-inner // LANES)
            emitter.step(softmax_blocks_back, outer * blocks, y=y, dy=dy, dx=dx, size=size, inner=inner, blocks=blocks)

    return Backward(emit, StorageKind.PLANAR, reads_tops=True, in_place=True)
