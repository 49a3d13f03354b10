"""A written program: its steps, their tables and constants, and the threads that run it."""

from __future__ import annotations

from functools import partial

import numpy as np

from ...compiler.fields import numbers
from ...team.barrier import make_sync
from ...team.pool import run_together
from .emitter import Emitter
from .team import ProgramRow, run_steps


class Program:
    """What an Emitter has collected, over an arena."""

    def __init__(self, emitter: Emitter, arena: np.ndarray):
        self.arena, self.threads = arena, emitter.threads
        self.constants, self.packed = emitter.constants(), list(emitter.packed.values())
        tables, count = emitter.tables(), len(emitter.steps)
        rows = [ProgramRow(step.kernel.address, step.at, step.items, step.barrier) for step in emitter.steps]
        steps = np.array([numbers(row) for row in rows], np.int64).reshape(-1)
        self._taken, self._ticks = np.zeros(count, np.int64), np.zeros(count + 1, np.int64)
        arguments = self.arena, self.constants, tables, steps, self._taken, self._ticks, make_sync()
        self._call = run_steps.bind(*arguments)

    def refresh(self) -> None:
        """Pack weights again that have changed."""
        for packed in self.packed:
            packed.refresh(self.constants)

    def run(self, first: int, last: int) -> None:
        """Steps [first, last)."""
        if self.threads == 1:
            self._call(first, last, 0, 1)
            return
        self._taken[first:last] = 0
        works = [partial(self._call, first, last, thread, self.threads) for thread in range(self.threads)]
        run_together(works, meeting=last > first)

    def shares(self, first: int, last: int) -> np.ndarray:
        """Of the time of the steps [first, last) when they ran last: float64, with the sum 1; of no steps, [1]."""
        ticks = np.diff(self._ticks[first : last + 1])
        return ticks / ticks.sum() if last > first else np.ones(1)
