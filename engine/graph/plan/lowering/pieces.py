"""Concat and Slice: pieces of blobs, copied. Of pictures along the channels from blocks to blocks, also where a piece
starts within one; of other blobs in runs, as Caffe stores them."""

from __future__ import annotations

import itertools
from typing import NamedTuple

from ....compiler.cpu import FLOAT_BYTES, LANES, VECTOR_BYTES
from ....compiler.fields import read_fields
from ....vectors.copying import copy
from ....vectors.simd import load, load_part, store, store_part, zeros
from ....vectors.views import view1
from ...ir.graph import PICTURE_AXES, Shape
from ...ops.arrangement import along, concat_axis, own_axis
from ..emitter import Emitter
from ..steps import Strided, step_kernel
from ..storage import Storage, blocks
from .backward import Backward, BackwardBlobs
from .lowered import BLOCKED, PLANAR, Context, Lowered, Lowering

RUN_FLOATS = 16 << 10  # of an item: some microseconds


class CopiedChannels(NamedTuple):
    x: Strided
    y: Strided
    source: int  # the first channel of x that is copied
    target: int  # its number in y
    count: int  # of channels
    first: int  # block of y that is written
    blocks: int  # how many
    is_last: int  # 1: zeros in the lanes of the last block that are behind the channels
    rows: int
    columns: int


@step_kernel(CopiedChannels)
def copy_channels(arena, weights, tables, at, item, thread):
    """The channels of one block of one picture: writes their lanes of y [rows, columns, LANES], BLOCKED, from one or
    two blocks of x, which does not overlap."""
    f = read_fields(tables, at, CopiedChannels)
    picture, block = item // f.blocks, f.first + item % f.blocks
    low, high = max(0, f.target - block * LANES), min(LANES, f.target + f.count - block * LANES)
    channel = f.source + block * LANES + low - f.target
    lane = channel % LANES
    number = min(high - low, LANES - lane)  # from the first block of x
    rest = high - low - number  # from the next
    behind = LANES - high if f.is_last else 0
    x = f.x.offset + picture * f.x.picture + channel // LANES * f.x.plane + lane * FLOAT_BYTES
    y = f.y.offset + picture * f.y.picture + block * f.y.plane + low * FLOAT_BYTES
    following, second, third = f.x.plane - lane * FLOAT_BYTES, number * FLOAT_BYTES, (high - low) * FLOAT_BYTES
    for r in range(f.rows):
        for p in range(0, f.columns * VECTOR_BYTES, VECTOR_BYTES):  # y[r, p, low:high] = x[r, p, channels]
            i, to = x + r * f.x.row + p, y + r * f.y.row + p
            if number == LANES:
                store(arena, to, load(arena, i))
            else:
                store_part(arena, to, load_part(arena, i, number), number)
                if rest > 0:
                    store_part(arena, to + second, load_part(arena, i + following, rest), rest)
                if behind > 0:
                    store_part(arena, to + third, zeros(), behind)


class CopiedRuns(NamedTuple):
    x: int  # offset of the first run
    x_step: int  # to the next one
    y: int
    y_step: int
    size: int  # floats of a run
    parts: int  # items of a run


@step_kernel(CopiedRuns)
def copy_runs(arena, weights, tables, at, item, thread):
    """A part of one run: writes y from x, which does not overlap."""
    f = read_fields(tables, at, CopiedRuns)
    run, part = item // f.parts, item % f.parts
    first, last = f.size * part // f.parts, f.size * (part + 1) // f.parts
    x, y = f.x + run * f.x_step + first * FLOAT_BYTES, f.y + run * f.y_step + first * FLOAT_BYTES
    copy(view1(arena, x, last - first), 0, view1(arena, y, last - first), 0, last - first)


class Piece(NamedTuple):
    """`count` indices of an axis, from `source` of x, at `target` of y. `is_last`: y ends behind them."""

    x: Storage
    y: Storage
    axis: int
    source: int
    target: int
    count: int
    is_last: bool


def is_of_channels(axis: int, shape: Shape) -> bool:
    return axis == 1 and len(shape) == PICTURE_AXES


def emit_piece(emitter: Emitter, piece: Piece, *, barrier: bool) -> None:
    """The step that copies it, of storages that `is_of_channels` decides: BLOCKED or PLANAR. `barrier` False: the next
    step does not need it."""
    x, y, axis, source, target, number, is_last = piece
    if is_of_channels(axis, x.shape):
        first = target // LANES
        many = blocks(target + number) - first
        emitter.step(
            copy_channels, x.four[0] * many, barrier=barrier, x=x.strided, y=y.strided, source=source, target=target,
            count=number, first=first, blocks=many, is_last=is_last, rows=x.four[2], columns=x.four[3],
        )  # fmt: skip
        return
    runs, x_size, inner = along(x.shape, axis)
    step, size = inner * FLOAT_BYTES, number * inner
    parts = -(-size // RUN_FLOATS)
    emitter.step(
        copy_runs, runs * parts, barrier=barrier, x=x.first + source * step, x_step=x_size * step,
        y=y.first + target * step, y_step=y.shape[axis] * step, size=size, parts=parts,
    )  # fmt: skip


def emit_pieces(emitter: Emitter, pieces: list[Piece]) -> None:
    """The steps that copy all of them, at the same time."""
    for number, piece in enumerate(pieces, 1):
        emit_piece(emitter, piece, barrier=number == len(pieces))


def joined(parts: list[Storage], whole: Storage, axis: int, sizes: list[int]) -> list[Piece]:
    """The pieces by which parts become the whole, one behind the other along `axis`."""
    starts = [0, *itertools.accumulate(sizes)]
    return [
        Piece(part, whole, axis, 0, start, size, start + size == starts[-1])
        for part, start, size in zip(parts, starts, sizes, strict=False)
    ]


def cut(whole: Storage, parts: list[Storage | None], axis: int, sizes: list[int]) -> list[Piece]:
    """The pieces by which the whole becomes its parts; None for one that is not needed."""
    starts = [0, *itertools.accumulate(sizes)]
    return [
        Piece(whole, part, axis, start, 0, size, True)
        for part, start, size in zip(parts, starts, sizes, strict=False)
        if part is not None
    ]


def lower_concat(context: Context) -> Lowered | None:
    axis, top = concat_axis(context.group.main, context.bottoms), context.tops[0]
    want = BLOCKED if is_of_channels(axis, top) else PLANAR
    sizes = [shape[axis] for shape in context.bottoms]

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        emit_pieces(emitter, joined(bottoms, tops[0], axis, sizes))

    def emit_back(emitter: Emitter, blobs: BackwardBlobs) -> None:
        emit_pieces(emitter, cut(blobs.top_gradients[0], blobs.bottom_gradients, axis, sizes))

    backward = Backward(emit_back, want.kind)
    return Lowered([want] * len(context.bottoms), want.kind, emit, backward=backward)


def lower_slice(context: Context) -> Lowered | None:
    node, shape = context.group.main, context.bottoms[0]
    axis = own_axis(node, len(shape))
    want = BLOCKED if is_of_channels(axis, shape) else PLANAR
    sizes = [top[axis] for top in context.tops]

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        emit_pieces(emitter, cut(bottoms[0], tops, axis, sizes))

    def emit_back(emitter: Emitter, blobs: BackwardBlobs) -> None:
        emit_pieces(emitter, joined(blobs.top_gradients, blobs.bottom_gradients[0], axis, sizes))

    return Lowered([want], want.kind, emit, backward=Backward(emit_back, want.kind))


CONCAT = Lowering(lower_concat, kernels=(copy_channels, copy_runs), any_rank=True)
SLICE = Lowering(lower_slice, kernels=(copy_channels, copy_runs), any_rank=True)
