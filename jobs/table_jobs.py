"""Jobs whose rows are those of a table: their fields, and what each trains and validates with.

    table                 CSV, TSV or Parquet, in place of x and y
    target                the name of a column to learn, of several with commas between, or a list
    features, drop        names in the same form: the columns to learn from, or to leave out
    impute, scale         as for `Table`; "none": not
    val_table             another table to validate with; or
    validation            a share of the rows, the same ones for every seed, as by `caffe64 train`; or folds

What is fitted to the columns is fitted to the rows that train, in each job anew.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..api import Net, parse_net
from ..errors import FileMissing, InputError, UsageError
from ..tables.columns_fit import IMPUTE, SCALE, split_names
from ..tables.table import Table
from .data import fold_rows
from .fields import WrongField, file_field, plain_value

NAMES = ("target", "features", "drop")
TABLE_FIELDS = ("table", *NAMES, "impute", "scale", "val_table", "validation")
PAIR_FIELDS = ("x", "y", "val_x", "val_y")  # of a job without a table
OF_PARTS = ("table", *NAMES, "impute", "scale", "val_table", "validation", "rows", "folds", "fold")
KEPT_TABLES = 2  # in each process, and as many of their parts: jobs of other seeds use the same


class SplitTable(NamedTuple):
    """`train`, and `held_out` to validate with, None without. Their arrays are kept, and not to be written."""

    train: Table
    held_out: Table | None


def checked_table(job: Mapping[str, Any], folder: str | os.PathLike[str]) -> dict[str, Any]:
    """The fields of the table of a job, with whole paths. Raises WrongField, InputError."""
    if other := next((name for name in PAIR_FIELDS if name in job), None):
        raise WrongField(other, f"{other} and table exclude each other: a table holds inputs and targets")
    if "target" not in job:
        raise WrongField("", "there is no 'target', the column of the table to learn")
    if "val_table" in job and "validation" in job:
        raise WrongField("validation", "validation and val_table exclude each other: both say which rows validate")
    found: dict[str, Any] = {"table": file_field("table", job["table"], folder)}
    found |= {name: _names(name, plain_value(job[name])) for name in NAMES if name in job}
    for name, known in (("impute", IMPUTE), ("scale", SCALE)):
        if job.get(name, "none") != "none":
            if job[name] not in known:
                raise WrongField(name, f"{name} is {job[name]!r}"[:100] + f", expected {', '.join(known)} or none")
            found[name] = job[name]
    if "val_table" in job:
        found["val_table"] = file_field("val_table", job["val_table"], folder)
    if "validation" in job:
        share = plain_value(job["validation"])
        if not isinstance(share, float) or not 0 < share < 1:
            raise WrongField("validation", f"validation is {share!r}"[:100] + ", expected a share between 0 and 1")
        found["validation"] = share
    return found


def _names(name: str, value: Any) -> list[str]:
    """Of columns. Raises WrongField."""
    found = split_names([value]) if isinstance(value, str) else value
    if not isinstance(found, list) or not found or not all(isinstance(each, str) and each for each in found):
        raise WrongField(name, f"{name} is {value!r}"[:100] + ", expected names of columns")
    return found


def check_rows(job: Mapping[str, Any]) -> None:
    """Read the table of a checked job, and fit it, as the job will; of folds only the table as a whole. Raises
    WrongField, and InputError for what is wrong with the table, or with the net for it."""
    whole = {name: value for name, value in job.items() if name not in ("folds", "fold")}
    try:
        parts = parts_of(whole)
        for part in parts:
            if part is not None:
                part.X, part.Y  # noqa: B018
    except UsageError as error:
        raise WrongField("table", str(error)) from None
    if "folds" in job:
        _check_folds(job, len(parts.train))
    try:
        parts.train.net(job["net"])
    except InputError as error:
        hint = f" ({error.hint})" if error.hint else ""
        raise WrongField("net", f"{error.found}, expected {error.expected}{hint}") from None


def parts_of(job: Mapping[str, Any]) -> SplitTable:
    """The rows of a checked job. Raises InputError, UsageError."""
    fields = {name: tuple(job[name]) if name in NAMES else job[name] for name in OF_PARTS if name in job}
    if "folds" in job:
        fields["seed"] = job["seed"]
    states = tuple(_state(job[name]) for name in ("table", "val_table") if name in job)
    return _kept_parts(tuple(fields.items()), _loss(job["net"]), states)


def sized_net(text: str, features: int = 1, outputs: int = 2) -> Net:
    """The net of a checked job, with these numbers for `?`; its kernels do not depend on them."""
    return Net(parse_net(text, features=features, outputs=outputs))


def _loss(net: str) -> str:
    loss = sized_net(net).spec.loss
    assert loss is not None, "jobs are checked"
    return loss


def _state(path: str) -> tuple[int, int, int]:
    """What changes with the file. Raises FileMissing."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        raise FileMissing(path) from None
    except OSError as error:
        raise InputError(path, f"cannot be read: {error.strerror}") from None
    return status.st_mtime_ns, status.st_size, status.st_ino


@functools.lru_cache(KEPT_TABLES)
def _kept_table(path: str, loss: str, options: tuple[tuple[str, Any], ...], state: tuple[int, int, int]) -> Table:
    return Table(path, loss=loss, **dict(options))


@functools.lru_cache(KEPT_TABLES)
def _kept_parts(fields: tuple[tuple[str, Any], ...], loss: str, states: tuple[tuple[int, int, int], ...]) -> SplitTable:
    job = dict(fields)
    options = tuple((name, job[name]) for name in (*NAMES, "impute", "scale") if name in job)
    table = _kept_table(job["table"], loss, options, states[0])
    if "rows" in job:
        table = table.head(job["rows"])
    if "val_table" in job:
        return SplitTable(table, table.like(job["val_table"]))
    if "validation" in job:
        return SplitTable(*table.split(job["validation"]))
    if "folds" not in job:
        return SplitTable(table, None)
    _check_folds(job, len(table))
    return SplitTable(*table.parts(*fold_rows(len(table), job["folds"], job["fold"], job["seed"])))


def _check_folds(job: Mapping[str, Any], rows: int) -> None:
    if rows < job["folds"]:
        raise InputError(job["table"], f"has {rows} rows", f"at least {job['folds']}, one for each fold")
