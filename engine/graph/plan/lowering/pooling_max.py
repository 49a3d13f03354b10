"""The largest value of each window of BLOCKED pictures, and the place of it in its window, which its gradient needs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ....compiler.cpu import LANES, VECTOR_BYTES
from ....compiler.fields import read_fields, read_row
from ....compiler.jit import inline
from ....vectors.simd import broadcast, element, load, maximum, store, where_equal, where_less, zeros
from ...ir.op import count
from ...ops.pooling import LOWEST_FLOAT32, PoolingAxis, Side, window_table
from ..emitter import Emitter
from ..steps import Strided, step_kernel
from ..storage import Storage, blocks

MAXIMA_ROWS_PER_ITEM = 32  # of windows, or of dx; not measured
NO_PLACE = np.float32(-1)
NEXT_TO_LAST = np.float32(-2)


class WindowSide(NamedTuple):
    """Windows along an axis: window n begins at n * stride - before, of which a part may be outside."""

    kernel: int
    stride: int
    before: int
    number: int
    pixels: int
    windows: int  # table of a Side for each
    holders: int  # table of the Holders of each pixel


class Holders(NamedTuple):
    """The windows [first, last) of an axis that hold a pixel."""

    first: int
    last: int


class KeptMaxima(NamedTuple):
    x: Strided
    y: Strided
    places: int  # float32 [planes, rows of windows, columns of windows, LANES]
    down: WindowSide
    across: WindowSide
    planes: int  # of a picture
    inside: int  # of a constant [channels]: 1, and 0 behind the last channel
    parts: int  # items that share a plane, by rows of windows
    lowest: int  # of a constant: what a value is at least


@inline
def place_of(arena, i, row, high, wide, top, kernel, start):
    """The first place of the maximum of the pixels [high, wide] from i on, the first of which is the place `start` in a
    window of `kernel` columns."""
    place = broadcast(NO_PLACE)
    for h in range(high - 1, -1, -1):
        for w in range(wide - 1, -1, -1):
            number = broadcast(np.float32(start + h * kernel + w))
            place = where_equal(load(arena, i + h * row + w * VECTOR_BYTES), top, number, place)
    return place


@inline
def three(arena, i):
    return load(arena, i), load(arena, i + VECTOR_BYTES), load(arena, i + 2 * VECTOR_BYTES)


@inline
def maximum_of_nine(arena, i, row):
    """The maximum of 3 x 3 pixels from i on, and its place."""
    lowest = broadcast(LOWEST_FLOAT32)
    a, b, c = three(arena, i)
    d, e, f = three(arena, i + row)
    g, h, k = three(arena, i + 2 * row)
    one = maximum(c, maximum(b, maximum(a, lowest)))
    two = maximum(f, maximum(e, maximum(d, lowest)))
    top = maximum(maximum(k, maximum(h, maximum(g, lowest))), maximum(one, two))
    place = number_if(h, top, 7, broadcast(np.float32(8)))
    place = number_if(e, top, 4, number_if(f, top, 5, number_if(g, top, 6, place)))
    place = number_if(b, top, 1, number_if(c, top, 2, number_if(d, top, 3, place)))
    return top, number_if(a, top, 0, place)


@inline
def number_if(v, top, number, other):
    return where_equal(v, top, broadcast(np.float32(number)), other)


@inline
def maximum_of_four(arena, i, row):
    """The maximum of 2 x 2 pixels from i on, and its place."""
    lowest = broadcast(LOWEST_FLOAT32)
    a, b = load(arena, i), load(arena, i + VECTOR_BYTES)
    c, d = load(arena, i + row), load(arena, i + row + VECTOR_BYTES)
    top = maximum(maximum(b, maximum(a, lowest)), maximum(d, maximum(c, lowest)))
    place = number_if(b, top, 1, number_if(c, top, 2, broadcast(np.float32(3))))
    return top, number_if(a, top, 0, place)


@step_kernel(KeptMaxima)
def keep_maxima(arena, weights, tables, at, item, thread):
    """Some rows of windows of one block of channels of one picture: writes the largest values to y, and the place of
    each, h * kernel + w from the window's start on: of a value up to 0 as -2 less it, NO_PLACE without a maximum."""
    f = read_fields(tables, at, KeptMaxima)
    plane, part, step = item // f.parts, item % f.parts, VECTOR_BYTES
    x, y, inside = f.x.offset + plane * f.x.plane, f.y.offset + plane * f.y.plane, f.inside + plane % f.planes * step
    lowest = broadcast(element(weights, f.lowest))
    for r in range(f.down.number * part // f.parts, f.down.number * (part + 1) // f.parts):
        down = read_row(tables, f.down.windows, r, Side)
        to, i = f.places + (plane * f.down.number + r) * f.across.number * step, x + down.first * f.x.row
        high, above = down.last - down.first, down.first - (r * f.down.stride - f.down.before)
        for c in range(f.across.number):
            across = read_row(tables, f.across.windows, c, Side)
            top, wide = broadcast(LOWEST_FLOAT32), across.last - across.first
            left = across.first - (c * f.across.stride - f.across.before)
            first = i + across.first * step
            if above == 0 and high == 3 and wide == 3 and f.across.kernel == 3:
                top, place = maximum_of_nine(arena, first, f.x.row)
            elif above == 0 and high == 2 and wide == 2 and f.across.kernel == 2:
                top, place = maximum_of_four(arena, first, f.x.row)
            else:
                for h in range(high):
                    line = first + h * f.x.row
                    for p in range(line, line + wide * step, step):
                        top = maximum(load(arena, p), top)
                place = place_of(
                    arena, first, f.x.row, high, wide, top, f.across.kernel, above * f.across.kernel + left
                )  # fmt: skip
            place = where_less(zeros(), top, place, broadcast(NEXT_TO_LAST) - place)
            store(arena, to + c * step, where_less(broadcast(LOWEST_FLOAT32), top, place, broadcast(NO_PLACE)))
            value = where_less(zeros(), load(weights, inside), maximum(top, lowest), zeros())
            store(arena, y + r * f.y.row + c * step, value)


def holders_of(axis: PoolingAxis) -> np.ndarray:
    """The Holders of each pixel of the axis: int64 [size, 2]."""
    sides = window_table(axis)
    first, last, pixels = sides[:, :1], sides[:, 1:2], np.arange(axis.size)
    ended = (last <= pixels).sum(axis=0)  # windows before those that hold the pixel
    begun = (np.minimum(first, last) <= pixels).sum(axis=0)
    return np.stack([ended, np.maximum(ended, begun)], axis=1)


def window_side(emitter: Emitter, axis: PoolingAxis) -> WindowSide:
    return WindowSide(
        axis.kernel, axis.stride, axis.before, axis.number, axis.size, emitter.table(window_table(axis)),
        emitter.table(holders_of(axis)),
    )  # fmt: skip


def places_bytes(top: tuple[int, ...]) -> int:
    """What is kept of windows whose values have the shape `top`."""
    return top[0] * blocks(top[1]) * count(top, 2) * VECTOR_BYTES


def emit_kept_maxima(emitter: Emitter, axes: list[PoolingAxis], x: Storage, y: Storage, lowest: int) -> None:
    """Emit the largest values, at least the constant `lowest`, with places in what is kept; both BLOCKED."""
    parts = max(1, y.four[2] // MAXIMA_ROWS_PER_ITEM)
    down, across = (window_side(emitter, axis) for axis in axes)
    emitter.step(
        keep_maxima, y.four[0] * y.planes * parts, x=x.strided, y=y.strided, places=emitter.kept, down=down,
        across=across, planes=y.planes, inside=emitter.constant(np.arange(y.planes * LANES) < y.four[1]), parts=parts,
        lowest=lowest,
    )  # fmt: skip
