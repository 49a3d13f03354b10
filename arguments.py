"""Checks of arguments: one that is taken and misused is worse than an error. All raise UsageError that names it."""

from __future__ import annotations

import operator
import os
from numbers import Number

from .errors import UsageError

LARGEST_SEED = 2**64 - 1  # seeds are half of a generator's 128-bit key
MOST_THREADS = 1024  # far more than pay off, and few enough to be started


def whole_number(name: str, value, low: int, high: int | None = None, *, hint: str = "") -> int:
    """`value` as an int in [low, high], Python's or NumPy's; neither a bool nor a float that happens to be whole."""
    try:
        number = None if type(value).__name__ in ("bool", "bool_") else operator.index(value)
    except TypeError:
        number = None
    if number is None or number < low or (high is not None and number > high):
        bounds = f"from {low}" if high is None else f"from {low} to {high}"
        raise UsageError(f"{name} is {_shown(value)}, expected a whole number {bounds}" + (f" ({hint})" if hint else ""))
    return number


def seed_number(seed) -> int:
    """A seed as an int: each whole number from 0 to 2**64 - 1 gives other random numbers."""
    return whole_number("seed", seed, 0, LARGEST_SEED)


def flag(name: str, value) -> bool:
    """`value`, which is True or False, Python's or NumPy's: the text "no" would count as true."""
    if type(value).__name__ not in ("bool", "bool_"):
        raise UsageError(f"{name} is {_shown(value)}, expected True or False")
    return bool(value)


def function(name: str, value):
    """`value`, which is None or can be called."""
    if value is not None and not callable(value):
        raise UsageError(f"{name} is {_shown(value)}, expected a function")
    return value


def file_name(path) -> str:
    """The name of a file as text. A number would be taken for a file that is open already."""
    if not isinstance(path, (str, os.PathLike)) or not isinstance(os.fspath(path), str):
        raise UsageError(f"the path is {_shown(path)}, expected the name of a file")
    return os.fspath(path)


def instance(name: str, value, kind: type, hint: str = ""):
    """`value`, which is a `kind`."""
    if not isinstance(value, kind):
        raise UsageError(f"{name} is {_shown(value)}, expected a {kind.__name__}" + (f" ({hint})" if hint else ""))
    return value


def _shown(value) -> str:
    """A value for a message: a number or a short text itself, of all else the type."""
    plain = value is None or isinstance(value, (Number, str, os.PathLike))
    return repr(value)[:80] if plain else f"of the type {type(value).__name__}"
