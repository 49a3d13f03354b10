"""Scores of outputs: loss, and for classes accuracy and the confusion table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .layers.layer import TargetKind
from .layout import NetLayout


@dataclass(frozen=True)
class Evaluation:
    """Mean loss per row; for a net that ends in classes also the share of rows whose largest output is the target,
    and confusion int64 [K, K], where confusion[true, predicted] counts rows."""

    loss: float
    accuracy: float | None = None
    confusion: np.ndarray | None = None


def evaluate_outputs(plan: NetLayout, outputs: np.ndarray, losses: np.ndarray, targets: np.ndarray) -> Evaluation:
    """From outputs [N, K], losses [N] and targets [N, T], as `predict` gives them."""
    loss = float(losses.mean(dtype=np.float64))
    if plan.loss.target_kind is not TargetKind.CLASS:
        return Evaluation(loss)
    true, predicted = targets[:, 0].astype(np.int64), outputs.argmax(axis=1)
    pairs = np.bincount(true * plan.outputs + predicted, minlength=plan.outputs**2)
    return Evaluation(loss, float((true == predicted).mean()), pairs.reshape(plan.outputs, plan.outputs))
