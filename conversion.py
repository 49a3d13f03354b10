"""Any container of numbers -> a NumPy array of numbers.

Lists, arrays, data frames, tensors and masked arrays come in; none of their libraries is imported: their
interfaces are used. Numbers of any kind are taken (a bool, a nullable integer, a Decimal, a bfloat16); a text, a
missing value or a date is refused with its row and column.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from decimal import Decimal
from numbers import Real
from typing import Any, Protocol

import numpy as np

from .errors import UsageError


class HasArray(Protocol):
    """An array, a tensor, a data frame or a series: whatever NumPy converts."""

    def __array__(self) -> np.ndarray: ...


_Number = float | Decimal | HasArray
# What `as_numbers` takes, for annotations; a text is not one, although it is a sequence.
ArrayLike = (
    HasArray
    | Sequence[_Number]
    | Sequence[Sequence[_Number]]
    | Sequence[Sequence[Sequence[_Number]]]
    | Sequence[Sequence[Sequence[Sequence[_Number]]]]
)

NUMBERS = (Real, Decimal, np.bool_)
HINTS_BY_KIND = {  # of a NumPy type that is not a number
    "U": "make it numbers: X.astype(float), or a number for each word",
    "M": "make it numbers: such as the days since a first day",
    "m": "make it numbers: X / numpy.timedelta64(1, 'D')",
    "c": "take its real and imaginary parts as two columns",
}
HINTS_BY_TYPE = {  # of an element that is not a number
    "str": "columns of words become numbers by pandas.get_dummies or .cat.codes",
    "NoneType": "fill missing values in, or leave these rows out",
    "NAType": "fill missing values in (.fillna), or leave these rows out (.dropna)",
    "NaTType": "fill missing values in, or leave these rows out",
    "Timestamp": "make it a number, such as the days since a first day",
}


def as_numbers(array: Any, name: str) -> np.ndarray:
    """`array` as a NumPy array whose type converts to float32; itself where it is one.

    Raises UsageError that names the argument, the position of the wrong value, and what to do.
    """
    if type(array) is np.ndarray and array.dtype.kind in "biuf":
        return array  # at once: predictions of a single row take microseconds
    if hasattr(array, "toarray"):
        hint = f"{name}.toarray(), or caffe64.OneHot for symbols"
        raise UsageError(f"{name} is sparse ({type(array).__name__}), expected a dense array ({hint})")
    found = _converted(array, name)
    if np.ma.is_masked(array):
        row, *column = np.argwhere(np.ma.getmaskarray(array))[0].tolist()
        raise UsageError(f"{name}: {_position(array, row, column)} is masked, expected a number ({name}.filled(value))")
    if found.dtype.kind == "V" and found.dtype.names is None and found.dtype.type is not np.void:
        found = found.astype(np.float32)  # a type that a library added, such as bfloat16
    if found.dtype.kind == "O":
        found = _from_objects(array, found, name)
    if found.dtype.kind not in "biuf":
        hint = HINTS_BY_KIND.get(found.dtype.kind, "")
        raise UsageError(f"{name} has the type {found.dtype}, expected numbers" + (f" ({hint})" if hint else ""))
    return found


def column_label(array: Any, column: int) -> object:
    """What a data frame calls its column of this number; None without such names."""
    labels = getattr(array, "columns", None)
    return None if labels is None or column >= len(labels) else list(labels)[column]


def _converted(array: Any, name: str) -> np.ndarray:
    """`array` as NumPy converts it, or a tensor that NumPy cannot read by itself."""
    try:
        if _is_frame_of_numbers(array):  # of several types NumPy would make objects
            with np.errstate(over="ignore"):
                return np.asarray(array, np.float32)
        return np.asarray(array)
    except (TypeError, ValueError, RuntimeError) as error:
        if hasattr(array, "detach"):
            return _from_tensor(array, name, error)
        found = _ragged(array, name) or f"{name} ({type(array).__name__}) cannot be read as an array: {error}"
        raise UsageError(found) from None


def _is_frame_of_numbers(array: Any) -> bool:
    if not (hasattr(array, "columns") and hasattr(array, "dtypes")):
        return False
    return all(isinstance(kind, np.dtype) and kind.kind in "biuf" for kind in array.dtypes)


def _from_tensor(tensor: Any, name: str, error: Exception) -> np.ndarray:
    """A tensor with a gradient, of bfloat16, or on another device, which torch converts to NumPy only in these
    steps."""
    try:
        if not tensor.is_complex():
            return np.asarray(tensor.detach().cpu().float().numpy())
    except (AttributeError, TypeError, RuntimeError) as other:
        error = other
    raise UsageError(f"{name} ({type(tensor).__name__}) cannot be read as an array: {error}") from None


def _ragged(rows: Any, name: str) -> str:
    """The message for rows of different lengths; "" for others."""
    if not isinstance(rows, (list, tuple)):
        return ""
    lengths = [len(row) if hasattr(row, "__len__") and getattr(row, "ndim", True) else 1 for row in rows]
    other = next((row for row, length in enumerate(lengths) if length != lengths[0]), None)
    if other is None:
        return ""
    return f"{name}: row {other + 1} holds {lengths[other]} values and row 1 {lengths[0]}, expected rows of one length"


def _from_objects(array: Any, found: np.ndarray, name: str) -> np.ndarray:
    """An array of Python objects that are numbers as float64."""
    if found.ndim == 0:
        hint = " (caffe64.read_matrix reads a file)" if isinstance(array, (str, os.PathLike)) else ""
        raise UsageError(f"{name} is a {type(array).__name__}, expected an array of numbers{hint}")
    wrong = {kind for kind in set(map(type, found.flat)) if not issubclass(kind, NUMBERS)}
    if not wrong:
        return _from_numbers(found, name)
    index = next(position for position, value in np.ndenumerate(found) if type(value) in wrong)
    value, hint = found[index], HINTS_BY_TYPE.get(type(found[index]).__name__, "")
    shown = repr(value) if len(repr(value)) < 60 else type(value).__name__
    where = _position(array, index[0], index[1:])
    raise UsageError(f"{name}: {where} holds {shown}, expected a number" + (f" ({hint})" if hint else ""))


def _from_numbers(found: np.ndarray, name: str) -> np.ndarray:
    try:
        return found.astype(np.float64)
    except OverflowError:
        raise UsageError(f"{name} holds a whole number that is too large for float32") from None


def _position(array: Any, row: int, column: Sequence[int]) -> str:
    if not len(column):
        return f"row {row + 1}"
    label = column_label(array, column[0])
    return f"row {row + 1}, column {column[0] + 1}" + ("" if label is None else f" ({label!r})")
