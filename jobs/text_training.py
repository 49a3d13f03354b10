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
from ..tables.reading import kernels_of_tables
from .checking import FILES
from .data import fold_rows, matrix
from .table_jobs import parts_of, sized_net


@functools.lru_cache(64)
def _kernels(net: str, files: tuple[str, ...], optimizer: Optimizer) -> list[Any]:
    """`files` are empty where there is a table."""
    made, reading = sized_net(net), kernels_to_read(*files) if files else kernels_of_tables()
    return [*made.kernels(training=True, optimizer=optimizer), *made.kernels(training=False), *reading]


def kernels_of_text(job: Mapping[str, Any]) -> list[Any]:
    """What `train_text` calls."""
    return _kernels(job["net"], tuple(job[name] for name in FILES if name in job), _optimizer(job))


def _optimizer(job: Mapping[str, Any]) -> Optimizer:
    return Optimizer(**{name: job[name] for name in (*MEANINGS, *MORE_MEANINGS) if name in job})


def train_text(job: Mapping[str, Any], threads: int) -> dict[str, Any]:
    """Train as a checked job says, and evaluate: `loss`, that of the last epoch; with a validation, its loss, and
    accuracy or R2; and `weights`, a digest of the weights. Raises the errors of a training."""
    net, X, Y, held_out = _of_table(job) if "table" in job else _of_files(job)
    history = net.fit(X, Y, _optimizer(job), seed=job["seed"], threads=threads)
    if net.parameters is None:  # of no epochs
        net.initialise(job["seed"])
    result: dict[str, Any] = {"loss": finite(history.loss[-1]) if history.loss else None}
    if held_out is not None:
        scores = net.evaluate(*held_out, threads=threads)
        result["validation_loss"] = finite(scores.loss)
        if scores.accuracy is not None:
            result["validation_accuracy"] = scores.accuracy
        if scores.r2 is not None:
            result["validation_r2"] = finite(scores.r2)
    return result | {"weights": digest(net.layer_parameters())}


Rows = tuple[np.ndarray, np.ndarray]
NetAndRows = tuple[Net, np.ndarray, np.ndarray, Rows | None]


def _of_table(job: Mapping[str, Any]) -> NetAndRows:
    """As `_of_files`, of the table of a job."""
    train, held_out = parts_of(job)
    net = train.net(job["net"])
    return net, train.X, train.Y, None if held_out is None else (held_out.X, held_out.Y)


def _of_files(job: Mapping[str, Any]) -> NetAndRows:
    """The net, X and Y to train with, and those to validate with, if any."""
    net = Net(job["net"])
    X, Y = _pair(net, job["x"], job["y"], job.get("rows"))
    if "val_x" in job:
        return net, X, Y, _pair(net, job["val_x"], job["val_y"], None)
    if "folds" not in job:
        return net, X, Y, None
    if len(X) < job["folds"]:
        raise InputError(job["x"], f"has {len(X)} rows", f"at least {job['folds']}, one for each fold")
    train, validate = fold_rows(len(X), job["folds"], job["fold"], job["seed"])
    return net, X[train], Y[train], (X[validate], Y[validate])


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
