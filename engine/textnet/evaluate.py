"""Outputs and targets -> an `Evaluation`.   predict -> [evaluate] -> Evaluation"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ...arguments import whole_number
from ...errors import UsageError
from .evaluation import Evaluation, TargetErrors
from .layers.layer import TargetKind
from .layout import NetLayout

TOP = 5  # the k of `top` where there are more classes than that
IN_CACHE = 1 << 15  # numbers at a time, whose float64 temporaries stay in a cache
ON = 0.5  # a label with a number above it is predicted, and is


def evaluate_outputs(
    plan: NetLayout, outputs: np.ndarray, losses: np.ndarray, targets: np.ndarray, top: int | None = None
) -> Evaluation:
    """From outputs float32 [N, K], losses [N] and targets [N, T], as `predict` gives them. `top` None: 5, if there are
    more classes."""
    kind = plan.loss.target_kind
    scores: dict[str, Any] = {}
    if kind is TargetKind.CLASS:
        scores = of_classes(outputs, targets[:, 0].astype(np.int64), top)
    elif targets.shape != outputs.shape:  # a loss layer of its own kind
        pass
    elif kind is TargetKind.PROBABILITIES:
        scores = of_classes(outputs, targets.argmax(axis=1), top)
    else:
        scores = (of_labels if kind is TargetKind.SHARES else of_values)(outputs, targets)
    return Evaluation(float(losses.mean(dtype=np.float64)), rows=len(outputs), loss_word=plan.infos[-1].word, **scores)


def check_top(plan: NetLayout, top: int | None) -> None:
    """Raises UsageError where outputs have no `top` largest ones that could be the class."""
    if top is None:
        return
    if plan.loss.target_kind not in (TargetKind.CLASS, TargetKind.PROBABILITIES):
        raise UsageError(f"top is {top}, but the net does not end in classes (with sce or sft)")
    whole_number("top", top, 1, plan.outputs, hint=f"the net has {plan.outputs} classes")


def of_classes(outputs: np.ndarray, true: np.ndarray, top: int | None = None) -> dict[str, Any]:
    """accuracy, confusion and top of outputs [N, K] for classes `true` int64 [N]. Of equal outputs the first counts as
    the largest."""
    K = outputs.shape[1]
    wanted = top or (TOP if K > TOP else 0)
    predicted = outputs.argmax(axis=1)
    pairs = np.bincount(true * K + predicted, minlength=K**2)
    found = {"accuracy": float((true == predicted).mean()), "confusion": pairs.reshape(K, K)}
    return found | {"top": {wanted: _share_among(outputs, true, wanted)} if wanted else {}}


def of_labels(outputs: np.ndarray, targets: np.ndarray) -> dict[str, Any]:
    """accuracy and label_counts of outputs and targets [N, K], numbers in [0, 1]."""
    there, predicted = targets > ON, outputs > ON
    both, ones, guesses = (there & predicted).sum(axis=0), there.sum(axis=0), predicted.sum(axis=0)
    counts = [[len(outputs) - ones - guesses + both, guesses - both], [ones - both, both]]
    return {
        "accuracy": float((there == predicted).all(axis=1).mean()),
        "label_counts": np.moveaxis(np.array(counts, np.int64), 2, 0),
    }


def of_values(outputs: np.ndarray, targets: np.ndarray) -> dict[str, Any]:
    """per_target of outputs and targets [N, K], by sums in float64."""
    rows, K = outputs.shape
    mean = targets.mean(axis=0, dtype=np.float64)
    absolute, squares, deviations = np.zeros((3, K))
    with np.errstate(over="ignore", invalid="ignore"):
        for part in _parts(rows, K):
            wanted = targets[part].astype(np.float64)
            errors = outputs[part] - wanted
            absolute += np.abs(errors).sum(axis=0)
            squares += np.square(errors).sum(axis=0)
            deviations += np.square(wanted - mean).sum(axis=0)
        constant = targets.min(axis=0) == targets.max(axis=0)
        r2 = 1 - squares / np.where(constant, np.nan, deviations)
    return {"per_target": TargetErrors(r2, absolute / rows, np.sqrt(squares / rows))}


def _share_among(outputs: np.ndarray, true: np.ndarray, top: int) -> float:
    """The share of the rows whose true class has fewer than `top` outputs before it. It is before another that is
    smaller, or equal and of a later class; nan is before none."""
    rows, K = outputs.shape
    hits, classes = 0, np.arange(K)
    for part in _parts(rows, K):
        own = np.take_along_axis(outputs[part], true[part, None], axis=1)
        behind = (outputs[part] < own) | ((outputs[part] == own) & (classes > true[part, None]))
        hits += int((K - 1 - behind.sum(axis=1) < top).sum())
    return hits / rows


def _parts(rows: int, columns: int) -> Iterator[slice]:
    """Ranges of rows of at most IN_CACHE numbers."""
    step = max(1, IN_CACHE // columns)
    return (slice(start, start + step) for start in range(0, rows, step))
