"""Tensors of an ONNX file -> arrays, whose sizes are checked before anything is made."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...errors import InputError
from ..content import CUT_SHORT
from .external import ExternalData

MOST_DIMS = 16
LONGEST_AXIS = 1 << 31
TYPED_FIELDS = {  # of types whose numbers may lie elsewhere than in raw_data; the smaller ones are widened there
    "float32": "float_data",
    "float64": "double_data",
    "int64": "int64_data",
    "uint64": "uint64_data",
    "uint32": "uint64_data",
}


def type_word(data_type: int) -> str:
    """ONNX's word for an element type: "float", "int64"."""
    from onnx import TensorProto

    try:
        return str(TensorProto.DataType.Name(data_type)).lower()
    except ValueError:
        return f"number {data_type}"


def numpy_type(data_type: int) -> np.dtype[Any] | None:
    """The type of an array of these elements; None for types without numbers, and those that numpy lacks."""
    from onnx import helper

    try:
        found = np.dtype(helper.tensor_dtype_to_np_dtype(data_type))
    except (KeyError, TypeError, ValueError):
        return None
    return found if found.kind in "biuf" and "float8" not in found.name and found.isbuiltin == 1 else None


class Tensors:
    """Reads the tensors of one model. `widened` is whether some were float16, which become float32."""

    def __init__(self, path: str, folder: str | None):
        self.path, self.external, self.widened = path, ExternalData(path, folder), False

    def read(self, tensor: Any, what: str) -> np.ndarray:
        """A read-only array. `what` names the tensor in messages. Raises InputError."""
        values = _read(self.path, tensor, what, self.external)
        if values.dtype == np.float16:
            values, self.widened = values.astype(np.float32), True
        values.flags.writeable = False
        return values


def _read(path: str, tensor: Any, what: str, external: ExternalData) -> np.ndarray:
    dtype = numpy_type(tensor.data_type)
    if dtype is None:
        raise InputError(path, f"{what} is of type {type_word(tensor.data_type)}", "float32 or whole numbers")
    shape = tuple(tensor.dims)
    check_shape(path, what, shape)
    if tensor.HasField("segment"):
        raise InputError(path, f"{what} is one of several segments", "a whole tensor")
    if tensor.data_location == tensor.EXTERNAL:
        values = external.read(tensor, what, dtype, math.prod(shape) * dtype.itemsize)
    elif tensor.HasField("raw_data"):
        _check_bytes(path, what, shape, len(tensor.raw_data), math.prod(shape) * dtype.itemsize)
        values = np.frombuffer(tensor.raw_data, dtype.newbyteorder("<")).astype(dtype, copy=False)
    else:
        values = _typed_values(path, tensor, what, dtype, shape)
    return values.reshape(shape)


def check_shape(path: str, what: str, shape: tuple[int, ...]) -> None:
    """Raises InputError for dimensions that no array has."""
    if len(shape) > MOST_DIMS or not all(0 <= size <= LONGEST_AXIS for size in shape):
        raise InputError(
            path, f"{what} has dims {_short(shape)}", f"at most {MOST_DIMS}, from 0 to {LONGEST_AXIS} each"
        )


def _short(shape: tuple[int, ...]) -> str:
    return (
        str(list(shape)) if len(shape) <= MOST_DIMS else f"[{', '.join(map(str, shape[:4]))}, ...], {len(shape)} dims"
    )


def _typed_values(path: str, tensor: Any, what: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> np.ndarray:
    numbers = getattr(tensor, TYPED_FIELDS.get(dtype.name, "int32_data"))
    _check_bytes(path, what, shape, len(numbers) * dtype.itemsize, math.prod(shape) * dtype.itemsize)
    if dtype == np.float16:  # the bits, in int32_data
        return np.array(numbers, np.int64).astype(np.uint16).view(np.float16)
    wide = dtype.kind in "iub" and dtype.name not in TYPED_FIELDS
    return np.array(numbers, np.int64).astype(dtype) if wide else np.array(numbers, dtype)


def _check_bytes(path: str, what: str, shape: tuple[int, ...], found: int, expected: int) -> None:
    if found != expected:
        raise InputError(path, f"{what} has dims {list(shape)} and {found} bytes", str(expected), CUT_SHORT)
