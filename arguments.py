"""Checks of arguments: one that is taken and misused is worse than an error. All raise UsageError that names it."""

from __future__ import annotations

import operator
import os
from collections.abc import Mapping, Sequence
from numbers import Number, Real
from typing import Any, TypeVar

from .errors import UsageError

LARGEST_SEED = 2**64 - 1  # seeds are half of a generator's 128-bit key
TOLERANCE = 1e-4  # of two results, relative to the scale of their channel
FLOOR = 1e-7  # and absolute: one unit in the last place of 1, by which even small probabilities may differ
RUNTIME_FLOOR = 1e-6  # beside onnxruntime, whose Sigmoid is off by up to 1.7e-7 however small its result is
LARGEST_FLOAT = 3.4028234663852886e38  # of float32
SMALLEST_FLOAT = 2.0**-149  # of float32 above 0
MOST_THREADS = 1024  # far more than pay off, and few enough to be started

F = TypeVar("F")
T = TypeVar("T")


def whole_number(name: str, value: Any, least: int, most: int | None = None, *, hint: str = "") -> int:
    """`value` as an int in [least, most], Python's or NumPy's; neither a bool nor a float that happens to be whole."""
    try:
        number = None if _is_bool(value) else operator.index(value)
    except TypeError:
        number = None
    if number is None or number < least or (most is not None and number > most):
        raise _wrong(name, value, f"a whole number from {least}" + ("" if most is None else f" to {most}"), hint)
    return number


def seed_number(seed: Any) -> int:
    """A seed as an int: each whole number from 0 to 2**64 - 1 gives other random numbers."""
    return whole_number("seed", seed, 0, LARGEST_SEED)


def not_negative(name: str, value: Any) -> float:
    """`value` as a float that is 0 or more, and may be inf; Python's or NumPy's, but not a bool."""
    plain = isinstance(value, Number) and not _is_bool(value) and not isinstance(value, complex)
    if not plain or not value >= 0:  # also where it is NaN
        raise _wrong(name, value, "a number from 0")
    return float(value)


def finite_number(name: str, value: Any, *, factor: bool = False) -> float:
    """`value` as a float that is finite as float32, and not 0 if it is a `factor`; neither a bool nor complex."""
    try:
        number = None if _is_bool(value) or not isinstance(value, Real) else float(value)
    except OverflowError:
        number = None
    if number is None or not abs(number) <= LARGEST_FLOAT or (factor and abs(number) < SMALLEST_FLOAT):
        raise _wrong(name, value, f"a number{' other than 0' if factor else ''}, finite as float32")
    return number


def per_channel(name: str, value: Any, *, factor: bool = False) -> tuple[float, ...]:
    """One number, or a list or an array [C] of one per channel: as floats, none of them 0 if they are `factor`s. Other
    than factors, none at all may be given: ()."""
    kind = "number other than 0" if factor else "number"
    shape = getattr(value, "shape", None)  # NumPy's, a tensor's, a series'
    if shape is not None and len(shape) > 1:
        hint = f" (of a picture, the mean of each channel, {name}.mean(axis=(1, 2)) for [C, H, W])"
        found = f"{name} has the shape {tuple(shape)}"
        raise UsageError(f"{found}, expected one {kind}, or one per channel{'' if factor else hint}")
    if shape is not None and hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Number):
        return (finite_number(name, value, factor=factor),)
    if not _is_list(value):
        raise _wrong(name, value, f"one {kind}, or a list of one per channel")
    if factor and not value:
        raise UsageError(f"{name} is empty, expected one {kind}, or one per channel")
    return tuple(finite_number(f"{name}[{index}]", each, factor=factor) for index, each in enumerate(value))


def sizes(name: str, value: Any, least: int = 1, number: int | None = None) -> tuple[int, ...]:
    """A list or an array of whole numbers of at least `least`, as ints; `number` of them, if given."""
    expected = f"{'' if number is None else f'{number} '}whole numbers from {least}"
    given = value.tolist() if hasattr(value, "tolist") else value
    if not _is_list(given):
        raise _wrong(name, value, f"a list of {expected}")
    try:
        found = tuple(whole_number(name, each, least) for each in given)
    except UsageError:
        found = None
    if found is None or number not in (None, len(found)):
        raise UsageError(f"{name} is {str(list(given))[:80]}, expected {expected}")
    return found


def names(name: str, value: Any, what: str, *, least: int = 0) -> tuple[str, ...]:
    """A list of texts, such as "names of blobs". A single text is refused: it would count as the list of its
    letters."""
    if not _is_list(value) and not isinstance(value, (set, frozenset)):
        raise _wrong(name, value, f"a list of {what}")
    if wrong := [each for each in value if not isinstance(each, str)]:
        raise _wrong(f"one of {name}", wrong[0], what)
    if len(value) < least:
        raise UsageError(f"{name} is empty, expected {what}")
    return tuple(value)


def by_name(name: str, value: Any, what: str) -> Mapping[str, Any]:
    """`value`, which is a dict by texts: `what` describes the values and the keys, such as "arrays by the names of
    inputs"."""
    if not isinstance(value, Mapping):
        raise _wrong(name, value, f"a dict of {what}")
    if wrong := [key for key in value if not isinstance(key, str)]:
        raise _wrong(f"a key of {name}", wrong[0], f"a text, in a dict of {what}")
    return value


def flag(name: str, value: Any) -> bool:
    """`value`, which is True or False, Python's or NumPy's: the text "no" would count as true."""
    if not _is_bool(value):
        raise _wrong(name, value, "True or False")
    return bool(value)


def function(name: str, value: F) -> F:
    """`value`, which is None or can be called."""
    if value is not None and not callable(value):
        raise _wrong(name, value, "a function")
    return value


def file_name(path: Any) -> str:
    """The name of a file as text. A number would be taken for the descriptor of an open file."""
    if not isinstance(path, (str, os.PathLike)) or not isinstance(os.fspath(path), str):
        raise _wrong("the path", path, "the name of a file")
    return os.fspath(path)


def file_or_content(source: Any) -> str | bytes:
    """The name of a file as text, or the contents of one as bytes."""
    return bytes(source) if isinstance(source, bytes | bytearray | memoryview) else file_name(source)


def instance(name: str, value: Any, kind: type[T] | tuple[type[T], ...], expected: str) -> T:
    """`value`, which is a `kind`; `expected` calls that by its public name."""
    if not isinstance(value, kind):
        raise _wrong(name, value, expected)
    return value


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool) or type(value).__name__ in ("bool", "bool_")  # NumPy's, which may not be imported


def _wrong(name: str, value: Any, expected: str, hint: str = "") -> UsageError:
    """A number or a short text is shown; of any other value, its type."""
    plain = value is None or isinstance(value, (Number, str, os.PathLike))
    found = repr(value)[:80] if plain else f"of the type {type(value).__name__}"
    return UsageError(f"{name} is {found}, expected {expected}" + (f" ({hint})" if hint else ""))
