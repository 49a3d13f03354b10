"""Upsample of BLOCKED pictures by the places of a Pooling's maxima: each pixel has the value of its window, or 0."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ....compiler.cpu import VECTOR_BYTES
from ....compiler.fields import read_fields, read_row
from ....vectors.simd import broadcast, load, store, where_less, zeros
from ...ir.op import count
from ...ops.pooling import PoolingAxis, pooling_windows, window_table
from ...ops.upsample import has_places
from ..emitter import Emitter
from ..steps import Strided, step_kernel
from ..storage import Storage, StorageKind
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
    tables = [windows_of(axis) for axis in pooling_windows(given[0], given[1][0])]

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        (x, places), y = bottoms, tops[0]
        down, across = map(emitter.table, tables)
        parts = max(1, top[2] // WINDOW_ROWS_PER_ITEM)
        emitter.step(
            unpool, y.four[0] * y.planes * parts, x=x.strided, places=places.strided, y=y.strided,
            down=down, across=across, rows=top[2], columns=top[3], parts=parts,
        )  # fmt: skip

    return Lowered([BLOCKED, BLOCKED], StorageKind.BLOCKED, emit)


UNPOOLING = Lowering(lower_unpooling, kernels=(unpool,))
