"""The loop of `caffe train`: what happens at which iteration, in Caffe's order.

    before iteration t     the tests, if t % test_interval = 0, at t = 0 only by test_initialization
    iteration t            shown if t % display = 0
    after it, at t + 1     a snapshot, if (t + 1) % snapshot = 0 or a signal asks for one; a stop, if one asks for that
    at the end             a snapshot unless there is one; if max_iter % display = 0 another pass forward, which is
                           shown; the tests if max_iter % test_interval = 0

A stop ends after the snapshot.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...errors import Diverged
from ...ranks.agreement import agreed
from ...ranks.together import on_first
from .events import (
    Begun,
    Finished,
    Saved,
    Shown,
    Stepped,
    Tell,
    Tested,
    TestStopped,
    ignore,
    listed,
)
from .sharded_net import ShardedNet
from .solver import CaffeTraining

STOP, SNAPSHOT = ASKED = ("stop", "snapshot")  # what a signal may ask for
Poll = Callable[[], str | None]  # STOP, SNAPSHOT or None, once for each time that it was asked for


class TrainingLoop:
    """Of a solver, as it stands. `tell` hears of what happens; `poll` is asked between iterations, and between the
    passes of tests. A loss, or weights of a snapshot, that are not finite raise Diverged, unless `keep_going`.

    Over ranks, each of which has one, what one of them is asked for all do after the same iteration; rank 0 alone runs
    tests, and a snapshot that is asked for meanwhile is written after them."""

    def __init__(
        self, solver: CaffeTraining, tell: Tell = ignore, poll: Poll = lambda: None, *, keep_going: bool = False
    ):
        self.solver, self.tell, self.poll, self.keep_going = solver, tell, poll, keep_going
        self.settings = solver.parsed.settings
        self.stopped = False
        self.saved: Saved | None = None  # the last one
        self._traced, self._loss = False, np.float32(np.nan)
        self._postponed = False  # a snapshot, until the end of a test
        if isinstance(solver.trainer, ShardedNet) and solver.group.size > 1:
            solver.trainer.ask = self._ask

    def solve(self) -> None:
        """Train up to max_iter, with all that comes at the end. Raises Diverged, InputError, OutputError."""
        settings, solver = self.settings, self.solver
        self.tell(Begun(solver.iter))
        self.steps(settings.max_iter - solver.iter)
        if settings.snapshot_after_train and not _falls_on(solver.iter, settings.snapshot):
            self.snapshot()
        if not self.stopped:
            self._finish()
        self.tell(Finished(solver.iter, self.stopped))

    def steps(self, count: int) -> None:
        """So many iterations, fewer if a stop is asked for: `stopped` then."""
        settings, solver = self.settings, self.solver
        for _ in range(count):
            if _falls_on(solver.iter, settings.test_interval) and (solver.iter or settings.test_initialization):
                self.test()
                if self.stopped:
                    return
            self._step()
            asked = self._asked()
            if _falls_on(solver.iter, settings.snapshot) or SNAPSHOT in asked:
                self.snapshot()
            if STOP in asked:
                self.stopped = True
                return

    def test(self) -> None:
        """Run all test nets."""
        self.stopped, postponed = on_first(self.solver.group, self._test)
        self._postponed = False
        if postponed:
            self.snapshot()

    def _test(self) -> tuple[bool, bool]:
        """Whether a stop was asked for by then, and whether a snapshot is to follow."""
        solver = self.solver
        solver.mark_tests()
        for number in range(len(solver.tests)):
            found = solver.test(number, self._goes_on, self.tell)
            if found is None:
                self.tell(TestStopped(solver.iter, number))
                return self.stopped, self._postponed
            loss, outputs = found
            self.tell(Tested(solver.iter, number, loss, listed(solver.test_nets[number], outputs)))
        solver.marks = None
        return self.stopped, self._postponed

    def snapshot(self) -> None:
        """Write one, unless that of this iteration is there."""
        solver = self.solver
        if self.saved and self.saved.iteration == solver.iter:
            return
        if not self.keep_going and not np.isfinite(solver.trainer.owner.vector).all():
            hint = "after it the weights are not finite: try a smaller learning rate"
            raise agreed(Diverged(None, max(0, solver.iter - 1), float(self._loss), hint))
        self.saved = Saved(solver.iter, *solver.snapshot())
        self.tell(self.saved)

    def _step(self) -> None:
        displayed = _falls_on(self.solver.iter, self.settings.display)
        self._traced = displayed and self.settings.debug_info
        step = self.solver.trainer.step(self.tell, traced=self._traced, keep_going=self.keep_going, shown=displayed)
        self._loss = step.loss
        self.tell(Stepped(step, displayed, listed(self.solver.net, step.outputs)))

    def _finish(self) -> None:
        solver, settings = self.solver, self.settings
        if _falls_on(solver.iter, settings.display):
            loss, outputs = solver.trainer.show(self.tell, traced=self._traced)
            self.tell(Shown(solver.iter, loss, listed(solver.net, outputs)))
        if _falls_on(solver.iter, settings.test_interval):
            self.test()

    def _ask(self) -> list[float]:
        asked = self.poll()
        return [asked == word for word in ASKED]

    def _asked(self) -> list[str | None]:
        """What is to be done after an iteration."""
        trainer = self.solver.trainer
        if isinstance(trainer, ShardedNet) and trainer.group.size > 1:
            return [word for word, answer in zip(ASKED, trainer.answers, strict=True) if answer]
        return [self.poll()]

    def _goes_on(self) -> bool:
        """Whether a test is to go on."""
        while asked := self.poll():
            if asked == SNAPSHOT and self.solver.group.size > 1:
                self._postponed = True
            elif asked == SNAPSHOT:
                self.snapshot()
            else:
                self.stopped = True
        return not self.stopped


def _falls_on(iteration: int, interval: int) -> bool:
    return interval > 0 and iteration % interval == 0
