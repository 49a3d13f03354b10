"""The gradient of the largest value of each window of BLOCKED pictures, by the places of these values.

The forward run keeps where in its window the first pixel with that value is, so that the pictures are not read again.
dy of a window belongs to that pixel; with `mask` only if the value is above 0. Where each pixel is in one window, a
window's pixels are written one by one. Otherwise each pixel gathers dy of the windows whose place it is, in their
order: nothing is cleared or read back, and a thread writes only its own rows.
"""

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
def first_of(arena, i, step, top, place, number):
    """`place`, or that of the pixel at i if it is the maximum."""
    return where_equal(load(arena, i + step), top, broadcast(np.float32(number)), place)


@inline
def place_of(arena, i, row, high, wide, top, kernel, start):
    """The first place of the maximum of the pixels [high, wide] from i on, the first of which is the place `start` in a
    window of `kernel` columns."""
    place, one, two = broadcast(NO_PLACE), VECTOR_BYTES, 2 * VECTOR_BYTES
    if high == 3 and wide == 3 and kernel == 3:
        place = first_of(arena, i, 2 * row + two, top, place, 8)
        place = first_of(arena, i, 2 * row + one, top, place, 7)
        place = first_of(arena, i, 2 * row, top, place, 6)
        place = first_of(arena, i, row + two, top, place, 5)
        place = first_of(arena, i, row + one, top, place, 4)
        place = first_of(arena, i, row, top, place, 3)
        place = first_of(arena, i, two, top, place, 2)
        place = first_of(arena, i, one, top, place, 1)
        return first_of(arena, i, 0, top, place, 0)
    if high == 2 and wide == 2 and kernel == 2:
        place = first_of(arena, i, row + one, top, place, 3)
        place = first_of(arena, i, row, top, place, 2)
        place = first_of(arena, i, one, top, place, 1)
        return first_of(arena, i, 0, top, place, 0)
    for h in range(high - 1, -1, -1):
        for w in range(wide - 1, -1, -1):
            place = first_of(arena, i, h * row + w * one, top, place, start + h * kernel + w)
    return place


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
            for h in range(first, first + high * f.x.row, f.x.row):
                for p in range(h, h + wide * step, step):
                    top = maximum(load(arena, p), top)
            place = place_of(
                arena, first, f.x.row, high, wide, top, f.across.kernel, above * f.across.kernel + left
            )  # fmt: skip
            place = where_less(zeros(), top, place, broadcast(NEXT_TO_LAST) - place)
            store(arena, to + c * step, where_less(broadcast(LOWEST_FLOAT32), top, place, broadcast(NO_PLACE)))
            value = where_less(zeros(), load(weights, inside), maximum(top, lowest), zeros())
            store(arena, y + r * f.y.row + c * step, value)


class GivenMaxima(NamedTuple):
    dy: Strided
    dx: Strided
    places: int
    down: WindowSide
    across: WindowSide
    parts: int  # items that share a plane, by rows of windows or of dx
    mask: int  # 1: no gradient of values that are not above 0


@inline
def place_at(arena, i, mask):
    """The places of some maxima; negative where there is no gradient."""
    place = load(arena, i)
    return place if mask else maximum(place, broadcast(NEXT_TO_LAST) - place)


@step_kernel(GivenMaxima)
def spread_maxima(arena, weights, tables, at, item, thread):
    """Some rows of windows of one block of channels of one picture: writes dx of their pixels, of which each is in one
    window."""
    f = read_fields(tables, at, GivenMaxima)
    plane, part, step = item // f.parts, item % f.parts, VECTOR_BYTES
    dx, dy = f.dx.offset + plane * f.dx.plane, f.dy.offset + plane * f.dy.plane
    for r in range(f.down.number * part // f.parts, f.down.number * (part + 1) // f.parts):
        down = read_row(tables, f.down.windows, r, Side)
        places = f.places + (plane * f.down.number + r) * f.across.number * step
        above = f.down.before - r * f.down.stride
        for c in range(f.across.number):
            across = read_row(tables, f.across.windows, c, Side)
            place, d = place_at(arena, places + c * step, f.mask), load(arena, dy + r * f.dy.row + c * step)
            left = f.across.before - c * f.across.stride
            for h in range(down.first, down.last):
                to = dx + h * f.dx.row
                for w in range(across.first, across.last):
                    number = broadcast(np.float32((above + h) * f.across.kernel + left + w))
                    store(arena, to + w * step, where_equal(place, number, d, zeros()))


@inline
def gather_pixel(arena, tables, f, places, dy, h, held, w):
    """dx of the pixel (h, w) from the rows of windows `held`."""
    across, total = read_row(tables, f.across.holders, w, Holders), zeros()
    for r in range(held.first, held.last):
        line = places + r * f.across.number * VECTOR_BYTES
        number = (h + f.down.before - r * f.down.stride) * f.across.kernel + w + f.across.before
        for c in range(across.first, across.last):
            own = broadcast(np.float32(number - c * f.across.stride))
            d = load(arena, dy + r * f.dy.row + c * VECTOR_BYTES)
            total = total + where_equal(place_at(arena, line + c * VECTOR_BYTES, f.mask), own, d, zeros())
    return total


@inline
def add_pair(arena, line, dy, first, mask, even, odd):
    """Adds what two pixels get from a row of windows of 3 columns, 2 apart: the first from this window and the one
    before, the second from this one. `first` is the place of the left column."""
    before, here, d = place_at(arena, line - VECTOR_BYTES, mask), place_at(arena, line, mask), load(arena, dy)
    even = even + where_equal(before, broadcast(first + np.float32(2)), load(arena, dy - VECTOR_BYTES), zeros())
    even = even + where_equal(here, broadcast(first), d, zeros())
    return even, odd + where_equal(here, broadcast(first + np.float32(1)), d, zeros())


@inline
def gather_pairs(arena, f, places, dy, dx, h, held, last):
    """dx of the two pixels at each of the columns of windows 1 ... last - 1, which are 3 wide and 2 apart."""
    r, size = held.first, f.across.number * VECTOR_BYTES
    line, d = places + r * size, dy + r * f.dy.row
    place = np.float32((h + f.down.before - r * f.down.stride) * 3)
    next_place, to = place - np.float32(3 * f.down.stride), dx - f.across.before * VECTOR_BYTES
    for c in range(VECTOR_BYTES, last * VECTOR_BYTES, VECTOR_BYTES):
        even, odd = add_pair(arena, line + c, d + c, place, f.mask, zeros(), zeros())
        if held.last - r == 2:
            even, odd = add_pair(arena, line + size + c, d + f.dy.row + c, next_place, f.mask, even, odd)
        store(arena, to + 2 * c, even)
        store(arena, to + 2 * c + VECTOR_BYTES, odd)


@step_kernel(GivenMaxima)
def gather_maxima(arena, weights, tables, at, item, thread):
    """Some rows of one block of channels of one picture: writes dx [rows, columns, LANES]."""
    f = read_fields(tables, at, GivenMaxima)
    plane, part, W = item // f.parts, item % f.parts, f.across.pixels
    dx, dy = f.dx.offset + plane * f.dx.plane, f.dy.offset + plane * f.dy.plane
    places = f.places + plane * f.down.number * f.across.number * VECTOR_BYTES
    pairs = min(f.across.number, (W + f.across.before) // 2)
    for h in range(f.down.pixels * part // f.parts, f.down.pixels * (part + 1) // f.parts):
        held, to = read_row(tables, f.down.holders, h, Holders), dx + h * f.dx.row
        begin = end = 0  # pixels that are done in pairs
        if f.across.kernel == 3 and f.across.stride == 2 and 0 < held.last - held.first < 3 and pairs > 1:
            gather_pairs(arena, f, places, dy, to, h, held, pairs)
            begin, end = 2 - f.across.before, 2 * pairs - f.across.before
        for w in range(begin):
            store(arena, to + w * VECTOR_BYTES, gather_pixel(arena, tables, f, places, dy, h, held, w))
        for w in range(end, W):
            store(arena, to + w * VECTOR_BYTES, gather_pixel(arena, tables, f, places, dy, h, held, w))


def holders_of(axis: PoolingAxis) -> np.ndarray:
    """The Holders of each pixel of the axis: int64 [size, 2]."""
    sides = window_table(axis)
    first, last, pixels = sides[:, :1], sides[:, 1:2], np.arange(axis.size)
    ended = (last <= pixels).sum(axis=0)  # windows before those that hold the pixel
    begun = (np.minimum(first, last) <= pixels).sum(axis=0)
    return np.stack([ended, np.maximum(ended, begun)], axis=1)


def is_partition(axis: PoolingAxis) -> bool:
    """Whether each pixel of the axis is in one window."""
    return bool((np.diff(holders_of(axis)) == 1).all())


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


def emit_maxima(emitter: Emitter, axes: list[PoolingAxis], places: int, dy: Storage, dx: Storage, mask: bool) -> None:
    """Emit dx from the kept places; both BLOCKED. `mask`: 0 where x is not above 0."""
    down, across = (window_side(emitter, axis) for axis in axes)
    one_by_one = is_partition(axes[0]) and is_partition(axes[1])
    kernel, rows = (spread_maxima, dy.four[2]) if one_by_one else (gather_maxima, dx.four[2])
    parts = max(1, rows // MAXIMA_ROWS_PER_ITEM)
    emitter.step(
        kernel, dx.four[0] * dx.planes * parts, dy=dy.strided, dx=dx.strided, places=places, down=down, across=across,
        parts=parts, mask=mask,
    )  # fmt: skip


MAXIMA_KERNELS = (keep_maxima, spread_maxima, gather_maxima)
