"""What an evaluation finds: the scores of a net on known answers.

    classes      (sce, sft)     accuracy, top, balanced_accuracy, confusion, per_class
    labels       (bce)          accuracy, right_labels, label_counts, per_label
    real values  (l2l, hub)     r2, mae, rmse, per_target

What a net does not have is None. `evaluation_parts.py` has the text of it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from ...arguments import names
from ...errors import UsageError
from ...results import Result, TextTable


class ClassRates(NamedTuple):
    """Of each class or label, arrays [K]: `rows` int64, those that are of it; the others float64, nan where there is
    nothing to divide by. `precision` is the share that is right of the rows that are predicted as it, `recall` the
    share that is found of its rows, `f1` their harmonic mean."""

    rows: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray


class TargetErrors(NamedTuple):
    """Of each target, float64 [K]. `r2` is 1 - squared errors / squared deviations of the targets from their mean: 1 if
    all is exact, 0 for what predicts the mean, nan for a target that does not vary; `mae` the mean absolute error,
    `rmse` the root of the mean squared error, both in units of the target."""

    r2: np.ndarray
    mae: np.ndarray
    rmse: np.ndarray


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation(Result):
    """Scores on known answers; str() is what `caffe64 eval` prints, `to_json()` what it prints with --json.

    loss           mean over the rows, of the layer `loss_word`; of sce it is the log loss, -ln p(class)
    accuracy       share of the rows whose largest output is the class; of labels the share with all labels right; None
                   for real targets
    confusion      int64 [K, K]: confusion[true, predicted] counts rows; None without classes. Where Y holds
                   probabilities, the likeliest class is the true one
    rows           how many there are
    top            {k: share of the rows whose class is among the k largest outputs}; empty without classes, and for 5
                   classes or fewer if no k was asked for
    label_counts   int64 [K, 2, 2]: label_counts[label, is, predicted] counts rows, of labels that are or are not; None
                   without labels. One is, or is predicted, if its number is above 0.5
    per_target     `r2`, `mae`, `rmse` of each target, float64 [K]; None without real targets
    labels         names of the classes, labels or targets, if they have some: `named` adds them
    scaled         whether the net has learned scaled targets, of which the loss is; errors are in units of the targets
    """

    loss: float
    accuracy: float | None = None
    confusion: np.ndarray | None = None
    rows: int = 0
    top: dict[int, float] = field(default_factory=dict)
    label_counts: np.ndarray | None = None
    per_target: TargetErrors | None = None
    labels: tuple[str, ...] | None = None
    loss_word: str = ""
    scaled: bool = False

    def __eq__(self, other: object) -> bool:
        """Whether all scores are the same, those that are nan included, which `data` has as None."""
        return isinstance(other, Evaluation) and self.data == other.data

    __hash__ = None  # type: ignore[assignment]

    @property
    def per_class(self) -> ClassRates | None:
        """`rows`, `precision`, `recall`, `f1` of each class."""
        if self.confusion is None:
            return None
        return _rates(self.confusion.diagonal(), self.confusion.sum(axis=1), self.confusion.sum(axis=0))

    @property
    def per_label(self) -> ClassRates | None:
        """`rows`, `precision`, `recall`, `f1` of each label."""
        if self.label_counts is None:
            return None
        counts = self.label_counts
        return _rates(counts[:, 1, 1], counts[:, 1].sum(axis=1), counts[:, :, 1].sum(axis=1))

    @property
    def balanced_accuracy(self) -> float | None:
        """Mean of the recalls of the classes that occur: each counts the same, however many rows it has."""
        return None if self.per_class is None else _mean(self.per_class.recall)

    @property
    def right_labels(self) -> float | None:
        """Share of all labels, of all rows, that are predicted as they are."""
        if self.label_counts is None:
            return None
        return float(np.trace(self.label_counts.sum(axis=0)) / self.label_counts.sum())

    @property
    def r2(self) -> float | None:
        """Mean over the targets that vary; nan if none does."""
        return None if self.per_target is None else _mean(self.per_target.r2)

    @property
    def mae(self) -> float | None:
        """Mean over all targets of all rows of the absolute error."""
        return None if self.per_target is None else float(self.per_target.mae.mean())

    @property
    def rmse(self) -> float | None:
        """Root of the mean squared error over all targets of all rows."""
        return None if self.per_target is None else math.sqrt(float(np.square(self.per_target.rmse).mean()))

    @property
    def outputs(self) -> int:
        """The number K of classes, labels or targets; 0 if there is a loss alone."""
        known = self.confusion, self.label_counts, None if self.per_target is None else self.per_target.r2
        return next((len(each) for each in known if each is not None), 0)

    def named(self, labels: Sequence[str]) -> Evaluation:
        """The same with names for the classes, labels or targets. Raises UsageError for another number of names."""
        found = names("labels", labels, "names of the classes or targets")
        if len(found) != self.outputs:
            raise UsageError(f"labels are {len(found)} names, expected {self.outputs}: one for each class or target")
        return replace(self, labels=found)

    def in_units(self, factor: np.ndarray) -> Evaluation:
        """The same where the net has learned (target - shift) * factor, [K]: errors in units of the targets."""
        if self.per_target is None:
            return self
        errors = self.per_target
        return replace(self, per_target=TargetErrors(errors.r2, errors.mae / factor, errors.rmse / factor), scaled=True)

    @property
    def parts(self) -> list[TextTable | str]:
        from .evaluation_parts import parts  # for what is shown

        return parts(self)

    @property
    def data(self) -> dict[str, Any]:
        found: dict[str, Any] = {"rows": self.rows, "loss": _number(self.loss), "accuracy": _number(self.accuracy)}
        if self.per_class is not None and self.confusion is not None:
            found |= {"balanced_accuracy": _number(self.balanced_accuracy), "top": self.top}
            found |= {"classes": self._each("class", self.per_class), "confusion": self.confusion.tolist()}
        if self.per_label is not None and self.label_counts is not None:
            found |= {"right_labels": _number(self.right_labels), "labels": self._each("label", self.per_label)}
            found |= {"counts": self.label_counts.tolist()}
        if self.per_target is not None:
            found |= {name: _number(getattr(self, name)) for name in ("r2", "mae", "rmse")}
            found |= {"targets": self._each("target", self.per_target)}
        return found

    def _each(self, what: str, scores: ClassRates | TargetErrors) -> list[dict[str, Any]]:
        """One dict for each class, label or target."""
        columns = [column.tolist() for column in scores]
        lines = []
        for number, values in enumerate(zip(*columns, strict=True)):
            name = {} if self.labels is None else {"name": self.labels[number]}
            lines.append({what: number, **name, **dict(zip(scores._fields, map(_number, values), strict=True))})
        return lines

    def to_json(self) -> str:
        """The text that `caffe64 eval --json` prints, in one line; null for what is not finite or not there."""
        return json.dumps(self.data)


def _rates(right: np.ndarray, rows: np.ndarray, predicted: np.ndarray) -> ClassRates:
    with np.errstate(divide="ignore", invalid="ignore"):
        return ClassRates(rows, right / predicted, right / rows, 2 * right / (rows + predicted))


def _mean(values: np.ndarray) -> float:
    """Of those that are numbers; nan if none is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else math.nan


def _number(value: float | None) -> float | None:
    """For JSON, which has neither nan nor infinity."""
    return None if value is None or not math.isfinite(value) else value
