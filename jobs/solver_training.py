"""A training of a Caffe net as a job: a solver file and other values of its fields in, losses and test scores out."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..caffe.solver.nets import required_kernels
from ..caffe.solver.public import Solver
from ..caffe.solver.solver import KERNELS
from ..formats.caffe.solver import read_solver
from .text_training import digest, finite

NO_SNAPSHOTS = {"snapshot": 0, "snapshot_after_train": False}  # two jobs would write the same files
MOST_VALUES = 16  # of a test output that are kept


@functools.lru_cache(64)
def _kernels(path: str) -> list[Any]:
    return [*KERNELS, *required_kernels(read_solver(path))]


def kernels_of_solver(job: Mapping[str, Any]) -> list[Any]:
    """What `train_solver` calls."""
    return _kernels(job["solver"])


def train_solver(job: Mapping[str, Any], threads: int) -> dict[str, Any]:
    """Solve as a checked job says: `iterations`, the last `loss`, and of each test net after the last iteration the
    means of its outputs as test_NAME, and its loss as test_loss, unless that is the name of one of these; test0_NAME
    and so on of several; and `weights`, a digest of the weights. Writes no snapshots. Raises the errors of a
    training."""
    fields = {name: value for name, value in job.items() if name != "solver"}
    solver = Solver(job["solver"], threads=threads, **(fields | NO_SNAPSHOTS))
    history = solver.solve()
    if any(not len(test.iterations) or test.iterations[-1] != solver.iter for test in history.tests):
        solver.test()
    result: dict[str, Any] = {
        "iterations": solver.iter,
        "loss": shortest(history.loss[-1]) if len(history.loss) else None,
    }
    for number, test in enumerate(history.tests):
        first = f"test{number}_" if len(history.tests) > 1 else "test_"
        result |= named(first, {name: values[-1] for name, values in test.scores.items()})
        result.setdefault(f"{first}loss", shortest(test.loss[-1]))
    blobs = [blob.data for blobs in solver.net.params.values() for blob in blobs]
    return result | {"weights": digest(blobs)}


def named(first: str, outputs: Mapping[str, np.ndarray]) -> dict[str, float | None]:
    """The values of outputs by field: NAME, or NAME_0 and so on of several values."""
    return {
        f"{first}{name}" + (f"_{at}" if values.size > 1 else ""): shortest(value)
        for name, values in outputs.items()
        for at, value in enumerate(values.reshape(-1)[:MOST_VALUES])
    }


def shortest(value: np.float32) -> float | None:
    """The number of the fewest digits that is this one as float32."""
    return finite(float(str(np.float32(value))))
