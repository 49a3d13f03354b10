"""What tests let executors run: pools find these functions by the name of this module."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from caffe64.jobs.score_range import score_range


def double(number: int) -> int:
    return 2 * number


def fail(text: str) -> None:
    raise ValueError(text)


def note_pid(folder: Path) -> None:
    """A file with the number of this process as its name."""
    (folder / str(os.getpid())).touch()


def die_at_first(folder: Path, number: int) -> int:
    """The first call with this number kills its process."""
    note = folder / f"call{number}"
    if not note.exists():
        note.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return double(number)


def die(folder: Path) -> None:
    """Every call does."""
    (folder / f"{time.time_ns()}").touch()
    os.kill(os.getpid(), signal.SIGKILL)


def hang(folder: Path) -> None:
    note_pid(folder)
    time.sleep(600)


def slow_double(number: int, seconds: float) -> int:
    time.sleep(seconds)
    return double(number)


def score_and_die(folder: Path, before: bool, start: int, job: dict[str, Any]) -> dict[str, Any]:
    """`score_range`; but the first call for the range from `start` kills its process, `before` it has done anything, or
    when the scores are written and only the result is missing."""
    note = folder / f"range{start}"
    dies = job["start"] == start and not note.exists()
    if dies:
        note.touch()
        if before:
            os.kill(os.getpid(), signal.SIGKILL)
    result = score_range(job)
    if dies:
        os.kill(os.getpid(), signal.SIGKILL)
    return result


class LosingWorkers(Executor):
    """Submits scoring jobs to `inner` so that the first call for each range of `starts` kills its process."""

    def __init__(self, inner: Executor, folder: Path, starts: Sequence[int]):
        self.inner, self.folder, self.starts, self.submitted = inner, folder, starts, list[int]()

    def submit(self, fn, /, job):
        self.submitted.append(job["start"])
        if job["start"] not in self.starts:
            return self.inner.submit(fn, job)
        before = self.starts.index(job["start"]) % 2 == 0
        return self.inner.submit(score_and_die, self.folder, before, job["start"], job)

    @property
    def lost(self) -> int:
        return len(list(self.folder.glob("range*")))
