"""The gradient of the largest value of each window of BLOCKED pictures, from the pictures and these values.

dy of a window belongs to the first pixel that has its value, and to none where that is not above -FLT_MAX; with `mask`,
to none where it is not above 0. Windows that do not overlap and leave nothing out are written one by one. Otherwise the
place of each maximum in its window is found first, row by row of windows, and then each pixel gathers dy of the windows
whose place it is, in the order of the windows: nothing is cleared, and a thread writes only its own rows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ....compiler.cpu import VECTOR_BYTES
from ....compiler.fields import read_fields, read_row
from ....compiler.jit import inline
from ....vectors.simd import broadcast, load, store, where_equal, where_less, zeros
from ...ops.pooling import LOWEST_FLOAT32, PoolingAxis, Side, window_table
from ..emitter import Emitter
from ..steps import Scratch, Strided, step_kernel
from ..storage import Storage

ROWS_PER_ITEM = 32  # of dx, or of windows; not measured
NO_PLACE = np.float32(-1)


class OwnWindows(NamedTuple):
    x: Strided
    y: Strided
    dy: Strided
    dx: Strided
    down: int  # table of a Side for each row of y
    across: int  # table of a Side for each column of y
    rows: int  # of y
    columns: int
    parts: int  # items that share a plane, by rows of y
    mask: int  # 1: no gradient of values that are not above 0


@inline
def to_first(arena, i, to, top, left):
    """Writes at `to` what is left of dy if x[i] is the maximum, else 0. Returns what is then left."""
    v = load(arena, i)
    store(arena, to, where_equal(v, top, left, zeros()))
    return where_equal(v, top, zeros(), left)


@inline
def above(top, dy, mask):
    """dy of windows that have a gradient, else 0."""
    lowest = broadcast(np.float32(0) if mask else LOWEST_FLOAT32)
    return where_less(lowest, top, dy, zeros())


@step_kernel(OwnWindows)
def spread_maxima(arena, weights, tables, at, item, thread):
    """Some rows of windows of one block of channels of one picture: writes dx of their pixels, of which each is in one
    window."""
    f = read_fields(tables, at, OwnWindows)
    plane, part = item // f.parts, item % f.parts
    x, y = f.x.offset + plane * f.x.plane, f.y.offset + plane * f.y.plane
    dx, dy = f.dx.offset + plane * f.dx.plane, f.dy.offset + plane * f.dy.plane
    for r in range(f.rows * part // f.parts, f.rows * (part + 1) // f.parts):
        down = read_row(tables, f.down, r, Side)
        i, to, step = x + down.first * f.x.row, dx + down.first * f.dx.row, VECTOR_BYTES
        for c in range(f.columns):
            across = read_row(tables, f.across, c, Side)
            top = load(arena, y + r * f.y.row + c * step)
            left = above(top, load(arena, dy + r * f.dy.row + c * step), f.mask)
            if down.last - down.first == 2 and across.last - across.first == 2:
                p, q = i + across.first * step, to + across.first * step
                left = to_first(arena, p, q, top, left)
                left = to_first(arena, p + step, q + step, top, left)
                left = to_first(arena, p + f.x.row, q + f.dx.row, top, left)
                to_first(arena, p + f.x.row + step, q + f.dx.row + step, top, left)
                continue
            for h in range(down.last - down.first):
                for w in range(across.first, across.last):
                    left = to_first(arena, i + h * f.x.row + w * step, to + h * f.dx.row + w * step, top, left)


class Holders(NamedTuple):
    """The windows [first, last) of an axis that hold a pixel."""

    first: int
    last: int


class WindowSide(NamedTuple):
    """Windows along an axis: window n begins at n * stride - before, of which a part may be outside."""

    kernel: int
    stride: int
    before: int
    windows: int  # table of a Side for each
    holders: int  # table of the Holders of each pixel
    pixels: int
    lines: int  # the most windows that hold a pixel


class GatheredMaxima(NamedTuple):
    x: Strided
    y: Strided
    dy: Strided
    dx: Strided
    down: WindowSide
    across: WindowSide
    columns: int  # of y
    parts: int  # items that share a plane, by rows of dx
    mask: int  # 1: no gradient of values that are not above 0
    scratch: Scratch  # a line of places, [columns, LANES], of each of `down.lines` rows of windows


@inline
def find_places(arena, tables, f, x, y, dy, r, line):
    """Writes to line [columns, LANES] the place of the maximum of each window of row r, h * kernel + w counted from the
    window's start, or NO_PLACE."""
    down, step = read_row(tables, f.down.windows, r, Side), VECTOR_BYTES
    top_row = r * f.down.stride - f.down.before
    for c in range(f.columns):
        across = read_row(tables, f.across.windows, c, Side)
        top, place = load(arena, y + r * f.y.row + c * step), broadcast(NO_PLACE)
        i = x + down.first * f.x.row + across.first * step
        if f.across.kernel == 3 and down.last - down.first == 3 and across.last - across.first == 3:
            for h in range(2, -1, -1):
                p, number = i + h * f.x.row, np.float32(3 * h)
                place = where_equal(load(arena, p + 2 * step), top, broadcast(number + np.float32(2)), place)
                place = where_equal(load(arena, p + step), top, broadcast(number + np.float32(1)), place)
                place = where_equal(load(arena, p), top, broadcast(number), place)
        else:
            left = c * f.across.stride - f.across.before
            for h in range(down.last - 1, down.first - 1, -1):
                number = (h - top_row) * f.across.kernel - left
                for w in range(across.last - 1, across.first - 1, -1):
                    v = load(arena, x + h * f.x.row + w * step)
                    place = where_equal(v, top, broadcast(np.float32(number + w)), place)
        lowest = broadcast(np.float32(0) if f.mask else LOWEST_FLOAT32)
        store(arena, line + c * step, where_less(lowest, top, place, broadcast(NO_PLACE)))


@inline
def gather_pixel(arena, tables, f, lines, dy, h, held, w):
    """dx of the pixel (h, w) from the rows of windows `held`."""
    across, total = read_row(tables, f.across.holders, w, Holders), zeros()
    for r in range(held.first, held.last):
        line = lines + r % f.down.lines * f.columns * VECTOR_BYTES
        number = (h + f.down.before - r * f.down.stride) * f.across.kernel + w + f.across.before
        for c in range(across.first, across.last):
            place = broadcast(np.float32(number - c * f.across.stride))
            d = load(arena, dy + r * f.dy.row + c * VECTOR_BYTES)
            total = total + where_equal(load(arena, line + c * VECTOR_BYTES), place, d, zeros())
    return total


@inline
def add_pair(arena, line, dy, first, even, odd):
    """Adds what two pixels get from a row of windows of 3 columns, 2 apart: the first from this window and the one
    before, the second from this one. `first` is the place of the left column."""
    before, here = load(arena, line - VECTOR_BYTES), load(arena, line)
    d = load(arena, dy)
    even = even + where_equal(before, broadcast(first + np.float32(2)), load(arena, dy - VECTOR_BYTES), zeros())
    even = even + where_equal(here, broadcast(first), d, zeros())
    return even, odd + where_equal(here, broadcast(first + np.float32(1)), d, zeros())


@inline
def gather_pairs(arena, f, lines, dy, dx, h, held, first, last):
    """dx of the two pixels at each of the columns of windows first ... last - 1, which are 3 wide and 2 apart."""
    r = held.first
    line, size = lines + r % f.down.lines * f.columns * VECTOR_BYTES, f.columns * VECTOR_BYTES
    other = lines + (r + 1) % f.down.lines * size
    place = np.float32((h + f.down.before - r * f.down.stride) * 3)
    next_place, d, next_d = place - np.float32(3 * f.down.stride), dy + r * f.dy.row, dy + (r + 1) * f.dy.row
    for c in range(first * VECTOR_BYTES, last * VECTOR_BYTES, VECTOR_BYTES):
        even, odd = add_pair(arena, line + c, d + c, place, zeros(), zeros())
        if held.last - held.first == 2:
            even, odd = add_pair(arena, other + c, next_d + c, next_place, even, odd)
        to = dx + 2 * c - f.across.before * VECTOR_BYTES
        store(arena, to, even)
        store(arena, to + VECTOR_BYTES, odd)


@step_kernel(GatheredMaxima)
def gather_maxima(arena, weights, tables, at, item, thread):
    """Some rows of one block of channels of one picture: writes dx [rows, columns, LANES]."""
    f = read_fields(tables, at, GatheredMaxima)
    plane, part = item // f.parts, item % f.parts
    x, y = f.x.offset + plane * f.x.plane, f.y.offset + plane * f.y.plane
    dx, dy = f.dx.offset + plane * f.dx.plane, f.dy.offset + plane * f.dy.plane
    lines, W = f.scratch.offset + thread * f.scratch.thread, f.across.pixels
    first, last = f.down.pixels * part // f.parts, f.down.pixels * (part + 1) // f.parts
    found = read_row(tables, f.down.holders, first, Holders).first
    for h in range(first, last):
        held, to = read_row(tables, f.down.holders, h, Holders), dx + h * f.dx.row
        while found < held.last:
            find_places(arena, tables, f, x, y, dy, found, lines + found % f.down.lines * f.columns * VECTOR_BYTES)
            found += 1
        begin = end = 0  # pixels that are done in pairs
        pairs = min(f.columns, (W + f.across.before) // 2)
        if f.across.kernel == 3 and f.across.stride == 2 and 0 < held.last - held.first < 3 and pairs > 1:
            gather_pairs(arena, f, lines, dy, to, h, held, 1, pairs)
            begin, end = 2 - f.across.before, 2 * pairs - f.across.before
        for w in range(begin):
            store(arena, to + w * VECTOR_BYTES, gather_pixel(arena, tables, f, lines, dy, h, held, w))
        for w in range(end, W):
            store(arena, to + w * VECTOR_BYTES, gather_pixel(arena, tables, f, lines, dy, h, held, w))


def holders_of(axis: PoolingAxis) -> np.ndarray:
    """The Holders of each pixel of the axis: int64 [size, 2]."""
    sides = window_table(axis)
    first, last = sides[:, :1], sides[:, 1:2]
    pixels = np.arange(axis.size)
    before = (last <= pixels).sum(axis=0)  # windows that end before the pixel
    begun = (np.minimum(first, last) <= pixels).sum(axis=0)
    return np.stack([before, np.maximum(before, begun)], axis=1)


def is_partition(axis: PoolingAxis) -> bool:
    """Whether each pixel of the axis is in one window."""
    holders = holders_of(axis)
    return bool((holders[:, 1] - holders[:, 0] == 1).all())


def most_holders(axis: PoolingAxis) -> int:
    holders = holders_of(axis)
    return max(1, int((holders[:, 1] - holders[:, 0]).max()))


def window_side(emitter: Emitter, axis: PoolingAxis) -> WindowSide:
    return WindowSide(
        axis.kernel, axis.stride, axis.before, emitter.table(window_table(axis)), emitter.table(holders_of(axis)),
        axis.size, most_holders(axis),
    )  # fmt: skip


def scratch_of_maxima(axes: list[PoolingAxis]) -> int:
    """Bytes that a thread needs."""
    down, across = axes
    return 0 if is_partition(down) and is_partition(across) else most_holders(down) * across.number * VECTOR_BYTES


def emit_maxima(
    emitter: Emitter, axes: list[PoolingAxis], x: Storage, y: Storage, dy: Storage, dx: Storage, mask: bool
):
    """Emit dx; all BLOCKED. `mask`: 0 where x is not above 0."""
    blobs = {"x": x.strided, "y": y.strided, "dy": dy.strided, "dx": dx.strided}
    (rows, columns), planes = y.four[2:], y.four[0] * y.planes
    if is_partition(axes[0]) and is_partition(axes[1]):
        parts = max(1, rows // ROWS_PER_ITEM)
        down, across = (emitter.table(window_table(axis)) for axis in axes)
        emitter.step(
            spread_maxima, planes * parts, **blobs, down=down, across=across, rows=rows, columns=columns, parts=parts,
            mask=mask,
        )  # fmt: skip
        return
    parts = max(1, x.four[2] // ROWS_PER_ITEM)
    down, across = (window_side(emitter, axis) for axis in axes)
    emitter.step(
        gather_maxima, planes * parts, **blobs, down=down, across=across, columns=columns, parts=parts, mask=mask,
        scratch=emitter.scratch,
    )  # fmt: skip
