"""ShuffleChannel and Reorg of BLOCKED pictures: the lanes of a vector come from other channels, and other pixels.

A row of the top consists of `runs` that alternate pixel by pixel, one but in a Reorg in reverse; each channel of a run
is a run of the bottom: every `stride`-th pixel of a row of one channel.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ....compiler.cpu import FLOAT_BYTES, LANES, VECTOR_BYTES
from ....compiler.fields import read_fields, read_row
from ....vectors.simd import element, load, store, store_element, zeros
from ...ir.graph import Node, Shape
from ..emitter import Emitter
from ..steps import Strided, step_kernel
from ..storage import Storage, StorageKind
from .backward import Backward, BackwardBlobs
from .lowered import BLOCKED, Context, Lowered, Lowering
from .permute import MOST_ROWS
from .summed_pixels import ROW_VECTORS

START_NUMBERS = LANES + 1  # of a vector in the table: where the runs of its lanes start; and 1 if they are one vector


class RunStart(NamedTuple):
    """Of one lane. As a row it is read faster than as an element of the table, which may be counted from the end."""

    at: int


class MovedChannels(NamedTuple):
    x: Strided
    y: Strided
    starts: int  # table [rows, runs, planes, START_NUMBERS], offsets in a picture of x
    rows: int  # of y
    runs: int
    pixels: int  # of a run
    stride: int  # from one to the next in x
    channels: int  # of y
    planes: int
    parts: int  # items that share a plane, by its rows


@step_kernel(MovedChannels)
def move_channels(arena, weights, tables, at, item, thread):
    """Some rows of one block of channels of one picture: writes y [rows, columns, LANES], BLOCKED, from x; they do not
    overlap. Lanes behind the last channel are zeros."""
    f = read_fields(tables, at, MovedChannels)
    plane, part = item // f.parts, item % f.parts
    picture, block = plane // f.planes, plane % f.planes
    x, lanes = f.x.offset + picture * f.x.picture, min(LANES, f.channels - block * LANES)
    for r in range(f.rows * part // f.parts, f.rows * (part + 1) // f.parts):
        for run in range(f.runs):
            starts = f.starts + ((r * f.runs + run) * f.planes + block) * START_NUMBERS
            y = f.y.offset + plane * f.y.plane + r * f.y.row + run * VECTOR_BYTES
            for p in range(f.pixels):
                i, to = x + p * f.stride, y + p * f.runs * VECTOR_BYTES
                if tables[starts + LANES]:
                    store(arena, to, load(arena, i + tables[starts]))
                elif lanes == LANES:
                    for lane in range(LANES):
                        v = element(arena, i + read_row(tables, starts, lane, RunStart).at)
                        store_element(arena, to + lane * FLOAT_BYTES, v)
                else:
                    store(arena, to, zeros())
                    for lane in range(lanes):
                        v = element(arena, i + read_row(tables, starts, lane, RunStart).at)
                        store_element(arena, to + lane * FLOAT_BYTES, v)


class SourcePlace(NamedTuple):
    """Where the first pixels of the top's runs lie in the bottom, arrays that broadcast to [rows, runs, channels]; and
    the `stride` of its pixels."""

    channel: np.ndarray
    row: np.ndarray
    column: np.ndarray
    stride: int = 1


def shuffled_source(node: Node, bottom: Shape, row, run, channel) -> SourcePlace:
    return shuffled(node.attributes.group, bottom[1], row, run, channel)


def shuffled(group: int, channels: int, row, run, channel) -> SourcePlace:
    return SourcePlace(channel % group * (channels // group) + channel // group, row, run)


def reorganised_source(node: Node, bottom: Shape, row, run, channel) -> SourcePlace:
    """The row of the top is a part of a row of the bottom's shape, whose pixels come from a row of twice, in general
    `s` times, its width: that is a whole row of the bottom."""
    s, (_, channels, height, _) = node.attributes.stride, bottom
    outputs = channels // (s * s)
    if node.attributes.reverse:  # a run for each column of the cells
        return SourcePlace((row % s * s + run) * outputs + channel, row // s, 0 * run)
    line = channel * (height // s) + row  # of the top's, of which s are a row of the bottom's shape
    c, h, part = line // s // height, line // s % height, line % s
    c, cell = c % outputs, c // outputs
    line = (c * height * s + h * s + cell // s) * s + part  # of the bottom's
    return SourcePlace(line // height, line % height, cell % s, s)


PLACES = {"ShuffleChannel": shuffled_source, "Reorg": reorganised_source}


def lower_shuffle(context: Context) -> Lowered | None:
    node, bottom, top = context.group.main, context.bottoms[0], (*context.tops[0], 1, 1)[:4]
    runs = node.attributes.stride if node.type == "Reorg" and node.attributes.reverse else 1
    if top[2] * runs * top[1] > MOST_ROWS:
        return None
    places = np.ix_(*(np.arange(size) for size in (top[2], runs, top[1])))

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        emit_from(emitter, bottoms[0], tops[0], PLACES[node.type](node, bottom, *places))

    def emit_back(emitter: Emitter, blobs: BackwardBlobs) -> None:
        others = bottom[1] // node.attributes.group
        emit_from(emitter, blobs.top_gradients[0], blobs.bottom_gradients[0], shuffled(others, bottom[1], *places))

    def emit_from(emitter: Emitter, x: Storage, y: Storage, source: SourcePlace) -> None:
        starts = source.channel // LANES * x.plane + source.channel % LANES * FLOAT_BYTES
        starts = starts + source.row * x.row + source.column * x.pixel
        vectors = np.full((top[2], runs, y.planes * LANES), -1)
        vectors[..., : top[1]] = starts
        vectors = vectors.reshape(top[2], runs, y.planes, LANES)
        whole = (np.diff(vectors) == FLOAT_BYTES).all(axis=-1, keepdims=True)
        parts = max(1, min(top[2], top[2] * top[3] // ROW_VECTORS))
        emitter.step(
            move_channels, top[0] * y.planes * parts, x=x.strided, y=y.strided, rows=top[2], runs=runs,
            starts=emitter.table(np.concatenate([vectors, whole], axis=-1)), pixels=top[3] // runs,
            stride=source.stride * x.pixel, channels=top[1], planes=y.planes, parts=parts,
        )  # fmt: skip

    backward = Backward(emit_back) if node.type == "ShuffleChannel" else None
    return Lowered([BLOCKED], StorageKind.BLOCKED, emit, backward=backward)


SHUFFLE = Lowering(lower_shuffle, kernels=(move_channels,))
