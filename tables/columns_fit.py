"""Fits `TableColumns` to training rows: categories, values for missing ones, means and scales, labels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from ..arguments import LARGEST_FLOAT
from ..errors import InputError, UsageError
from ..wording import counted
from .columns import Label, TableColumns, TargetColumn, missing_target, numeric_target
from .features import Feature
from .raw import BOOLEAN, CATEGORY, NUMBER, RawColumn, RawTable, leave_out

IMPUTE, SCALE = ("mean", "median"), ("standard", "minmax")
MOST_CATEGORIES = 1000  # of one column
FEW_ROWS = 20  # of which all may differ
LABELLED = ("sce",)  # losses whose target is a label; those of the others are numbers


def choose_features(
    raw: RawTable,
    targets: Sequence[str],
    features: Sequence[str] | None,
    drop: Sequence[str],
    weights: str | None = None,
) -> list[str]:
    """The names of the features: those asked for, else all columns but the targets and the one of row `weights`,
    without those to `drop`.

    Raises InputError for names that the table does not have, UsageError for a column with two parts.
    """
    weigh = () if weights is None else (weights,)
    raw.require([*targets, *(features or ()), *drop, *weigh])
    for what, names in (("target", targets), ("feature", features or ())):
        if twice := [name for name in names if list(names).count(name) > 1]:
            raise UsageError(f"the {what} {twice[0]!r} is named twice")
    if both := [name for name in features or () if name in targets]:
        raise UsageError(f"the column {both[0]!r} is a target, so that it cannot be a feature")
    if both := [name for name in targets if name in drop]:
        raise UsageError(f"the column {both[0]!r} is a target, so that it cannot be dropped")
    if weights in (*targets, *(features or ())):
        what = "target" if weights in targets else "feature"
        raise UsageError(f"the column {weights!r} has the weights of the rows, so that it cannot be a {what}")
    without = {*targets, *drop, *weigh}
    chosen = [name for name in (raw.names if features is None else features) if name not in without]
    if not chosen:
        raise InputError(
            raw.path,
            "has no columns for features",
            "one or more besides the target",
            "see --features, in Python features",
        )
    return chosen


def fit_columns(
    raw: RawTable,
    features: Sequence[str],
    targets: Sequence[str],
    labels: tuple[Label, ...] | None,
    *,
    impute: str | None = None,
    scale: str | None = None,
    scale_targets: bool = False,
) -> TableColumns:
    """The columns of a net that is trained on `raw`, its training rows alone. `labels` are those of its target;
    `scale_targets`: numbers are scaled as those of the features are.

    Raises InputError for a column that cannot be used, with the line of the value.
    """
    found = tuple(map(TargetColumn, targets))
    if labels is None:
        columns = [numeric_target(raw, name) for name in targets]
        found = tuple(_target(raw, column, scale if scale_targets else None) for column in columns)
    wanted = raw.matrix is None or scale is not None or impute is not None
    if not wanted:  # numbers alone, none missing: nothing to be found out
        return TableColumns(tuple(Feature(raw.column(name).name, NUMBER) for name in features), found, labels)
    return TableColumns(tuple(_feature(raw, raw.column(name), impute, scale) for name in features), found, labels)


def fit_labels(raw: RawTable, name: str) -> tuple[Label, ...]:
    """The different values of a column, sorted: texts, booleans, whole numbers or numbers. Raises InputError."""
    column = raw.column(name)
    missing = column.values < 0 if column.kind == CATEGORY else np.isnan(column.values)
    if missing.any():
        raise missing_target(raw, int(missing.argmax()), name)
    labels: tuple[Label, ...]
    if column.kind == CATEGORY:
        labels = tuple(sorted(column.words[code] for code in np.flatnonzero(np.bincount(column.values))))
    else:
        values = np.sort(column.values.astype(np.float32))  # np.unique would import numpy.ma, which takes 50 ms
        values = values[np.append(True, values[1:] != values[:-1])]
        whole = bool((values == np.rint(values)).all()) and bool((np.abs(values) < 2**24).all())
        if column.kind == BOOLEAN:
            labels = tuple(bool(value) for value in values)
        else:
            labels = tuple(int(value) if whole else float(str(value)) for value in values)
    if len(labels) < 2:
        raise InputError(raw.path, f"column {name!r} holds one label only, {labels[0]!r}", "two or more")
    if len(labels) > MOST_CATEGORIES or (raw.rows >= FEW_ROWS and len(labels) > raw.rows / 2):
        found = f"column {name!r} holds {len(labels)} different labels in {raw.rows} rows"
        raise InputError(raw.path, found, "classes", "for a target that is a number, end the net with l2l")
    return labels


def _feature(raw: RawTable, column: RawColumn, impute: str | None, scale: str | None) -> Feature:
    fill: float | str | None
    if column.kind == CATEGORY:
        counts = np.bincount(column.values + 1, minlength=1 + len(column.words))[1:]
        present = [column.words[code] for code in np.flatnonzero(counts)]
        _check_present(raw, column, present)
        _check_categories(raw, column, present, int(counts.sum()))
        fill = None
        if impute is not None:  # of those that are as frequent, the first in their order
            fill = min(zip(-counts, column.words, strict=True))[1]
        return Feature(column.name, CATEGORY, tuple(sorted(present)), fill)
    _check_range(raw, column)
    fill = None
    if impute is not None:
        fill = float(np.float32((np.mean if impute == "mean" else np.median)(_present(column))))
    if column.kind == BOOLEAN:
        return Feature(column.name, BOOLEAN, (), fill if fill is None else float(fill >= 0.5))
    return Feature(column.name, NUMBER, (), fill, *_scaling(column, scale))


def _target(raw: RawTable, column: RawColumn, scale: str | None) -> TargetColumn:
    """Booleans are not scaled, as those of features are not."""
    if scale is None or column.kind == BOOLEAN:
        return TargetColumn(column.name)
    _check_range(raw, column)
    return TargetColumn(column.name, *_scaling(column, scale))


def _check_range(raw: RawTable, column: RawColumn) -> None:
    """Raises InputError if no value is there, or one that float32 does not have."""
    low, high = (each.reduce(column.values, initial=np.nan) for each in (np.fmin, np.fmax))  # which pass over nan
    _check_present(raw, column, [] if np.isnan(low) else [low])
    if max(-low, high) > LARGEST_FLOAT:
        raw.numbers([column.name])  # names the value


def _present(column: RawColumn) -> np.ndarray:
    """The values that are there, float64."""
    found: np.ndarray = column.values[~np.isnan(column.values)].astype(np.float64)
    return found


def _scaling(column: RawColumn, scale: str | None) -> tuple[float, float]:
    """Shift and factor, of float32; the factor of a constant column is 1."""
    if scale is None:
        return 0.0, 1.0
    values = _present(column)
    low, high = values.min(), values.max()
    shift = low if scale == "minmax" else values.mean()
    spread = high - low if scale == "minmax" else values.std()
    if low == high:
        spread = 1.0
    factor = np.float32(1 / spread) if spread > 1 / LARGEST_FLOAT else np.float32(1)
    return float(np.float32(shift)), float(factor) if factor else 1.0


def _check_present(raw: RawTable, column: RawColumn, present: Sequence[object]) -> None:
    if not present:
        found = f"column {column.name!r} holds no value in the rows of the training"
        raise InputError(raw.path, found, "some", f"leave it out: {leave_out(column.name)}")


def _check_categories(raw: RawTable, column: RawColumn, present: Sequence[str], filled: int) -> None:
    """Raises InputError for a column of texts that are all different, or too many: names, identifiers."""
    if len(present) > MOST_CATEGORIES or (filled >= FEW_ROWS and len(present) == filled):
        found = f"column {column.name!r} holds {counted(len(present), 'different text')} in {raw.rows} rows"
        raise InputError(
            raw.path, found, "categories that repeat", f"leave it out if it names rows: {leave_out(column.name)}"
        )


def split_names(given: Iterable[str]) -> list[str]:
    """Names of columns, of which one text may hold several with commas between."""
    return [name for text in given for part in text.split(",") if (name := part.strip())]
