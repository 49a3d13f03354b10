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
from .features import Feature, first_word, make_inputs, unknown_value
from .raw import BOOLEAN, CATEGORY, NUMBER, RawColumn, RawTable

if TYPE_CHECKING:
    from ..engine.textnet.evaluation import Evaluation

Label = str | int | float | bool


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

    @cached_property
    def _used(self) -> frozenset[str]:
        return frozenset([*self.target_names, *(feature.name for feature in self.features)])

    def is_unused(self, name: str) -> bool:
        """Whether the column of a table is neither a feature nor a target."""
        return name not in self._used

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
        return make_inputs(raw, self.features, ignore_unknown=ignore_unknown, in_place=in_place)

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
        row, found = first_word(column)
        raise raw.error(row, name, f"found {found!r}", "a number", "a net that ends in sce takes labels")
    return column


def label_numbers(raw: RawTable, column: RawColumn, labels: Sequence[Label]) -> np.ndarray:
    """Which of `labels` each value of a column is, float32 [N]. Raises InputError for a missing or an unknown one."""
    places: dict[Any, int] = {label: place for place, label in enumerate(labels)}
    numbers: np.ndarray
    if column.kind == CATEGORY:
        numbers = np.array([places.get(word, -1) for word in column.words] + [-1], np.float32)[column.values]
    else:
        as_float = np.array([np.nan if isinstance(label, str) else float(label) for label in labels], np.float32)
        values, order = column.values.astype(np.float32), np.argsort(as_float)
        found = order[np.minimum(np.searchsorted(as_float, values, sorter=order), len(labels) - 1)]
        numbers = np.where(as_float[found] == values, found, -1).astype(np.float32)
    if len(numbers) and numbers.min() < 0:
        row = int((numbers < 0).argmax())
        value = column.values[row]
        if value < 0 if column.kind == CATEGORY else np.isnan(value):
            raise missing_target(raw, row, column.name)
        raise unknown_value(raw, column, row, list(map(label_text, labels)), "label")
    return numbers
