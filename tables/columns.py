"""What a net knows of the columns of the tables that it was trained on, and the arrays that it takes from another.

X[:, slots of a number]     (value - shift) * factor
X[:, slot of a boolean]     0 or 1
X[:, slots of a category]   1 in the slot of its value, 0 in those of the others
Y [N]                       the number of the label; or
Y [N, T]                    (value - shift) * factor of each target
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..formats.files import check_memory
from ..wording import near_miss
from .raw import BOOLEAN, CATEGORY, CHUNK, NUMBER, RawColumn, RawTable

if TYPE_CHECKING:
    from ..engine.textnet.evaluation import Evaluation

Label = str | int | float | bool
SHOWN_VALUES = 8  # in a message


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


@dataclass(frozen=True)
class TargetColumn:
    """A column that the net predicts: as numbers, it learns (value - shift) * factor. Both are finite float32, `factor`
    is above 0."""

    name: str
    shift: float = 0.0
    factor: float = 1.0


@dataclass(frozen=True)
class TableColumns:
    """The features of a net in the order of its inputs, its target columns, and the labels of its classes in the order
    of its outputs, None where targets are numbers. Targets of labels are not scaled."""

    features: tuple[Feature, ...]
    target_columns: tuple[TargetColumn, ...]
    labels: tuple[Label, ...] | None = None

    @property
    def target_names(self) -> tuple[str, ...]:
        return tuple(target.name for target in self.target_columns)

    @cached_property
    def feature_names(self) -> list[str]:
        """One for each input [F]: that of the column, for a category "column=value"."""
        return [
            f"{feature.name}={value}" if feature.kind == CATEGORY else feature.name
            for feature in self.features
            for value in (feature.values if feature.kind == CATEGORY else ("",))
        ]

    @property
    def size(self) -> int:
        """F, the number of inputs."""
        return sum(feature.slots for feature in self.features)

    @property
    def outputs(self) -> int:
        """K, the number of outputs."""
        return len(self.target_columns if self.labels is None else self.labels)

    @property
    def output_names(self) -> list[str]:
        """One for each output [K]: of a label or a target."""
        return list(self.target_names) if self.labels is None else [label_text(label) for label in self.labels]

    @property
    def shift(self) -> np.ndarray:
        """float32 [F]: x = (raw - shift) * factor, where a category is 0 or 1 in each of its slots."""
        return np.array([each.shift for each in self.features for _ in range(each.slots)], np.float32)

    @property
    def factor(self) -> np.ndarray:
        """float32 [F]."""
        return np.array([each.factor for each in self.features for _ in range(each.slots)], np.float32)

    @property
    def target_shift(self) -> np.ndarray:
        """float32 [T]: the net learns (value - target_shift) * target_factor."""
        return np.array([target.shift for target in self.target_columns], np.float32)

    @property
    def target_factor(self) -> np.ndarray:
        """float32 [T]."""
        return np.array([target.factor for target in self.target_columns], np.float32)

    @property
    def scales_targets(self) -> bool:
        return any(target.shift != 0 or target.factor != 1 for target in self.target_columns)

    def values(self, outputs: np.ndarray) -> np.ndarray:
        """The outputs of the net, float32 [N, K], in units of the targets; probabilities stay what they are."""
        if not self.scales_targets:
            return outputs
        with np.errstate(over="ignore"):  # `check_finite_outputs` refuses what is not finite
            found: np.ndarray = outputs / self.target_factor + self.target_shift
        return found

    def described(self, scores: Evaluation) -> Evaluation:
        """An evaluation of the net with the names of its outputs, and errors in units of the targets."""
        return (scores.in_units(self.target_factor) if self.scales_targets else scores).named(self.output_names)

    @property
    def kinds(self) -> dict[str, str]:
        """The kind of columns by name, so that a table is read alike: a text "1" may be a category."""
        kinds = {feature.name: feature.kind for feature in self.features}
        if self.labels is None:  # numbers or booleans, as the column has them
            return kinds
        kind = {str: CATEGORY, bool: BOOLEAN}.get(type(self.labels[0]), NUMBER)
        return kinds | dict.fromkeys(self.target_names, kind)

    def inputs(self, raw: RawTable, *, ignore_unknown: bool = False, in_place: bool = False) -> np.ndarray:
        """X float32 [N, F]. `ignore_unknown`: a category that is not one of the feature's has 0 in all slots.
        `in_place` as for `RawTable.numbers`.

        Raises InputError for a column that is missing or of another kind, a missing value without a `fill`, and an
        unknown category.
        """
        raw.require([feature.name for feature in self.features])
        check_memory(raw.path, 4 * raw.rows * self.size)
        numeric = [feature for feature in self.features if feature.kind != CATEGORY]
        for feature in numeric:
            _check_numeric(raw, feature)
        block = raw.numbers([feature.name for feature in numeric], in_place=in_place)
        if raw.matrix is None:
            _fill_numbers(raw, numeric, block)
        if any(feature.shift != 0 or feature.factor != 1 for feature in numeric):
            for start in range(0, len(block), CHUNK):
                part = block[start : start + CHUNK]
                part -= np.array([feature.shift for feature in numeric], np.float32)
                part *= np.array([feature.factor for feature in numeric], np.float32)
        if len(numeric) == len(self.features):
            return block
        X = np.zeros((raw.rows, self.size), np.float32)
        slot = taken = 0
        for feature in self.features:
            if feature.kind == CATEGORY:
                codes = _codes(raw, feature, ignore_unknown=ignore_unknown)
                known = np.flatnonzero(codes >= 0)
                X[known, slot + codes[known]] = 1
            else:
                X[:, slot] = block[:, taken]
                taken += 1
            slot += feature.slots
        return X

    def targets(self, raw: RawTable) -> np.ndarray:
        """Y float32 [N] of labels' numbers, or [N, T] of scaled values. Raises InputError, also for a missing value."""
        if self.labels is not None:
            return label_numbers(raw, raw.column(self.target_names[0]), self.labels)
        Y = raw.numbers([numeric_target(raw, name).name for name in self.target_names])
        missing = np.argwhere(np.isnan(Y))
        if len(missing):
            row, column = missing[0].tolist()
            raise missing_target(raw, row, self.target_names[column])
        if self.scales_targets:
            Y -= self.target_shift
            Y *= self.target_factor
        return Y


def label_text(label: Label) -> str:
    """A label as a table has it."""
    return str(label).lower() if isinstance(label, bool) else str(label)


def missing_target(raw: RawTable, row: int, name: str) -> InputError:
    return raw.error(row, name, "the target is missing", "", "leave such rows out")


def numeric_target(raw: RawTable, name: str) -> RawColumn:
    """A target column of numbers or booleans. Raises InputError."""
    column = raw.column(name)
    if column.kind == CATEGORY:
        row, found = _first_word(column)
        raise raw.error(row, name, f"found {found!r}", "a number", "a net that ends in sce takes labels")
    return column


def label_numbers(raw: RawTable, column: RawColumn, labels: Sequence[Label]) -> np.ndarray:
    """Which of `labels` each value of a column is, float32 [N]. Raises InputError for a missing or an unknown one."""
    places: dict[Any, int] = {label: place for place, label in enumerate(labels)}
    if column.kind == CATEGORY:
        known = np.array([places.get(word, -1) for word in column.words] + [-1])
        numbers, missing = known[column.values], column.values < 0
    else:
        as_float = np.array([np.nan if isinstance(label, str) else float(label) for label in labels], np.float32)
        values, order = column.values.astype(np.float32), np.argsort(as_float)
        found = order[np.minimum(np.searchsorted(as_float, values, sorter=order), len(labels) - 1)]
        numbers, missing = np.where(as_float[found] == values, found, -1), np.isnan(values)
    wrong = np.flatnonzero(missing | (numbers < 0))
    if len(wrong):
        row = int(wrong[0])
        if missing[row]:
            raise missing_target(raw, row, column.name)
        raise _unknown(raw, column, row, list(map(label_text, labels)), "label")
    result: np.ndarray = numbers.astype(np.float32)
    return result


def _check_numeric(raw: RawTable, feature: Feature) -> None:
    column = raw.column(feature.name)
    if column.kind == CATEGORY:
        row, found = _first_word(column)
        raise raw.error(row, feature.name, f"found {found!r}", f"a {feature.kind}, as in the training")
    if feature.kind == BOOLEAN and column.kind == NUMBER:
        wrong = np.flatnonzero(~np.isin(column.values, (0, 1)) & ~np.isnan(column.values))
        if len(wrong):
            row = int(wrong[0])
            raise raw.error(row, feature.name, f"found {column.values[row]:g}", "true or false, or 1 or 0")


def _first_word(column: RawColumn) -> tuple[int, str]:
    row = int(np.argmax(column.values >= 0))
    return row, column.words[column.values[row]] if column.values[row] >= 0 else ""


def _fill_numbers(raw: RawTable, features: Sequence[Feature], block: np.ndarray) -> None:
    """Put the fill of each feature in place of nan in its column of block [N, features]."""
    for start in range(0, len(block), CHUNK):
        part = block[start : start + CHUNK]
        for place in np.flatnonzero(np.isnan(part).any(axis=0)).tolist():
            missing, feature = np.isnan(part[:, place]), features[place]
            if feature.fill is None:
                raise _missing(raw, start + int(missing.argmax()), feature.name)
            part[missing, place] = feature.fill


def _missing(raw: RawTable, row: int, name: str) -> InputError:
    hint = "--impute mean or median in the training fills such values in; or leave these rows out"
    return raw.error(row, name, "the value is missing", "", hint)


def _codes(raw: RawTable, feature: Feature, *, ignore_unknown: bool) -> np.ndarray:
    """Which of the feature's values each row has, int64 [N], -1 for an unknown one. Raises InputError."""
    column = raw.column(feature.name)
    if column.kind != CATEGORY:
        row = int(np.argmax(~np.isnan(column.values)))
        if not np.isnan(column.values[row]):
            raise raw.error(row, feature.name, f"found {column.values[row]:g}", "a text, as in the training")
        column = RawColumn(column.name, CATEGORY, np.full(raw.rows, -1, np.int32))
    places = {value: place for place, value in enumerate(feature.values)}
    known = np.array([places.get(word, -1) for word in column.words] + [-1])
    codes: np.ndarray = known[column.values]
    missing = column.values < 0
    if missing.any():
        if feature.fill is None:
            raise _missing(raw, int(missing.argmax()), feature.name)
        codes[missing] = places[str(feature.fill)]
    unknown = np.flatnonzero(codes < 0)
    if len(unknown) and not ignore_unknown:
        raise _unknown(raw, column, int(unknown[0]), list(feature.values), "category")
    return codes


def _unknown(raw: RawTable, column: RawColumn, row: int, known: list[str], what: str) -> InputError:
    value = column.values[row]
    found = column.words[value] if column.kind == CATEGORY else f"{value:g}"
    shown = ", ".join(map(repr, known[:SHOWN_VALUES]))
    shown += f" and {len(known) - SHOWN_VALUES} more" if len(known) > SHOWN_VALUES else ""
    hint = near_miss(found, known)
    if not hint and what == "category":
        hint = "--ignore-unknown gives an unknown category 0 in all its inputs"
    return raw.error(row, column.name, f"found the {what} {found!r}", f"one of those of the training: {shown}", hint)
