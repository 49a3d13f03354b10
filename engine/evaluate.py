"""How good outputs are: loss, and for classes accuracy and the confusion table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import LabelError, UsageError
from .net import Plan


@dataclass(frozen=True)
class Evaluation:
    """Mean loss a row; for a net that ends in classes also the share of rows whose largest output is the target,
    and confusion int64 [K, K], where confusion[true, predicted] counts rows."""

    loss: float
    accuracy: float | None = None
    confusion: np.ndarray | None = None


def evaluate_outputs(plan: Plan, outputs: np.ndarray, losses: np.ndarray, targets: np.ndarray) -> Evaluation:
    """From outputs [N, K], losses [N] and targets [N, T], as `predict` gives them."""
    loss = float(losses.mean(dtype=np.float64))
    if not plan.loss.classes:
        return Evaluation(loss)
    true, predicted = targets[:, 0].astype(np.int64), outputs.argmax(axis=1)
    pairs = np.bincount(true * plan.outputs + predicted, minlength=plan.outputs**2)
    return Evaluation(loss, float((true == predicted).mean()), pairs.reshape(plan.outputs, plan.outputs))


def as_inputs(plan: Plan, array, name: str = "X") -> np.ndarray:
    """`array` as float32 C-contiguous [N, F]: itself if it is that already, else a copy.

    One dimension is taken as N values of a net with one feature. Raises UsageError for another width or no numbers.
    """
    return _as_matrix(array, plan.features, name, "features of the net")


def as_targets(plan: Plan, array, name: str = "Y") -> np.ndarray:
    """`array` as float32 C-contiguous [N, T], its classes checked.

    Raises UsageError for another width, LabelError for the first label that is no whole number in [0, K).
    """
    if plan.loss is None:
        raise UsageError("the net has no loss layer, so it takes no targets (end it with sce or l2l)")
    targets = _as_matrix(array, plan.targets, name, "targets a row of the net")
    if plan.loss.classes:
        wrong = ~((targets >= 0) & (targets < plan.outputs) & (targets == np.floor(targets)))
        if wrong.any():
            row, column = (int(place) for place in np.argwhere(wrong)[0])
            raise LabelError(name, row, column, float(targets[row, column]), plan.outputs)
    return targets


def _as_matrix(array, columns: int, name: str, meaning: str) -> np.ndarray:
    matrix = np.asarray(array)
    if matrix.dtype.kind not in "biuf":
        raise UsageError(f"{name} has the type {matrix.dtype}, expected numbers")
    if matrix.ndim == 1 and columns == 1:
        matrix = matrix.reshape(-1, 1)
    if matrix.ndim != 2 or matrix.shape[1] != columns:
        raise UsageError(f"{name} has the shape {matrix.shape}, expected [rows, {columns}], the {meaning}")
    return np.ascontiguousarray(matrix, np.float32)
