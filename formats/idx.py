"""MNIST's IDX files, plain or .gz. Big-endian, nothing after the last value.

offset  size  field
0       2     zero
2       1     type: 08 uint8, 09 int8, 0B int16, 0C int32, 0D float32, 0E float64
3       1     number of dimensions D, here 1 to 8
4       4 D   uint32 sizes, none 0
...           the values, the last dimension fastest
"""

from __future__ import annotations

import gzip
import math
import os
import struct
from typing import IO

import numpy as np

from ..errors import InputError, UsageError
from .atomic import write_atomically
from .files import Source, open_data

IDX_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MOST_DIMENSIONS = 8


def read_idx(path: str | os.PathLike[str]) -> np.ndarray:
    """The array in its own shape and type, in this machine's byte order. Raises InputError."""
    with open_data(path) as source:
        return idx_array(source)


def write_idx(path: str | os.PathLike[str], array: np.ndarray) -> None:
    """Raises UsageError for a type or shape that IDX does not have, OutputError."""
    with write_atomically(path) as file:
        put_idx(file, array)


def idx_array(source: Source) -> np.ndarray:
    """`read_idx` of an open file."""
    head = source.stream.read(4)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in IDX_TYPES or not 1 <= head[3] <= MOST_DIMENSIONS:
        raise InputError(source.path, f"begins with {head.hex(' ')}", "an IDX file (00 00 type dimensions)")
    dtype, dimensions = np.dtype(IDX_TYPES[head[2]]), head[3]
    sizes = source.stream.read(4 * dimensions)
    if len(sizes) < 4 * dimensions:
        raise InputError(source.path, "ends inside its IDX header", hint="was it copied completely?")
    shape = struct.unpack(f">{dimensions}I", sizes)
    if 0 in shape:
        raise InputError(source.path, f"announces an empty array {shape}")
    size = 4 + 4 * dimensions + math.prod(shape) * dtype.itemsize
    if size > source.most or (size < source.size and not source.zipped):
        found = f"is {source.size} bytes long"
        raise InputError(source.path, found, f"{size} for {shape} of {dtype.name}", "was it copied completely?")
    array = source.read_array(dtype, shape)
    if source.stream.read(1):
        raise InputError(source.path, "goes on after its last value", f"{shape} of {dtype.name}")
    return array if dtype.isnative else array.byteswap(inplace=True).view(dtype.newbyteorder("="))


def put_idx(file: IO[bytes] | gzip.GzipFile, array: np.ndarray) -> None:
    """`write_idx` into an open file."""
    dtype = array.dtype.newbyteorder(">")
    code = next((code for code, known in IDX_TYPES.items() if np.dtype(known) == dtype), None)
    if code is None or not 1 <= array.ndim <= MOST_DIMENSIONS or array.size == 0 or max(array.shape) >= 1 << 32:
        raise UsageError(f"IDX has no type {array.dtype.name} or shape {array.shape}")
    file.write(struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape))
    file.write(np.ascontiguousarray(array, dtype).tobytes())
