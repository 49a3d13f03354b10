"""Written programs: steps, their tables, their memory, and the threads that run them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from ...compiler.fields import numbers
from ...team.barrier import make_sync
from ...team.pool import run_together
from .team import ProgramPart, run_steps


class Program:
    """Steps over the bytes of `arena`, which they write, and of `constants`, which they read. `rows` int64 [steps,
    numbers of a ProgramRow] may be changed between runs, and so may `tables`."""

    def __init__(self, arena: np.ndarray, constants: np.ndarray, tables: np.ndarray, rows: np.ndarray, threads: int):
        self.threads = threads
        taken, self._ticks = np.zeros(len(rows), np.int64), np.zeros(len(rows) + 1, np.int64)
        self._memory = arena, constants, tables, rows, taken, self._ticks
        self._own = Linked([self.part(0, 0)])

    def part(self, first: int, last: int) -> ProgramPart:
        """Steps [first, last) for `Linked`."""
        return ProgramPart(*(array.ctypes.data for array in self._memory), first, last)

    def run(self, first: int, last: int, threads: int | None = None) -> None:
        """Steps [first, last), of which the last one has a barrier, by all threads or by `threads`."""
        self._own.parts[-2:] = first, last
        self._own.run(threads or self.threads)

    def shares(self, first: int, last: int) -> np.ndarray:
        """Of the time of the steps [first, last) when they ran last: float64, with the sum 1; of no steps, [1]."""
        ticks = np.diff(self._ticks[first : last + 1])
        return ticks / ticks.sum() if last > first else np.ones(1)


class Linked:
    """Parts of programs that run one behind the other, by one call. An interrupt finds them done, or not begun. The
    programs are to be kept alive."""

    def __init__(self, parts: Sequence[ProgramPart]):
        self.parts = np.array([numbers(part) for part in parts], np.int64).reshape(-1)
        self._call = run_steps.bind(self.parts, make_sync())

    def run(self, threads: int) -> None:
        """By so many threads."""
        if threads == 1:
            self._call(0, 1)
        else:
            run_together([partial(self._call, thread, threads) for thread in range(threads)], ends_in_barrier=True)
