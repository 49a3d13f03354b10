"""The columns that a net takes, and X, its inputs.   columns.py -> [features] -> input_rows

A table of numbers alone is cut, and scaled in place; of others, all threads fill rows of X.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..engine.team.pool import run_together
from ..engine.team.threads import usable_threads
from ..errors import InputError
from ..wording import near_miss
from .input_rows import (
    INPUT_FLOATS,
    INPUT_TEXT,
    NO_INPUT,
    REFUSED,
    SCALE_WORDS,
    SOURCE_WORDS,
    fill_input_rows,
)
from .raw import BOOLEAN, CATEGORY, CHUNK, NUMBER, RawColumn, RawTable

SHOWN_VALUES = 8  # in a message
THREAD_VALUES = 1 << 16  # inputs that pay for waking a thread


@dataclass(frozen=True)
class Feature:
    """A column that the net takes. `values` are those of a category, in the order of their slots; `fill` stands for a
    missing value, None: there may be none. `shift` and `factor` are finite float32."""

    name: str
    kind: str
    values: tuple[str, ...] = ()
    fill: float | str | None = None
    shift: float = 0.0
    factor: float = 1.0

    @property
    def slots(self) -> int:
        return len(self.values) if self.kind == CATEGORY else 1


def make_inputs(
    raw: RawTable, features: Sequence[Feature], *, ignore_unknown: bool, in_place: bool = False
) -> np.ndarray:
    """X of `TableColumns.inputs`, for columns that the table has."""
    for feature in features:
        _check_kind(raw, feature)
    if raw.matrix is None:
        return _filled(raw, features, ignore_unknown=ignore_unknown)
    X = raw.numbers([feature.name for feature in features], in_place=in_place)
    if any(feature.shift != 0 or feature.factor != 1 for feature in features):
        for start in range(0, len(X), CHUNK):
            part = X[start : start + CHUNK]
            part -= np.array([feature.shift for feature in features], np.float32)
            part *= np.array([feature.factor for feature in features], np.float32)
    return X


def unknown_value(raw: RawTable, column: RawColumn, row: int, known: list[str], what: str) -> InputError:
    """About a value that is none of the `known` ones of the training: a "label" or a "category"."""
    value = column.values[row]
    found = column.words[value] if column.kind == CATEGORY else f"{value:g}"
    shown = ", ".join(map(repr, known[:SHOWN_VALUES]))
    shown += f" and {len(known) - SHOWN_VALUES} more" if len(known) > SHOWN_VALUES else ""
    hint = near_miss(found, known)
    if not hint and what == "category":
        hint = "--ignore-unknown, in Python ignore_unknown=True, gives an unknown category 0 in all its inputs"
    return raw.error(row, column.name, f"found the {what} {found!r}", f"one of those of the training: {shown}", hint)


def first_word(column: RawColumn) -> tuple[int, str]:
    """The first row of a category that is not missing, and its text."""
    row = int(np.argmax(column.values >= 0))
    return row, column.words[column.values[row]] if column.values[row] >= 0 else ""


def _check_kind(raw: RawTable, feature: Feature) -> None:
    column = raw.column(feature.name)
    if feature.kind == CATEGORY:
        if column.kind != CATEGORY and not np.isnan(column.values).all():
            row = int(np.argmax(~np.isnan(column.values)))
            raise raw.error(row, feature.name, f"found {column.values[row]:g}", "a text, as in the training")
    elif column.kind == CATEGORY:
        row, found = first_word(column)
        raise raw.error(row, feature.name, f"found {found!r}", f"a {feature.kind}, as in the training")
    elif feature.kind == BOOLEAN and column.kind == NUMBER:
        wrong = np.flatnonzero(~np.isin(column.values, (0, 1)) & ~np.isnan(column.values))
        if len(wrong):
            row = int(wrong[0])
            raise raw.error(row, feature.name, f"found {column.values[row]:g}", "true or false, or 1 or 0")


def _filled(raw: RawTable, features: Sequence[Feature], *, ignore_unknown: bool) -> np.ndarray:
    rows, size, slot = raw.rows, sum(feature.slots for feature in features), 0
    threads = max(1, min(usable_threads(), rows * size // THREAD_VALUES))
    sources, places = np.empty((len(features), SOURCE_WORDS), np.int64), list[int]()
    scales = np.empty((len(features), SCALE_WORDS), np.float32)
    columns = [_source(raw.column(feature.name), feature) for feature in features]
    for number, (feature, column) in enumerate(zip(features, columns, strict=True)):
        kind = INPUT_TEXT if feature.kind == CATEGORY else INPUT_FLOATS[column.values.dtype.name]
        sources[number] = column.values.ctypes.data, kind, slot, len(column.words), len(places)
        if feature.kind == CATEGORY:
            places += _places(column, feature, ignore_unknown=ignore_unknown)
        else:
            scales[number] = feature.shift, feature.factor, np.nan if feature.fill is None else feature.fill
        slot += feature.slots
    X = np.empty((rows, size), np.float32)
    refused: list[int] = []

    def fill(kept: Sequence[RawColumn], start: int, stop: int) -> None:  # kept, as `sources` has their addresses
        found = fill_input_rows.run(
            sources.reshape(-1), scales.reshape(-1), np.array(places, np.int64), size, start, stop, X.reshape(-1)
        )
        if found >= 0:
            refused.append(found)

    ends = [rows * k // threads for k in range(threads + 1)]
    run_together([functools.partial(fill, columns, *each) for each in itertools.pairwise(ends)])
    if refused:
        row, number = divmod(min(refused), len(features))
        raise _refused(raw, features[number], columns[number], row)
    return X


def _source(column: RawColumn, feature: Feature) -> RawColumn:
    """The column with `values` as the kernel takes them."""
    values = column.values
    if feature.kind != CATEGORY:
        values = np.ascontiguousarray(values, values.dtype if values.dtype.name in INPUT_FLOATS else np.float64)
    elif column.kind != CATEGORY:  # all of them are missing
        return RawColumn(column.name, CATEGORY, np.full(len(values), -1, np.int32))
    return replace(column, values=np.ascontiguousarray(values))


def _places(column: RawColumn, feature: Feature, *, ignore_unknown: bool) -> list[int]:
    """The `places` of each of the column's words, and of a missing one."""
    slots = {value: slot for slot, value in enumerate(feature.values)}
    unknown = NO_INPUT if ignore_unknown else REFUSED
    missing = REFUSED if feature.fill is None else slots[str(feature.fill)]
    return [*(slots.get(word, unknown) for word in column.words), missing]


def _refused(raw: RawTable, feature: Feature, column: RawColumn, row: int) -> InputError:
    value = column.values[row]
    if feature.kind == CATEGORY and value >= 0:
        return unknown_value(raw, column, row, list(feature.values), "category")
    if feature.kind != CATEGORY and not np.isnan(value):
        return raw.too_large(row, feature.name)
    training = "--impute mean or median in the training, in Python impute='mean' or 'median',"
    hint = f"{training} fills such values in; or leave these rows out"
    return raw.error(row, feature.name, "the value is missing", "", hint)
