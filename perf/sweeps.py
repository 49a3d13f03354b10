"""How much sooner several workers end a sweep than one does: warm processes of this machine, in turns.

First it is measured how many processors the workers get at all: on a machine that others use, no number of workers is
worth more.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..jobs.executors import open_executor
from ..jobs.run import run_job
from ..jobs.sweep import sweep

NET = "inp 784 100 / lin 100 -2 / rel / lin 10 -2 / sce"
ROWS = 6000
ROUNDS = 5
BUSY_SECONDS = 0.5


class SweepTimes(NamedTuple):
    """Seconds of each round, `one` worker and `several`; `processors` that as many busy processes got before and
    after."""

    one: list[float]
    several: list[float]
    processors: list[float]

    @property
    def lines(self) -> list[str]:
        ratio = min(self.one) / min(self.several)
        return [
            f"one worker      {min(self.one):.2f} s, least of {len(self.one)} rounds ({max(self.one):.2f} the most)",
            f"several workers {min(self.several):.2f} s ({max(self.several):.2f}): {ratio:.2f} times as fast",
            f"as many busy processes got {min(self.processors):.2f} to {max(self.processors):.2f} processors",
        ]


def busy(seconds: float) -> float:
    """Compute for so long; returns the seconds of processor time that this got."""
    end, used = time.perf_counter() + seconds, time.process_time()
    while time.perf_counter() < end:
        sum(range(1000))
    return time.process_time() - used


def measure_sweeps(workers: int, jobs: int, epochs: int) -> SweepTimes:
    """Time `jobs` trainings of a net by one worker and by `workers`."""
    found = SweepTimes([], [], [])
    with _jobs(jobs, epochs) as given, open_executor(workers=1) as one, open_executor(workers=workers) as several:
        for executor in (one, several):  # imports, kernels and data are there then
            warm = [executor.submit(run_job, given[0] | {"seed": seed, "epochs": 1}) for seed in range(4 * workers)]
            assert all("result" in each.result() for each in warm)
        found.processors.append(_processors(several, workers))
        for _ in range(ROUNDS):
            for executor, seconds in ((one, found.one), (several, found.several)):
                started = time.perf_counter()
                assert all("result" in each for each in sweep(given, executor))
                seconds.append(time.perf_counter() - started)
        found.processors.append(_processors(several, workers))
    return found


def _processors(executor: Executor, workers: int) -> float:
    return sum(executor.map(busy, [BUSY_SECONDS] * workers)) / BUSY_SECONDS


@contextlib.contextmanager
def _jobs(count: int, epochs: int) -> Iterator[list[dict[str, Any]]]:
    """Trainings on random rows by other seeds."""
    draws = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder, "X.npy"), draws.standard_normal((ROWS, 784), np.float32))
        np.save(Path(folder, "Y.npy"), draws.integers(0, 10, ROWS))
        job = {"net": NET, "x": f"{folder}/X.npy", "y": f"{folder}/Y.npy", "rate": 0.001, "momentum": 0.9}
        job |= {"step": 0, "factor": 1.0, "decay": 0.0}
        yield [job | {"epochs": epochs, "seed": seed} for seed in range(count)]
