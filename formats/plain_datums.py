"""Datum messages that hold pixels as bytes, read by a kernel: what a database that Caffe's tools made is full of.

Protobuf's parser takes some microseconds per record, with Python's lock, which a training on all CPUs does not have.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..engine.compiler import signatures as types
from ..engine.compiler.jit import I1, I1_IN, inline, kernel

# Fields of a Datum; 2 is the height, 6 float_data.
CHANNELS_FIELD, WIDTH_FIELD, PIXELS_FIELD, LABEL_FIELD, ENCODED_FIELD = 1, 3, 4, 5, 7
VARINT_WIRE, BYTES_WIRE = 0, 2  # wire types
START_COLUMN, LABEL_COLUMN = 0, 4  # columns of what is found; 1 to 3 are the shape
FOUND_COLUMNS = 5
MOST_VARINT_BITS = 63  # that a varint of a size, a label or a length takes here
LARGEST_SIDE = 1 << 20  # of a number of channels, height or width, so that their product fits
LARGEST_LABEL = (1 << 31) - 1  # int32


class PlainPixels(NamedTuple):
    """`data` uint8, in which each picture's pixels begin at `starts`, int64 [N]; all are of `shape`, channels, height,
    width. `labels` int64 [N]."""

    data: np.ndarray
    starts: np.ndarray
    shape: tuple[int, int, int]
    labels: np.ndarray


@inline
def read_varint(data: Any, at: Any, end: Any) -> Any:
    """The number at data[at:end] and the offset behind it, which is -1 where there is none of MOST_VARINT_BITS bits."""
    value: Any = 0
    shift = 0
    while at < end and shift < MOST_VARINT_BITS:
        byte = np.int64(data[at])
        value |= (byte & 127) << shift
        at += 1
        if byte < 128:
            return value, at
        shift += 7
    return 0, -1


@kernel(types.void(types.U1_IN, I1_IN, I1))
def find_pixels(data: Any, ends: Any, found: Any) -> None:
    """Writes found[n], of FOUND_COLUMNS, for the messages data[ends[n - 1]:ends[n]]: where the pixels start, the shape
    and the label. The start is -1 for one that is to be read by protobuf: of other fields, or without as many pixels as
    its shape says."""
    begin = 0
    for n in range(ends.size):
        at, end, row = begin, ends[n], n * FOUND_COLUMNS
        begin = end
        for column in range(FOUND_COLUMNS):
            found[row + column] = 0
        start, size, plain = -1, 0, True
        while at < end and plain:
            tag, at = read_varint(data, at, end)
            value, field, wire = 0, tag >> 3, tag & 7
            if at >= 0:
                value, at = read_varint(data, at, end)
            plain = at >= 0
            if wire == BYTES_WIRE and field == PIXELS_FIELD:
                start, size = at, value
                plain = plain and value <= end - at
                at += value
            elif wire == VARINT_WIRE and (CHANNELS_FIELD <= field <= WIDTH_FIELD or field == LABEL_FIELD):
                found[row + (LABEL_COLUMN if field == LABEL_FIELD else field)] = value
            elif wire != VARINT_WIRE or field != ENCODED_FIELD or value != 0:
                plain = False
        whole = 1
        for column in range(CHANNELS_FIELD, WIDTH_FIELD + 1):
            side = found[row + column]
            plain = plain and 0 < side <= LARGEST_SIDE
            whole *= side if plain else 0
        plain = plain and found[row + LABEL_COLUMN] <= LARGEST_LABEL
        found[row + START_COLUMN] = start if plain and start >= 0 and size == whole else -1


def plain_pixels(values: Sequence[bytes]) -> PlainPixels | None:
    """The pixels of Datum messages; None unless all hold bytes of one shape."""
    data = np.frombuffer(b"".join(values), np.uint8)
    ends = np.cumsum(np.fromiter(map(len, values), np.int64, len(values)))
    found = np.empty((len(values), FOUND_COLUMNS), np.int64)
    find_pixels.run(data, ends, found.reshape(-1))
    shapes = found[:, 1:LABEL_COLUMN]
    if (found[:, START_COLUMN] < 0).any() or (shapes != shapes[0]).any():
        return None
    channels, height, width = shapes[0].tolist()
    return PlainPixels(
        data, np.ascontiguousarray(found[:, START_COLUMN]), (channels, height, width), found[:, LABEL_COLUMN]
    )
