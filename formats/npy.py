""".npy files with numbers (bool, integers, floats) of any shape, plain or .gz.

    offset  size     field
    0       8        "\\x93NUMPY", version 1 0 or 2 0
    8       2 or 4   size of the header, little-endian, at most 10,000 bytes
    ...              the header, a Python literal: type, order, shape; then the values

A plain file is memory-mapped and read-only, so an array larger than the memory can be read. Nothing is unpickled.
"""

from __future__ import annotations

import io
import math
import os

import numpy as np

from ..errors import InputError
from .files import Source, open_data
from .text import quote

NPY_MAGIC = b"\x93NUMPY"
HEADER_LIMIT = 10_000  # bytes, as in NumPy; its parser needs seconds to give up on some longer ones


def read_npy(path: str | os.PathLike[str]) -> np.ndarray:
    """The array in its own shape and type. Raises InputError."""
    with open_data(path) as source:
        return npy_array(source)


def npy_array(source: Source, *, mapped: bool = True) -> np.ndarray:
    """`read_npy` of an open file; not `mapped` (or zipped): read into memory."""
    shape, fortran_order, dtype = _read_header(source)
    at = source.stream.tell()
    size = math.prod(shape) * dtype.itemsize
    if at + size > source.most or (at + size < source.size and not source.zipped):
        found = f"is {source.size} bytes long"
        raise InputError(source.path, found, f"{at + size} for {shape} of {dtype}", "was it copied completely?")
    if source.zipped or not mapped or size == 0:
        array = source.read_array(dtype, (math.prod(shape),))
        if source.stream.read(1):
            raise InputError(source.path, "goes on after its last value", f"{shape} of {dtype}")
    else:
        # Not copied on write: pages that could be written must fit into the memory, or the system refuses to map them.
        array = np.frombuffer(source.map(), dtype, math.prod(shape), at)
    try:
        return array.reshape(shape, order="F" if fortran_order else "C")
    except ValueError:  # an empty array with sizes beyond all bounds
        raise InputError(source.path, f"announces an array of {quote(str(shape))}") from None


def _read_header(source: Source) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, whether the first dimension is the fastest, and type."""
    start = source.stream.read(8)
    parse = {b"\1\0": np.lib.format.read_array_header_1_0, b"\2\0": np.lib.format.read_array_header_2_0}.get(start[6:])
    if start[:6] != NPY_MAGIC or parse is None:
        raise InputError(source.path, f"begins with {start.hex(' ')}", "a .npy file of version 1.0 or 2.0")
    length = source.stream.read(2 if start[6] == 1 else 4)
    if int.from_bytes(length, "little") > HEADER_LIMIT:
        raise InputError(
            source.path, f"announces a header of {int.from_bytes(length, 'little')} bytes", f"at most {HEADER_LIMIT}"
        )
    header = source.stream.read(int.from_bytes(length, "little"))
    try:
        shape, fortran_order, dtype = parse(io.BytesIO(length + header), max_header_size=HEADER_LIMIT)
    except Exception as error:  # damage to a Python literal can raise anything that its parser or dtype() can
        raise InputError(source.path, f"has a damaged .npy header: {quote(str(error), 100)}") from None
    if dtype.kind not in "biuf" or min(shape, default=0) < 0:
        raise InputError(source.path, f"holds {quote(f'{shape} of {dtype}')}", "an array of numbers")
    return shape, fortran_order, dtype
