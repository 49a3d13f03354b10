"""A training of a text net as a job: net, optimizer, files and seed in, losses and scores out."""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..api import Net
from ..errors import InputError
from ..formats.data import kernels_to_read
from ..formats.optimizer import MEANINGS, MORE_MEANINGS, Optimizer
from .checking import FILES
from .data import fold_rows, matrix


@functools.lru_cache(64)
def _kernels(net: str, files: tuple[str, ...], optimizer: Optimizer) -> list[Any]:
    made = Net(net)
    return [*made.kernels(training=True, optimizer=optimizer), *made.kernels(training=False), *kernels_to_read(*files)]


def kernels_of_text(job: Mapping[str, Any]) -> list[Any]:
    """What `train_text` calls."""
    return _kernels(job["net"], tuple(job[name] for name in FILES if name in job), _optimizer(job))


def _optimizer(job: Mapping[str, Any]) -> Optimizer:
    return Optimizer(**{name: job[name] for name in (*MEANINGS, *MORE_MEANINGS) if name in job})


def train_text(job: Mapping[str, Any], threads: int) -> dict[str, Any]:
    """Train as a checked job says, and evaluate: `loss`, that of the last epoch; with a validation, its loss and
    accuracy; and `weights`, a digest of the weights. Raises the errors of a training."""
    net = Net(job["net"])
    X, Y, held_out = _rows(net, job)
    history = net.fit(X, Y, _optimizer(job), seed=job["seed"], threads=threads)
    if net.parameters is None:  # of no epochs
        net.initialise(job["seed"])
    result: dict[str, Any] = {"loss": finite(history.loss[-1]) if history.loss else None}
    if held_out is not None:
        scores = net.evaluate(*held_out, threads=threads)
        result["validation_loss"] = finite(scores.loss)
        if scores.accuracy is not None:
            result["validation_accuracy"] = scores.accuracy
    return result | {"weights": digest(net.layer_parameters())}


Rows = tuple[np.ndarray, np.ndarray]


def _rows(net: Net, job: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray, Rows | None]:
    """X and Y to train with, and those to validate with, if any."""
    X, Y = _pair(net, job["x"], job["y"], job.get("rows"))
    if "val_x" in job:
        return X, Y, _pair(net, job["val_x"], job["val_y"], None)
    if "folds" not in job:
        return X, Y, None
    if len(X) < job["folds"]:
        raise InputError(job["x"], f"has {len(X)} rows", f"at least {job['folds']}, one for each fold")
    train, validate = fold_rows(len(X), job["folds"], job["fold"], job["seed"])
    return X[train], Y[train], (X[validate], Y[validate])


def _pair(net: Net, x: str, y: str, rows: int | None) -> Rows:
    """X and Y of two files; a wrong label is named with its place in them."""
    X = matrix(x, rows, net.spec.features)
    Y = matrix(y, len(X), net.plan.targets)
    net.checked(X, Y, (x, y))
    return X, Y


def finite(loss: float) -> float | None:
    """A number for JSON, which has no infinity."""
    return loss if math.isfinite(loss) else None


def digest(arrays: Iterable[np.ndarray]) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of all their bytes."""
    found = hashlib.sha256()
    for array in arrays:
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()[:16]
