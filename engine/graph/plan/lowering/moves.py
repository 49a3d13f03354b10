"""Steps between layers: from one kind of storage to another, and zeros into a halo."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ....compiler.cpu import FLOAT_BYTES, LANES, VECTOR_BYTES
from ....compiler.fields import read_fields
from ....compiler.jit import inline
from ....vectors.copying import copy, copy_transposed
from ....vectors.simd import element, store, store_element, zeros
from ....vectors.views import view1
from ..emitter import Emitter
from ..steps import Strided, step_kernel
from ..storage import Storage, StorageKind


class MovedBlob(NamedTuple):
    """The fields of all moves of the pixels of x into y."""

    x: Strided
    y: Strided
    channels: int
    blocks: int  # of LANES channels, of a picture
    rows: int
    columns: int


@step_kernel(MovedBlob)
def to_blocks(arena, weights, tables, at, item, thread):
    """One block of channels of one picture: writes y [rows, columns, LANES], BLOCKED, from LANES planes of x [rows,
    columns]; channels past the last are zeros. x and y do not overlap."""
    f = read_fields(tables, at, MovedBlob)
    picture, c = item // f.blocks, item % f.blocks * LANES
    x, y = f.x.offset + (picture * f.channels + c) * f.x.plane, f.y.offset + item * f.y.plane
    lanes = min(LANES, f.channels - c)
    for r in range(f.rows):
        source, target, done = x + r * f.x.row, y + r * f.y.row, 0
        if lanes == LANES and f.columns >= LANES:
            done = f.columns
            for p in range(0, f.columns, LANES):  # y[r, p : p + LANES, :] = x[:, r, p : p + LANES].T
                p = min(p, f.columns - LANES)  # the last ones may be copied twice
                i, to = source + p * FLOAT_BYTES, target + p * VECTOR_BYTES
                copy_transposed(arena, i, f.x.plane, arena, to, VECTOR_BYTES)
        for p in range(done, f.columns):  # y[r, p, :lanes] = x[:lanes, r, p]
            i, to = source + p * FLOAT_BYTES, target + p * VECTOR_BYTES
            for lane in range(lanes):
                store_element(arena, to + lane * FLOAT_BYTES, element(arena, i + lane * f.x.plane))
            for lane in range(lanes, LANES):
                store_element(arena, to + lane * FLOAT_BYTES, np.float32(0))


@step_kernel(MovedBlob)
def to_planes(arena, weights, tables, at, item, thread):
    """One block of channels of one picture: writes LANES planes of y [rows, columns], at the end fewer, from x [rows,
    columns, LANES], BLOCKED. x and y do not overlap."""
    f = read_fields(tables, at, MovedBlob)
    picture, c = item // f.blocks, item % f.blocks * LANES
    x, y = f.x.offset + item * f.x.plane, f.y.offset + (picture * f.channels + c) * f.y.plane
    lanes = min(LANES, f.channels - c)
    for r in range(f.rows):
        source, target, done = x + r * f.x.row, y + r * f.y.row, 0
        if lanes == LANES and f.columns >= LANES:
            done = f.columns
            for p in range(0, f.columns, LANES):  # y[:, r, p : p + LANES] = x[r, p : p + LANES, :].T
                p = min(p, f.columns - LANES)
                i, to = source + p * VECTOR_BYTES, target + p * FLOAT_BYTES
                copy_transposed(arena, i, VECTOR_BYTES, arena, to, f.y.plane)
        for p in range(done, f.columns):  # y[:lanes, r, p] = x[r, p, :lanes]
            i, to = source + p * VECTOR_BYTES, target + p * FLOAT_BYTES
            for lane in range(lanes):
                store_element(arena, to + lane * f.y.plane, element(arena, i + lane * FLOAT_BYTES))


@step_kernel(MovedBlob)
def copy_planes(arena, weights, tables, at, item, thread):
    """One channel of one picture: writes y [rows, columns] from x, which does not overlap."""
    f = read_fields(tables, at, MovedBlob)
    x, y = f.x.offset + item * f.x.plane, f.y.offset + item * f.y.plane
    for r in range(f.rows):
        copy(view1(arena, x + r * f.x.row, f.columns), 0, view1(arena, y + r * f.y.row, f.columns), 0, f.columns)


class ClearedHalo(NamedTuple):
    y: int  # offset of the first plane, of its halo
    plane: int  # size of a plane with its halo
    row: int  # size of a row with its halo
    rows: int  # without the halo
    above: int  # rows of the halo
    below: int
    left: int  # size of the halo on this side
    right: int


@step_kernel(ClearedHalo)
def clear_halo(arena, weights, tables, at, item, thread):
    """One plane: writes zeros around its pixels, which stay."""
    f = read_fields(tables, at, ClearedHalo)
    start = f.y + item * f.plane
    inside = start + f.above * f.row
    last = inside + (f.rows - 1) * f.row
    clear(arena, start, f.above * f.row + f.left)  # the rows above, and left of the first row
    for r in range(1, f.rows):
        clear(arena, inside + r * f.row - f.right, f.right + f.left)  # right of a row, and left of the next
    clear(arena, last + f.row - f.right, f.right + f.below * f.row)  # right of the last row, and the rows below


@inline
def clear(arena, at, size):
    """Zeros into arena[at:at+size], whole floats."""
    whole = size // VECTOR_BYTES * VECTOR_BYTES
    for i in range(0, whole, VECTOR_BYTES):
        store(arena, at + i, zeros())
    for i in range(whole, size, FLOAT_BYTES):
        store_element(arena, at + i, np.float32(0))


def emit_move(emitter: Emitter, x: Storage, y: Storage) -> None:
    """Emit the move of the pixels of x into y, of another kind."""
    if x.kind is StorageKind.BLOCKED:
        kernel, blocks, items = to_planes, x.planes, x.four[0] * x.planes
    elif y.kind is StorageKind.BLOCKED:
        kernel, blocks, items = to_blocks, y.planes, y.four[0] * y.planes
    else:
        kernel, blocks, items = copy_planes, 0, x.four[0] * x.planes
    channels, rows, columns = x.four[1:]
    emitter.step(kernel, items, x=x.strided, y=y.strided, channels=channels, blocks=blocks, rows=rows, columns=columns)


def emit_halo(emitter: Emitter, y: Storage, *, barrier: bool) -> None:
    """Emit zeros around the pixels of y. `barrier` False: the next step, which fills y, may run at the same time."""
    above, left, below, right = y.halo
    if any(y.halo):
        emitter.step(
            clear_halo, y.four[0] * y.planes, y=y.memory.offset, plane=y.plane, row=y.row, rows=y.four[2],
            above=above, below=below, left=left * y.pixel, right=right * y.pixel, barrier=barrier,
        )  # fmt: skip


MOVE_KERNELS = (to_blocks, to_planes, copy_planes, clear_halo)
