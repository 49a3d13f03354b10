"""A grid, a TOML file whose product of values is a list of jobs.

    net = ["nets/small.txt", "inp 64 20 / lin 30 -1 / rel / lin 10 -1 / sce"]
    x = "X.npy"                    names count from the folder of the grid
    y = "Y.npy"                    or a table: table = "people.csv", target = "wish"
    folds = 5                      all five, unless there is a `fold`
    seed = [0, 1, 2]
    epochs = 20
    rate = [0.01, 0.03]            each list is swept; a value that is a list itself is a list within one

The first field varies slowest, folds vary fastest. Of two equal jobs one is left out.
"""

from __future__ import annotations

import itertools
import math
import os
import re
import tomllib
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..formats.files import open_input
from .checking import Job, checked_job
from .fields import WrongField
from .records import job_hash

MOST_BYTES = 1 << 20  # of a file
MOST_JOBS = 100_000
PLACE = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)$")


def read_grid(path: str | os.PathLike[str]) -> list[Job]:
    """The checked jobs of a grid. Raises InputError with the line, FileMissing for files that it names."""
    text = _read(path)
    values = {name: value if isinstance(value, list) else [value] for name, value in _parse(path, text).items()}
    for name, each in values.items():
        if not each:
            raise _error(path, text, name, f"{name} is an empty list", "one value or more")
    folds = values.get("folds", [])
    all_folds = "fold" not in values and all(map(_is_count, folds))
    number = math.prod(map(len, values.values())) * max(folds if all_folds else (), default=1)
    if number > MOST_JOBS:
        raise InputError(path, f"makes {number:,} jobs", f"at most {MOST_JOBS:,}", "several grids can have one file -o")
    found: dict[str, Job] = {}
    for chosen in itertools.product(*values.values()):
        for job in _with_folds(dict(zip(values, chosen, strict=True))):
            try:
                checked = checked_job(job, Path(path).resolve().parent)
            except WrongField as error:
                raise _error(path, text, error.field, str(error)) from None
            found.setdefault(job_hash(checked), checked)
    return list(found.values())


def has_table(path: str | os.PathLike[str]) -> bool:
    """Whether the jobs of a grid read a table, which `read_grid` then reads as well. Raises InputError."""
    return "table" in _parse(path, _read(path))


def _with_folds(job: Job) -> list[Job]:
    """A job for each fold, where the number of folds alone is given."""
    if "folds" not in job or "fold" in job or not _is_count(job["folds"]):
        return [job]
    return [job | {"fold": fold} for fold in range(job["folds"])]


def _is_count(folds: Any) -> bool:
    return isinstance(folds, int) and not isinstance(folds, bool) and 2 <= folds <= MOST_JOBS


def _read(path: str | os.PathLike[str]) -> str:
    with open_input(path) as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise InputError(path, f"is larger than {MOST_BYTES >> 20} MiB", "a grid of jobs in TOML")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(path, "is not UTF-8", "a grid of jobs in TOML", line=line) from None


def _parse(path: str | os.PathLike[str], text: str) -> dict[str, Any]:
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = PLACE.search(str(error))
        line, column = (int(place[1]), int(place[2])) if place and place[1] else (text.count("\n") + 1, None)
        found = PLACE.sub("", str(error))
        raise InputError(path, found[:1].lower() + found[1:], "TOML", line=line, column=column) from None
    except RecursionError:
        raise InputError(path, "is nested too deeply", "TOML") from None
    for name, value in values.items():
        if isinstance(value, dict):
            raise _error(path, text, name, f"{name} is a table", "values by name, without tables")
    if not values:
        raise InputError(path, "is empty", "values by name, such as rate = [0.01, 0.1]")
    return values


def _error(path: str | os.PathLike[str], text: str, name: str, found: str, expected: str = "") -> InputError:
    """With the line on which `name` gets its values."""
    quoted = rf"[ \t]*\[?[\"']?{re.escape(name)}[\"']?\s*[=.\]]"
    lines = [number for number, line in enumerate(text.splitlines(), 1) if name and re.match(quoted, line)]
    return InputError(path, found, expected, line=lines[0] if lines else None)
