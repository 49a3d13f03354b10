"""Pooling of BLOCKED pictures: the largest value of each window, and its place, or the mean, LANES channels at a
time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ....compiler.cpu import LANES, VECTOR_BYTES
from ....compiler.fields import read_fields, read_row
from ....vectors.simd import broadcast, element, load, maximum, store, where_less, zeros
from ...ops.pooling import LOWEST_FLOAT32, POOL_AVE, Side, pooling_windows, window_table
from ..emitter import NO_LOWEST, ZEROS, Emitter
from ..steps import Strided, step_kernel
from ..storage import Storage, StorageKind
from .backward import Backward, BackwardBlobs
from .lowered import BLOCKED, Context, Lowered, Lowering, follows_relu
from .pooling_max import emit_kept_maxima, places_bytes
from .pooling_max_backward import MAXIMA_KERNELS, emit_maxima
from .pooling_mean_backward import emit_means, scratch_of_means, spread_means

WINDOW_ROWS_PER_ITEM = 16  # of y; not measured


class PooledWindows(NamedTuple):
    x: Strided
    y: Strided
    down: int  # table of a Side for each row of y
    across: int  # table of a Side for each column of y
    rows: int  # of y
    columns: int
    parts: int  # items that share a plane, by its rows
    planes: int  # of a picture
    inside: int  # of a constant [channels]: 1, and 0 behind the last channel
    mean: int  # 1: the mean, 0: the largest
    lowest: int  # of a constant: what a largest value is at least


@step_kernel(PooledWindows)
def pool(arena, weights, tables, at, item, thread):
    """Some rows of one block of channels of one picture: writes y [rows, columns, LANES], BLOCKED, from windows of x;
    they do not overlap."""
    f = read_fields(tables, at, PooledWindows)
    plane, part = item // f.parts, item % f.parts
    x, y = f.x.offset + plane * f.x.plane, f.y.offset + plane * f.y.plane
    inside = load(weights, f.inside + plane % f.planes * VECTOR_BYTES)
    lowest = broadcast(element(weights, f.lowest))
    for r in range(f.rows * part // f.parts, f.rows * (part + 1) // f.parts):
        down = read_row(tables, f.down, r, Side)
        for c in range(f.columns):  # y[r, c] from x[down.first : down.last, across.first : across.last]
            across = read_row(tables, f.across, c, Side)
            if f.mean:
                total = zeros()
                for h in range(down.first, down.last):
                    for w in range(across.first, across.last):
                        total = total + load(arena, x + h * f.x.row + w * VECTOR_BYTES)
                divisor = broadcast(np.float32(down.length * across.length))
                value = total / divisor
            else:
                highest = broadcast(LOWEST_FLOAT32)
                for h in range(down.first, down.last):
                    for w in range(across.first, across.last):
                        highest = maximum(load(arena, x + h * f.x.row + w * VECTOR_BYTES), highest)
                value = maximum(highest, lowest)
            # Of windows without pixels, values behind the last channel would not be 0.
            store(arena, y + r * f.y.row + c * VECTOR_BYTES, where_less(zeros(), inside, value, zeros()))


class PooledPlaces(NamedTuple):
    x: Strided
    y: Strided
    places: Strided
    down: int  # table of a Side for each row of y
    across: int  # table of a Side for each column of y
    rows: int  # of y
    columns: int
    parts: int  # items that share a plane, by its rows
    planes: int  # of a picture
    inside: int  # of a constant [channels]: 1, and 0 behind the last channel
    width: int  # of x


@step_kernel(PooledPlaces)
def pool_places(arena, weights, tables, at, item, thread):
    """The largest values as `pool` writes them, and the index in its plane of each window's first maximum, -1 where it
    has no number above -FLT_MAX, to places [rows, columns, LANES]."""
    f = read_fields(tables, at, PooledPlaces)
    plane, part = item // f.parts, item % f.parts
    x, y = f.x.offset + plane * f.x.plane, f.y.offset + plane * f.y.plane
    places, inside = f.places.offset + plane * f.places.plane, load(weights, f.inside + plane % f.planes * VECTOR_BYTES)
    for r in range(f.rows * part // f.parts, f.rows * (part + 1) // f.parts):
        down = read_row(tables, f.down, r, Side)
        for c in range(f.columns):
            across = read_row(tables, f.across, c, Side)
            highest, place = broadcast(LOWEST_FLOAT32), broadcast(np.float32(-1))
            for h in range(down.first, down.last):
                for w in range(across.first, across.last):
                    v = load(arena, x + h * f.x.row + w * VECTOR_BYTES)
                    place = where_less(highest, v, broadcast(np.float32(h * f.width + w)), place)
                    highest = where_less(highest, v, v, highest)
            store(arena, y + r * f.y.row + c * VECTOR_BYTES, highest * inside)
            store(arena, places + r * f.places.row + c * VECTOR_BYTES, place * inside)


def lower_pooling(context: Context) -> Lowered | None:
    node, is_mean = context.group.main, context.group.main.attributes.pool == POOL_AVE
    lowest = ZEROS if context.group.activation else NO_LOWEST  # that of a ReLU

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        x, y, (rows, columns) = bottoms[0], tops[0], tops[0].four[2:]
        axes = pooling_windows(node, x.shape)
        if not is_mean and emitter.kept >= 0:
            emit_kept_maxima(emitter, axes, x, y, lowest)
            if len(tops) == 1:
                return
        down, across = (emitter.table(window_table(axis)) for axis in axes)
        parts = max(1, rows // WINDOW_ROWS_PER_ITEM)
        inside = emitter.constant(np.arange(y.planes * LANES) < y.four[1])
        common = {
            "x": x.strided, "y": y.strided, "down": down, "across": across, "rows": rows, "columns": columns,
            "parts": parts, "planes": y.planes, "inside": inside,
        }  # fmt: skip
        items = y.four[0] * y.planes * parts
        if len(tops) == 1:
            emitter.step(pool, items, **common, mean=is_mean, lowest=lowest)
        else:
            emitter.step(pool_places, items, **common, places=tops[1].strided, width=x.four[3])

    kept = 0 if is_mean else places_bytes(context.tops[0])
    return Lowered([BLOCKED], StorageKind.BLOCKED, emit, kept=kept, backward=_backward(context, is_mean))


def _backward(context: Context, is_mean: bool) -> Backward:
    """The gradient; of a ReLU's values, also that of the ReLU, as of the one behind it."""
    has_relu = context.group.activation is not None
    axes, after_relu = pooling_windows(context.group.main, context.bottoms[0]), follows_relu(context)

    def emit(emitter: Emitter, blobs: BackwardBlobs) -> None:
        dy, dx = blobs.top_gradients[0], blobs.bottom_gradients[0]
        if is_mean:
            emit_means(emitter, axes, blobs.bottoms[0], dy, dx, blobs.masked)
        else:
            emit_maxima(emitter, axes, blobs.kept, dy, dx, blobs.masked or has_relu)

    scratch = scratch_of_means(axes) if is_mean else 0
    return Backward(emit, reads_bottoms=is_mean and after_relu, masks=not is_mean or after_relu, scratch=scratch)


POOLING = Lowering(lower_pooling, kernels=(pool, pool_places), backward_kernels=(*MAXIMA_KERNELS, spread_means))
