"""Upsample of BLOCKED pictures by the places of a Pooling's maxima: each pixel has the value of its window, or 0.

The gradient of a window is that of the pixel at its place; one that does not lie in it has none, as when a program has
written over it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ....compiler.cpu import VECTOR_BYTES
from ....compiler.fields import read_fields, read_row
from ....vectors.simd import broadcast, load, store, where_equal, where_less, zeros
from ...ir.op import count
from ...ops.pooling import PoolingAxis, Side, pooling_windows, window_table
from ...ops.upsample import has_places
from ..emitter import Emitter
from ..steps import NO_BLOB, Strided, step_kernel
from ..storage import Storage, StorageKind
from .backward import Backward, BackwardBlobs
from .lowered import BLOCKED, Context, Lowered, Lowering
from .pooling import WINDOW_ROWS_PER_ITEM

MOST_PLACES = 1 << 24  # of a plane: more have no index of their own in float32


class Windows(NamedTuple):
    """Those in which a row, or a column, of pixels lies: [first, last)."""

    first: int
    last: int


class UnpooledPixels(NamedTuple):
    x: Strided
    places: Strided
    y: Strided
    down: int  # table of Windows for each row of y
    across: int  # table of Windows for each column of y
    rows: int  # of y
    columns: int
    parts: int  # items that share a plane, by its rows


@step_kernel(UnpooledPixels)
def unpool(arena, weights, tables, at, item, thread):
    """Some rows of one block of channels of one picture: writes y [rows, columns, LANES], BLOCKED, from the windows x
    and their places; they do not overlap. Of several windows with a place the last one counts."""
    f = read_fields(tables, at, UnpooledPixels)
    plane, part = item // f.parts, item % f.parts
    x, y = f.x.offset + plane * f.x.plane, f.y.offset + plane * f.y.plane
    places = f.places.offset + plane * f.places.plane
    for r in range(f.rows * part // f.parts, f.rows * (part + 1) // f.parts):
        down = read_row(tables, f.down, r, Windows)
        for c in range(f.columns):
            across, v = read_row(tables, f.across, c, Windows), zeros()
            here = broadcast(np.float32(r * f.columns + c))
            for i in range(down.first, down.last):
                for j in range(across.first, across.last):
                    place = load(arena, places + i * f.places.row + j * VECTOR_BYTES)
                    value = load(arena, x + i * f.x.row + j * VECTOR_BYTES)
                    v = where_less(place, here, v, where_less(here, place, v, value))
            store(arena, y + r * f.y.row + c * VECTOR_BYTES, v)


class UnpooledPixelsBack(NamedTuple):
    places: Strided
    dy: Strided
    dx: Strided
    dplaces: Strided  # it is written as 0
    down: int  # table of a Side for each row of windows
    across: int  # of each column
    rows: int  # of windows
    columns: int
    width: int  # of dy
    parts: int  # items that share a plane, by rows of windows


@step_kernel(UnpooledPixelsBack)
def unpool_back(arena, weights, tables, at, item, thread):
    """Some rows of windows of one block of channels of one picture: writes dx and dplaces, either NO_BLOB if it is not
    needed."""
    f = read_fields(tables, at, UnpooledPixelsBack)
    plane, part = item // f.parts, item % f.parts
    places, dy = f.places.offset + plane * f.places.plane, f.dy.offset + plane * f.dy.plane
    dx, dplaces = f.dx.offset + plane * f.dx.plane, f.dplaces.offset + plane * f.dplaces.plane
    for r in range(f.rows * part // f.parts, f.rows * (part + 1) // f.parts):
        down = read_row(tables, f.down, r, Side)
        for c in range(f.columns):
            across, total = read_row(tables, f.across, c, Side), zeros()
            place = load(arena, places + r * f.places.row + c * VECTOR_BYTES)
            for h in range(down.first, down.last):
                for w in range(across.first, across.last):
                    here, d = broadcast(np.float32(h * f.width + w)), load(arena, dy + h * f.dy.row + w * VECTOR_BYTES)
                    total = where_equal(place, here, d, total)
            if f.dx.offset >= 0:
                store(arena, dx + r * f.dx.row + c * VECTOR_BYTES, total)
            if f.dplaces.offset >= 0:
                store(arena, dplaces + r * f.dplaces.row + c * VECTOR_BYTES, zeros())


def windows_of(axis: PoolingAxis) -> np.ndarray:
    """The Windows of each of its pixels: int64 [size, 2]."""
    first, last, _ = window_table(axis).T
    pixels = np.arange(axis.size)
    return np.stack([np.searchsorted(last, pixels, "right"), np.searchsorted(first, pixels, "right")], axis=1)


def lower_unpooling(context: Context) -> Lowered | None:
    """Where the places are those of a Pooling of pictures of the top's size, so that none lies outside."""
    node, top = context.group.main, context.tops[0]
    given = context.producer(node.bottoms[1]) if has_places(node) else None
    if given is None or given[0].type != "Pooling" or given[1][0][2:] != top[2:] or count(top, 2) > MOST_PLACES:
        return None
    axes = pooling_windows(given[0], given[1][0])
    tables = [windows_of(axis) for axis in axes]

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        (x, places), y = bottoms, tops[0]
        down, across = map(emitter.table, tables)
        parts = max(1, top[2] // WINDOW_ROWS_PER_ITEM)
        emitter.step(
            unpool, y.four[0] * y.planes * parts, x=x.strided, places=places.strided, y=y.strided,
            down=down, across=across, rows=top[2], columns=top[3], parts=parts,
        )  # fmt: skip

    def emit_back(emitter: Emitter, blobs: BackwardBlobs) -> None:
        dy, (dx, dplaces) = blobs.top_gradients[0], (each and each.strided for each in blobs.bottom_gradients)
        (_, places), (rows, columns) = blobs.bottoms, context.bottoms[0][2:]
        down, across = (emitter.table(window_table(axis)) for axis in axes)
        parts = max(1, rows // WINDOW_ROWS_PER_ITEM)
        emitter.step(
            unpool_back, dy.four[0] * dy.planes * parts, places=places.strided, dy=dy.strided, dx=dx or NO_BLOB,
            dplaces=dplaces or NO_BLOB, down=down, across=across, rows=rows, columns=columns, width=top[3], parts=parts,
        )  # fmt: skip

    backward = Backward(emit_back, reads_bottoms=True)
    return Lowered([BLOCKED, BLOCKED], StorageKind.BLOCKED, emit, backward=backward)


UNPOOLING = Lowering(lower_unpooling, kernels=(unpool,), backward_kernels=(unpool_back,))
