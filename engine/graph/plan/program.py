"""A written program: steps, their tables, their memory, and the threads that run them."""

from __future__ import annotations

from functools import partial

import numpy as np

from ...team.barrier import make_sync
from ...team.pool import run_together
from .team import run_steps


class Program:
    """Steps over the bytes of `arena`, which they write, and of `constants`, which they read. `rows` int64 [steps,
    numbers of a ProgramRow] may be changed between runs, and so may `tables`."""

    def __init__(self, arena: np.ndarray, constants: np.ndarray, tables: np.ndarray, rows: np.ndarray, threads: int):
        self.threads = threads
        self._taken, self._ticks = np.zeros(len(rows), np.int64), np.zeros(len(rows) + 1, np.int64)
        arguments = arena, constants, tables, rows.reshape(-1), self._taken, self._ticks, make_sync()
        self._call = run_steps.bind(*arguments)

    def run(self, first: int, last: int, threads: int | None = None) -> None:
        """Steps [first, last), of which the last one has a barrier, by all threads or by `threads`."""
        threads = threads or self.threads
        if threads == 1:
            self._call(first, last, 0, 1)
            return
        self._taken[first:last] = 0
        works = [partial(self._call, first, last, thread, threads) for thread in range(threads)]
        run_together(works, ends_in_barrier=last > first)

    def shares(self, first: int, last: int) -> np.ndarray:
        """Of the time of the steps [first, last) when they ran last: float64, with the sum 1; of no steps, [1]."""
        ticks = np.diff(self._ticks[first : last + 1])
        return ticks / ticks.sum() if last > first else np.ones(1)
