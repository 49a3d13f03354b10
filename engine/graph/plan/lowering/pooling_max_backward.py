"""The gradient of the largest value of each window of BLOCKED pictures, by the places of these values.

The forward run keeps where in its window the first pixel with that value is, so that the pictures are not read again.
dy of a window belongs to that pixel; with `mask` only if the value is above 0. Where each pixel is in one window, a
window's pixels are written one by one. Otherwise each pixel gathers dy of the windows whose place it is, in their
order: nothing is cleared or read back, and a thread writes only its own rows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ....compiler.cpu import VECTOR_BYTES
from ....compiler.fields import read_fields, read_row
from ....compiler.jit import inline
from ....vectors.simd import broadcast, load, maximum, store, where_equal, zeros
from ...ops.pooling import PoolingAxis, Side
from ..emitter import Emitter
from ..steps import Strided, step_kernel
from ..storage import Storage
from .pooling_max import MAXIMA_ROWS_PER_ITEM, NEXT_TO_LAST, Holders, WindowSide, holders_of, keep_maxima, window_side


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


@inline
def given_to(place, number, d):
    """What of d belongs to the pixel with this number in the window."""
    return where_equal(place, broadcast(np.float32(number)), d, zeros())


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
            whole = above + down.first == 0 and down.last - down.first == 2
            if whole and f.across.kernel == 2 and across.last - across.first == 2:
                to, below = dx + down.first * f.dx.row + across.first * step, f.dx.row
                store(arena, to, given_to(place, 0, d))
                store(arena, to + step, given_to(place, 1, d))
                store(arena, to + below, given_to(place, 2, d))
                store(arena, to + below + step, given_to(place, 3, d))
                continue
            for h in range(down.first, down.last):
                to = dx + h * f.dx.row
                for w in range(across.first, across.last):
                    number = (above + h) * f.across.kernel + left + w
                    store(arena, to + w * step, given_to(place, number, d))


@inline
def gather_pixel(arena, tables, f, places, dy, h, held, w):
    """dx of the pixel (h, w) from the rows of windows `held`."""
    across, total = read_row(tables, f.across.holders, w, Holders), zeros()
    for r in range(held.first, held.last):
        line = places + r * f.across.number * VECTOR_BYTES
        number = (h + f.down.before - r * f.down.stride) * f.across.kernel + w + f.across.before
        for c in range(across.first, across.last):
            d = load(arena, dy + r * f.dy.row + c * VECTOR_BYTES)
            place = place_at(arena, line + c * VECTOR_BYTES, f.mask)
            total = total + given_to(place, number - c * f.across.stride, d)
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


def is_partition(axis: PoolingAxis) -> bool:
    """Whether each pixel of the axis is in one window."""
    return bool((np.diff(holders_of(axis)) == 1).all())


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
