"""One record of a database of pictures: a Datum message -> an array and a label."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from google.protobuf.message import DecodeError

from .schema import MESSAGES

DATUM = MESSAGES["Datum"]


class Record(NamedTuple):
    """`pixels` uint8 or float32 [channels, height, width], or None with `file`, the bytes of a picture's file."""

    pixels: np.ndarray | None
    file: bytes
    label: int


class BadRecord(Exception):
    """What is wrong with a record, and what was expected."""


def parse_datum(data: bytes) -> Record:
    """Raises BadRecord."""
    datum = DATUM()
    try:
        datum.ParseFromString(data)
    except DecodeError:
        raise BadRecord("is not a Datum message", "a database that Caffe's tools made") from None
    if datum.encoded:
        return Record(None, datum.data, datum.label)
    shape = datum.channels, datum.height, datum.width
    if min(shape) <= 0:
        raise BadRecord(f"has the shape {list(shape)}", "positive sizes")
    size = shape[0] * shape[1] * shape[2]
    if datum.data:
        pixels = np.frombuffer(datum.data, np.uint8)
    else:
        pixels = np.fromiter(datum.float_data, np.float32, len(datum.float_data))
    if pixels.size != size:
        raise BadRecord(f"holds {pixels.size} numbers", f"{size} for its shape {list(shape)}")
    return Record(pixels.reshape(shape), b"", datum.label)


def make_datum(pixels: np.ndarray | bytes, label: int | None, encoded: bool | None = None) -> bytes:
    """The message of a picture: uint8 or float32 [channels, height, width], or its file. `encoded` of pixels: None for
    no such field, which Caffe's tools for arrays leave out."""
    if isinstance(pixels, bytes):
        return bytes(DATUM(data=pixels, label=label, encoded=True).SerializeToString())
    datum = DATUM(channels=pixels.shape[0], height=pixels.shape[1], width=pixels.shape[2], label=label, encoded=encoded)
    if pixels.dtype == np.uint8:
        datum.data = pixels.tobytes()
    else:
        datum.float_data.extend(pixels.ravel().tolist())
    return bytes(datum.SerializeToString())
