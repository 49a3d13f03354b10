"""Steps between layers: from one kind of storage to another, and zeros into a halo."""

from __future__ import annotations

from ....cpu import LANES
from ....jit import inline, kernel
from ....simd import copy, copy_transposed, store, zeros
from ..emitter import STEP, Emitter
from ..storage import Kind, Storage


@kernel(STEP)
def to_blocks(arena, weights, tables, at, item, thread):
    """One block of channels of one picture: LANES planes of x (at the end fewer, and zeros) into y."""
    x, x_plane, x_row, channels, y, y_plane, y_row = (
        tables[at], tables[at + 1], tables[at + 2], tables[at + 3], tables[at + 4], tables[at + 5], tables[at + 6],
    )  # fmt: skip
    planes, rows, columns = tables[at + 7], tables[at + 8], tables[at + 9]
    picture, c = item // planes, item % planes * LANES
    x, y, lanes = x + (picture * channels + c) * x_plane, y + item * y_plane, min(LANES, channels - c)
    for r in range(rows):
        source, target, done = x + r * x_row, y + r * y_row, 0
        if lanes == LANES and columns >= LANES:
            done = columns
            for p in range(0, columns, LANES):
                p = min(p, columns - LANES)  # the last ones may be copied twice
                copy_transposed(arena, source + p, x_plane, arena, target + p * LANES, LANES)
        for p in range(done, columns):
            for lane in range(lanes):
                arena[target + p * LANES + lane] = arena[source + lane * x_plane + p]
            for lane in range(lanes, LANES):
                arena[target + p * LANES + lane] = 0


@kernel(STEP)
def to_planes(arena, weights, tables, at, item, thread):
    """One block of channels of one picture of x into planes of y."""
    x, x_plane, x_row, y, y_plane, y_row, channels = (
        tables[at], tables[at + 1], tables[at + 2], tables[at + 3], tables[at + 4], tables[at + 5], tables[at + 6],
    )  # fmt: skip
    planes, rows, columns = tables[at + 7], tables[at + 8], tables[at + 9]
    picture, c = item // planes, item % planes * LANES
    x, y, lanes = x + item * x_plane, y + (picture * channels + c) * y_plane, min(LANES, channels - c)
    for r in range(rows):
        source, target, done = x + r * x_row, y + r * y_row, 0
        if lanes == LANES and columns >= LANES:
            done = columns
            for p in range(0, columns, LANES):
                p = min(p, columns - LANES)
                copy_transposed(arena, source + p * LANES, LANES, arena, target + p, y_plane)
        for p in range(done, columns):
            for lane in range(lanes):
                arena[target + lane * y_plane + p] = arena[source + p * LANES + lane]


@kernel(STEP)
def copy_planes(arena, weights, tables, at, item, thread):
    """One channel of one picture: arguments are place, plane and row of x, of y, rows and columns."""
    x, y = tables[at] + item * tables[at + 1], tables[at + 3] + item * tables[at + 4]
    for r in range(tables[at + 6]):
        copy(arena, x + r * tables[at + 2], arena, y + r * tables[at + 5], tables[at + 7])


@kernel(STEP)
def clear_halo(arena, weights, tables, at, item, thread):
    """One plane: arguments are its place and size, its rows' size, rows above and below, floats left and right."""
    start, row = tables[at] + item * tables[at + 1], tables[at + 2]
    above, below, left, right = tables[at + 3], tables[at + 4], tables[at + 5], tables[at + 6]
    end = start + tables[at + 1]
    clear(arena, start, above * row)
    clear(arena, end - below * row, below * row)
    inside, behind = start + above * row, end - below * row
    clear(arena, inside, left)
    for line_end in range(inside + row, behind, row):
        clear(arena, line_end - right, right + left)  # of one line, and of the next
    clear(arena, behind - right, right)


@inline
def clear(arena, at, size):
    """Zeros into arena[at:at+size]."""
    whole = size // LANES * LANES
    for i in range(0, whole, LANES):
        store(arena, at + i, zeros())
    for i in range(whole, size):
        arena[at + i] = 0


def emit_move(emitter: Emitter, x: Storage, y: Storage) -> None:
    """The pixels of x into y, of another kind."""
    if x.kind is Kind.BLOCKED:
        numbers = [x.first, x.plane, x.row, y.first, y.plane, y.row, x.four[1], x.planes, *x.four[2:]]
        emitter.step(to_planes, numbers, x.four[0] * x.planes)
    elif y.kind is Kind.BLOCKED:
        numbers = [x.first, x.plane, x.row, x.four[1], y.first, y.plane, y.row, y.planes, *x.four[2:]]
        emitter.step(to_blocks, numbers, y.four[0] * y.planes)
    else:
        numbers = [x.first, x.plane, x.row, y.first, y.plane, y.row, *x.four[2:]]
        emitter.step(copy_planes, numbers, x.four[0] * x.planes)


def emit_halo(emitter: Emitter, y: Storage, *, meets: bool) -> None:
    """Zeros around the pixels of y. `meets` False: the next step may run at the same time, as who fills y does."""
    top, left, bottom, right = y.halo
    if any(y.halo):
        numbers = [y.memory.at, y.plane, y.row, top, bottom, left * y.pixel, right * y.pixel]
        emitter.step(clear_halo, numbers, y.four[0] * y.planes, meets=meets)
