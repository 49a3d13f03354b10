"""Permute: channels to the last axis from blocks, to blocks from the last axis; other orders as Caffe stores them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ....compiler.cpu import FLOAT_BYTES, LANES
from ....compiler.fields import read_fields
from ....vectors.copying import copy
from ....vectors.simd import element, load, load_part, store, store_element, store_part
from ....vectors.views import view1
from ...ir.graph import Shape
from ...ir.op import count
from ...ops.arrangement import permutation
from ..emitter import Emitter
from ..steps import Strided, step_kernel
from ..storage import Storage, StorageKind
from .backward import Backward, BackwardBlobs
from .lowered import BLOCKED, PLANAR, Context, Lowered, Lowering
from .pieces import RUN_FLOATS

MOST_ROWS = 1 << 20  # of a table


class TurnedPixels(NamedTuple):
    blob: Strided  # BLOCKED
    pixels: int  # table: offsets in a plane, in the order of the lines
    lines: int  # offset of the first picture's first line, [pictures, pixels, channels]
    count: int  # of pixels of a picture
    channels: int
    parts: int  # items of a picture


@step_kernel(TurnedPixels)
def blocks_to_lines(arena, weights, tables, at, item, thread):
    """Some pixels of one picture: writes their lines of channels from the BLOCKED blob, which does not overlap."""
    f = read_fields(tables, at, TurnedPixels)
    picture, part, line = item // f.parts, item % f.parts, f.channels * FLOAT_BYTES
    for p in range(f.count * part // f.parts, f.count * (part + 1) // f.parts):
        i, to = (
            f.blob.offset + picture * f.blob.picture + tables[f.pixels + p],
            f.lines + (picture * f.count + p) * line,
        )
        for c in range(0, f.channels - LANES + 1, LANES):
            store(arena, to + c * FLOAT_BYTES, load(arena, i + c // LANES * f.blob.plane))
        left = f.channels % LANES
        if left > 0:
            c = f.channels - left
            store_part(arena, to + c * FLOAT_BYTES, load_part(arena, i + c // LANES * f.blob.plane, left), left)


@step_kernel(TurnedPixels)
def lines_to_blocks(arena, weights, tables, at, item, thread):
    """Some pixels of one picture: writes the BLOCKED blob from their lines of channels, which do not overlap; channels
    past the last are zeros."""
    f = read_fields(tables, at, TurnedPixels)
    picture, part, line = item // f.parts, item % f.parts, f.channels * FLOAT_BYTES
    for p in range(f.count * part // f.parts, f.count * (part + 1) // f.parts):
        i, to = (
            f.lines + (picture * f.count + p) * line,
            f.blob.offset + picture * f.blob.picture + tables[f.pixels + p],
        )
        for c in range(0, f.channels - LANES + 1, LANES):
            store(arena, to + c // LANES * f.blob.plane, load(arena, i + c * FLOAT_BYTES))
        left = f.channels % LANES
        if left > 0:
            c = f.channels - left
            store(arena, to + c // LANES * f.blob.plane, load_part(arena, i + c * FLOAT_BYTES, left))


class TurnedRows(NamedTuple):
    x: int
    y: int
    starts: int  # table: the offset of each row of y in x
    rows: int  # of y
    size: int  # floats of a row
    step: int  # from one to the next in x
    parts: int  # items


@step_kernel(TurnedRows)
def gather_rows(arena, weights, tables, at, item, thread):
    """Some rows of y [rows, size], PLANAR, from x, which does not overlap."""
    f = read_fields(tables, at, TurnedRows)
    for r in range(f.rows * item // f.parts, f.rows * (item + 1) // f.parts):
        i, to = f.x + tables[f.starts + r], f.y + r * f.size * FLOAT_BYTES
        if f.step == FLOAT_BYTES:
            copy(view1(arena, i, f.size), 0, view1(arena, to, f.size), 0, f.size)
        else:
            for n in range(f.size):
                store_element(arena, to + n * FLOAT_BYTES, element(arena, i + n * f.step))


def lower_turn(context: Context) -> Lowered | None:
    """[N, C, ...] to [N, ..., C] and back, of up to two axes of pixels."""
    shape = context.bottoms[0]
    order, axes = permutation(context.group.main, len(shape)), len(shape)
    to_last = order == [0, *range(2, axes), 1]
    if axes < 3 or not (to_last or order == [0, axes - 1, *range(1, axes - 1)]):
        return None

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        emit_turn(emitter, *((bottoms[0], tops[0]) if to_last else (tops[0], bottoms[0])), to_last)

    def emit_back(emitter: Emitter, blobs: BackwardBlobs) -> None:
        dy, dx = blobs.top_gradients[0], blobs.bottom_gradients[0]
        emit_turn(emitter, *((dx, dy) if to_last else (dy, dx)), not to_last)

    def emit_turn(emitter: Emitter, blob: Storage, lines: Storage, to_lines: bool) -> None:
        pixels = blob.pixels()
        parts = max(1, min(len(pixels), len(pixels) * blob.shape[1] // RUN_FLOATS))
        emitter.step(
            blocks_to_lines if to_lines else lines_to_blocks, blob.shape[0] * parts, blob=blob.strided,
            pixels=emitter.table(pixels), lines=lines.first, count=len(pixels), channels=blob.shape[1], parts=parts,
        )  # fmt: skip

    wants = BLOCKED, PLANAR
    kind = wants[to_last].kind
    return Lowered([wants[not to_last]], kind, emit, backward=Backward(emit_back, kind))


def lower_rows(context: Context) -> Lowered | None:
    """Any order: the rows of the last axis of the top, one after the other."""
    shape, top = context.bottoms[0], context.tops[0]
    if not shape:
        return None
    order = permutation(context.group.main, len(shape))
    there, back = turned_rows(shape, order), turned_rows(top, list(np.argsort(order)))
    if there is None:
        return None

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        emit_rows(emitter, bottoms[0], tops[0], there)

    def emit_back(emitter: Emitter, blobs: BackwardBlobs) -> None:
        emit_rows(emitter, blobs.top_gradients[0], blobs.bottom_gradients[0], back)

    backward = Backward(emit_back, StorageKind.PLANAR) if back else None
    return Lowered([PLANAR], StorageKind.PLANAR, emit, backward=backward)


class RowsOf(NamedTuple):
    """The rows of a turned blob: where each starts in the other one, how many values it has, and the step from one to
    the next there."""

    starts: np.ndarray
    size: int
    step: int


def turned_rows(shape: Shape, order: list[int]) -> RowsOf | None:
    """Of a blob of this shape with its axes in this order; None for too many."""
    top = [shape[axis] for axis in order]
    steps = [count(shape, axis + 1) * FLOAT_BYTES for axis in order]
    joined = len(order) - 1  # axes from here on lie in the top as in the bottom
    while joined and order[joined] == order[joined - 1] + 1:
        joined -= 1
    rows, size = count(top, 0, joined), count(top, joined)
    if rows > MOST_ROWS:
        return None
    places = np.ix_(*(np.arange(m) * step for m, step in zip(top[:joined], steps, strict=False)))
    return RowsOf(sum(places, np.zeros(1, np.int64)).reshape(-1), size, steps[-1])


def emit_rows(emitter: Emitter, x: Storage, y: Storage, rows: RowsOf) -> None:
    number = len(rows.starts)
    parts = max(1, min(number, number * rows.size // RUN_FLOATS))
    emitter.step(
        gather_rows, parts, x=x.first, y=y.first, starts=emitter.table(rows.starts), rows=number, size=rows.size,
        step=rows.step, parts=parts,
    )  # fmt: skip


TURN = Lowering(lower_turn, kernels=(blocks_to_lines, lines_to_blocks))
OTHER_ORDERS = Lowering(lower_rows, kernels=(gather_rows,), any_rank=True)
