"""Weights of rows and of classes, as users of scikit-learn give them.

Wrong weights of rows are a ValueError, as other data of an estimator; wrong arguments a UsageError.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..arguments import finite_number
from ..conversion import as_numbers
from ..errors import UsageError

BALANCED_CLASSES = "balanced"


def rows_that_weigh(
    X: np.ndarray, y: np.ndarray, sample_weight: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """X, y and the weights float64 [N] of the rows whose weight is not 0; all rows and None without weights."""
    if sample_weight is None:
        return X, y, None
    found = as_numbers(sample_weight, "sample_weight").astype(np.float64)
    if found.shape != (len(X),):
        raise ValueError(f"sample_weight has the shape {found.shape}, expected ({len(X)},), a weight for each row")
    for row in np.flatnonzero(~(np.isfinite(found) & (found >= 0)))[:1]:
        raise ValueError(f"sample_weight[{row}] is {found[row]:g}, expected a finite number >= 0")
    some = found > 0
    _check_any(some)
    return X[some], y[some], found[some]


def weights_of_classes(given: Any, classes: np.ndarray, codes: np.ndarray, rows: np.ndarray | None) -> np.ndarray:
    """The weight of each of `classes`, float64 [K], by the argument class_weight; `codes` [N] are places of the labels
    of rows in it, and `rows` their weights."""
    if isinstance(given, str) and given == BALANCED_CLASSES:
        totals = np.bincount(codes, rows, len(classes))
        some = totals > 0
        return np.where(some, totals.sum() / (len(classes) * np.where(some, totals, 1)), 0.0)
    if not isinstance(given, Mapping):
        expected = f"None, {BALANCED_CLASSES!r} or a dict of weights by label"
        raise UsageError(f"class_weight is {given!r}, expected {expected}"[:200])
    found, places = np.ones(len(classes)), {label: place for place, label in enumerate(classes.tolist())}
    for label, weight in given.items():
        name = f"class_weight[{label!r}]"
        if label not in places:
            raise UsageError(f"{name}: there is no such label, expected some of {_some(places)}")
        found[places[label]] = number = finite_number(name, weight)
        if number < 0:
            raise UsageError(f"{name} is {number:g}, expected a finite number >= 0")
    return found


def of_mean_one(weights: np.ndarray) -> np.ndarray:
    """The weights, whose sum becomes their number. By the largest first: a sum of them may be infinite."""
    _check_any(weights)
    scaled = weights / weights.max()
    found: np.ndarray = scaled / scaled.mean()
    return found


def _check_any(weights: np.ndarray) -> None:
    if not weights.any():
        raise ValueError("the weights of all rows are zero")


def _some(labels: Mapping[Any, int]) -> str:
    """The first labels."""
    shown = [repr(label) for label in labels][:5]
    return ", ".join(shown) + (", ..." if len(labels) > len(shown) else "")
