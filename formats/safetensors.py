"""Safetensors files, read: named tensors of any types, one behind the other. Little-endian.

    offset  size  field
    0       8     uint64 N, size of the header
    8       N     the header, JSON: {"NAME": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...,
                  "__metadata__": {"KEY": "text", ...}}
    8 + N         the tensors, without gaps, from the offsets on that the header gives, counted from here

Nothing is allocated before its size has been compared with that of the file. The tensors stay in the file, mapped.
"""

from __future__ import annotations

import json
import math
import mmap
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError
from .content import A_TENSOR_FILE, CUT_SHORT, HEAD, refuse_others
from .files import open_input
from .text import quote

MOST_HEADER_BYTES, MOST_TENSOR_AXES = 1 << 24, 32
# Bytes of a number, by the name of its type; the types that hold weights, as numbers in the file.
TYPE_BYTES = {"BOOL": 1, "U8": 1, "I8": 1, "F8_E5M2": 1, "F8_E4M3": 1, "I16": 2, "U16": 2, "F16": 2, "BF16": 2}
TYPE_BYTES |= {"I32": 4, "U32": 4, "F32": 4, "I64": 8, "U64": 8, "F64": 8}
NUMBERS: dict[str, np.dtype[Any]] = {
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),
    "F64": np.dtype("<f8"),
}
METADATA = "__metadata__"


@dataclass(frozen=True)
class Tensor:
    """One entry of the header: `start` is its offset in the file."""

    dtype: str
    shape: tuple[int, ...]
    start: int


@dataclass(frozen=True)
class TensorFile:
    """The tensors of a file, by name, in its order; `content` are its bytes."""

    path: str
    tensors: Mapping[str, Tensor]
    content: mmap.mmap | bytes

    def floats(self, name: str) -> np.ndarray:
        """A tensor as float32 in its shape; a read-only view of the file if it is F32. Values beyond float32 become
        infinite. Raises InputError for one of another type than F32, F16, BF16 and F64."""
        tensor = self.tensors[name]
        if tensor.dtype not in NUMBERS:
            raise InputError(self.path, f"{quote(name)} is of the type {tensor.dtype}", "F32, F16, BF16 or F64")
        count, dtype = math.prod(tensor.shape), NUMBERS[tensor.dtype]
        values: np.ndarray = np.frombuffer(self.content, dtype, count, tensor.start) if count else np.empty(0, dtype)
        if tensor.dtype == "BF16":  # the upper half of a float32
            values = (values.astype(np.uint32) << 16).view(np.float32)
        with np.errstate(over="ignore"):
            floats = values.astype(np.float32, copy=False)
        try:
            return floats.reshape(tensor.shape)
        except ValueError:  # no values, in sizes beyond all bounds
            raise InputError(self.path, f"{quote(name)} has the shape {quote(str(tensor.shape), 100)}") from None


def is_safetensors(head: bytes) -> bool:
    """Whether a file that begins with these bytes is one: a size of four bytes at most, and JSON, without zeros, which
    the weights of a text net have there."""
    return head[4:9] == b"\0\0\0\0{" and b"\0" not in head[8:16]


def read_safetensors(path: str | os.PathLike[str]) -> TensorFile:
    """Open a file and check its header. Raises InputError."""
    path = os.fspath(path)
    with open_input(path) as file:
        head = file.read(HEAD)
        if not head:
            raise InputError(path, "is empty", A_TENSOR_FILE, CUT_SHORT)
        if not is_safetensors(head):
            refuse_others(path, head, A_TENSOR_FILE, A_TENSOR_FILE)
            raise InputError(path, f"begins with {head[:9].hex(' ')}", f"{A_TENSOR_FILE}: a size and {{")
        return parse_safetensors(path, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def parse_safetensors(path: str, content: mmap.mmap | bytes) -> TensorFile:
    """The same of a file that is mapped, or of its bytes; it begins like one."""
    size, length = len(content), int.from_bytes(content[:8], "little")
    if length > MOST_HEADER_BYTES:
        raise InputError(path, f"announces a header of {length} bytes", f"at most {MOST_HEADER_BYTES}")
    if 8 + length > size:
        raise InputError(path, f"announces a header of {length} bytes and has {size - 8}", hint=CUT_SHORT)
    header = _header(path, content[8 : 8 + length])
    tensors = {name: _tensor(path, name, entry, size - 8 - length) for name, entry in header.items()}
    end = 0
    for name, tensor in sorted(tensors.items(), key=lambda item: (item[1].start, math.prod(item[1].shape))):
        if tensor.start != end:
            found = f"{quote(name)} begins at byte {tensor.start} of the tensors"
            raise InputError(path, found, f"{end}, where the one before it ends: no gaps, and none twice")
        end += math.prod(tensor.shape) * TYPE_BYTES[tensor.dtype]
    if 8 + length + end != size:
        raise InputError(path, f"holds {size - 8 - length} bytes of tensors", f"{end}", CUT_SHORT)
    placed = {name: Tensor(each.dtype, each.shape, 8 + length + each.start) for name, each in tensors.items()}
    return TensorFile(path, placed, content)


def _header(path: str, text: bytes) -> dict[str, Any]:
    """The entries of the tensors."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in found if names.count(name) > 1)
            raise ValueError(f"has {quote(twice)} twice")
        return found

    try:
        header = json.loads(text.decode(), object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise InputError(path, f"has a damaged header: {quote(str(error), 100)[1:-1]}", hint=CUT_SHORT) from None
    header.pop(METADATA, None)
    return dict(header)


def _tensor(path: str, name: str, entry: Any, room: int) -> Tensor:
    """An entry of the header, checked; `start` is still counted from the first tensor. `room`: bytes of all tensors."""
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise InputError(path, f"{quote(name)} has another entry in the header", "dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in TYPE_BYTES:
        raise InputError(
            path, f"{quote(name)} is of the type {quote(str(dtype), 50)}", f"one of {', '.join(TYPE_BYTES)}"
        )
    if not _are_sizes(shape) or len(shape) > MOST_TENSOR_AXES:
        raise InputError(path, f"{quote(name)} has the shape {quote(str(shape), 100)}", "a list of sizes")
    if not _are_sizes(offsets) or len(offsets) != 2 or not offsets[0] <= offsets[1] <= room:
        found = f"{quote(name)} has the data_offsets {quote(str(offsets), 100)}"
        raise InputError(path, found, f"two within the {room} bytes of tensors", CUT_SHORT)
    if math.prod(shape) * TYPE_BYTES[dtype] != offsets[1] - offsets[0]:
        found = f"{quote(name)} has the shape {quote(str(shape), 100)} of {dtype} and {offsets[1] - offsets[0]} bytes"
        raise InputError(path, found, str(math.prod(shape) * TYPE_BYTES[dtype]))
    return Tensor(dtype, tuple(shape), offsets[0])


def _are_sizes(values: Any) -> bool:
    return isinstance(values, list) and all(type(value) is int and 0 <= value < 1 << 63 for value in values)
