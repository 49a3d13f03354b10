"""The pixels of a channel over all pictures, as lines of one length: what sums over a batch go along.

A line is a row of a plane, or some rows that lie behind each other, so that loops are not short. Lines are cut into
parts by the shape alone, never by the number of threads: each part has its own sum, and these are added in their order.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ....compiler.cpu import FLOAT_BYTES, LANES, VECTOR_BYTES
from ....compiler.jit import inline
from ....vectors.simd import element, store_element
from ...ir.graph import Shape
from ...ir.op import count
from ..steps import Strided
from ..storage import Storage, blocks

PART_VECTORS = 2048  # of a block of channels: some 10 microseconds
MOST_PARTS = 32
STRETCH_VECTORS = 256  # that are added up before they are added to the sum of a part; they stay in L1


class Lines(NamedTuple):
    """Items are parts of blocks of channels, all blocks of a part behind each other."""

    rows: int  # lines of a plane
    columns: int  # vectors of a line
    number: int  # of lines of a block of channels
    planes: int  # of a picture
    parts: int  # of a block of channels


@inline
def line_of(x, lines, block, number):
    """The offset of a line of a block of channels of the blob x."""
    return x.offset + block * x.plane + number // lines.rows * x.picture + number % lines.rows * x.row


@inline
def first_line(lines, part):
    return lines.number * part // lines.parts


@inline
def sum_of_parts(arena, lines, sums, block, step, lane):
    """float64: of a lane of the first vectors of all parts of a block, of which each has `step` bytes."""
    total = np.float64(0)
    for part in range(lines.parts):
        total += np.float64(element(arena, sums + (part * lines.planes + block) * step + lane * FLOAT_BYTES))
    return total


@inline
def add_element(arena, at, value):
    store_element(arena, at, element(arena, at) + np.float32(value))


def parts_of(shape: Shape) -> int:
    """Into how many parts the lines of a block of channels are cut."""
    return max(1, min(MOST_PARTS, shape[0] * count(shape, 2) // PART_VECTORS))


def sum_bytes(shape: Shape, vectors: int) -> int:
    """Bytes of so many vectors for each part of each block of channels."""
    return vectors * VECTOR_BYTES * parts_of(shape) * blocks(shape[1])


def lines_of(*blobs: Storage) -> tuple[Lines, list[Strided]]:
    """The lines of BLOCKED blobs of one shape, and where these lie: the `row` is that from a line to the next."""
    first = blobs[0]
    pictures, _, rows, columns = first.four
    together = 1
    if all(blob.row == columns * VECTOR_BYTES for blob in blobs):
        fitting = [n for n in range(1, rows + 1) if rows % n == 0 and n * columns <= STRETCH_VECTORS]
        together = max(fitting, default=1)
    lines = Lines(
        rows=rows // together, columns=columns * together, number=pictures * rows // together, planes=first.planes,
        parts=parts_of(first.shape),
    )  # fmt: skip
    return lines, [blob.strided._replace(row=blob.row * together) for blob in blobs]


def per_lane(channels: int) -> int:
    """Channels with those that fill up the last block."""
    return blocks(channels) * LANES
