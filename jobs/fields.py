"""Fields of jobs, checked one by one."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from ..arguments import seed_number, whole_number
from ..errors import FileMissing, InputError, UsageError


class WrongField(UsageError):
    """A field of a job is wrong: `field` says which, "" if one is missing."""

    def __init__(self, field: str, message: str):
        self.field = field
        super().__init__(message)


def plain_value(value: Any) -> Any:
    """NumPy's numbers as Python's, tuples as lists: what JSON gives back."""
    if isinstance(value, np.generic):
        return value.item()
    return [plain_value(each) for each in value] if isinstance(value, (list, tuple)) else value


def text_field(name: str, value: Any) -> str:
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if not isinstance(value, str) or not value.strip():
        raise WrongField(name, f"{name} is {value!r}"[:100] + ", expected a text")
    return value


def file_field(name: str, value: Any, folder: str | os.PathLike[str]) -> str:
    """The whole path of a file that is there, and that each job can read anew."""
    path = os.path.abspath(os.path.join(folder, text_field(name, value)))
    if not os.path.exists(path):
        raise FileMissing(path)
    if not os.path.isfile(path):
        raise InputError(path, f"is {'a directory' if os.path.isdir(path) else 'no regular file'}", "a file")
    return path


def whole_field(name: str, value: Any, least: int, most: int | None = None) -> int:
    try:
        return whole_number(name, value, least, most)
    except UsageError as error:
        raise WrongField(name, str(error)) from None


def seed_field(value: Any) -> int:
    try:
        return seed_number(value)
    except UsageError as error:
        raise WrongField("seed", str(error)) from None
