"""Weights of rows: what each row's loss and gradient are multiplied by."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from ...arguments import finite_number
from ...conversion import ArrayLike, as_numbers
from ...errors import UsageError
from .layers.layer import TargetKind
from .layout import NetLayout

ClassWeight = str | Mapping[int, float] | ArrayLike
BALANCED = "balanced"


def weigh(
    plan: NetLayout, targets: np.ndarray, class_weight: ClassWeight | None, sample_weight: ArrayLike | None
) -> np.ndarray:
    """float32 [N], or [0] without weights, for targets [N, T] that are checked: the weight of the class of each row,
    times its own. Raises UsageError for weights that do not fit, are negative or not finite, or are all 0."""
    found = np.ones(len(targets))
    if class_weight is None and sample_weight is None:
        return np.empty(0, np.float32)
    if class_weight is not None:
        found *= _of_classes(plan, targets, class_weight)[targets[:, 0].astype(np.int64)]
    if sample_weight is not None:
        found *= _checked("sample_weight", sample_weight, len(targets), "a weight for each row")
    if not found.any():
        raise UsageError("the weights of all rows are 0")
    return found.astype(np.float32)


def fingerprint(weights: np.ndarray) -> str:
    """Of such weights; "" without them."""
    return hashlib.blake2b(np.ascontiguousarray(weights).data, digest_size=16).hexdigest() if weights.size else ""


def _of_classes(plan: NetLayout, targets: np.ndarray, given: Any) -> np.ndarray:
    """The weight of each class, float64 [K]."""
    if not plan.loss or plan.loss.target_kind is not TargetKind.CLASS:
        raise UsageError("class_weight is for nets that end in classes (sce); sample_weight weighs rows of others")
    count = plan.outputs
    if isinstance(given, str):
        if given != BALANCED:
            raise UsageError(f"class_weight is {given!r}, expected {BALANCED!r}, a weight for each class, or a dict")
        rows = np.bincount(targets[:, 0].astype(np.int64), minlength=count)
        return len(targets) / (count * np.maximum(rows, 1))
    if isinstance(given, Mapping):
        found = np.ones(count)
        for label, weight in given.items():
            if isinstance(label, bool) or not isinstance(label, (int, np.integer)) or not 0 <= label < count:
                raise UsageError(f"class_weight has the class {label!r}, expected one of 0 to {count - 1}")
            found[label] = _weight(f"class_weight[{label}]", finite_number(f"class_weight[{label}]", weight))
        return found
    return _checked("class_weight", given, count, "a weight for each class")


def _checked(name: str, given: Any, count: int, meaning: str) -> np.ndarray:
    found = as_numbers(given, name)
    if found.shape not in ((count,), (count, 1)):
        raise UsageError(f"{name} has the shape {found.shape}, expected [{count}], {meaning}")
    found = found.reshape(-1).astype(np.float64)
    wrong = np.flatnonzero(~(np.isfinite(found) & (found >= 0) & (found <= np.finfo(np.float32).max)))
    if len(wrong):
        _weight(f"{name}[{wrong[0]}]", float(found[wrong[0]]))
    return found


def _weight(name: str, value: float) -> float:
    if not 0 <= value <= np.finfo(np.float32).max:
        raise UsageError(f"{name} is {value:g}, expected a finite number >= 0")
    return value
