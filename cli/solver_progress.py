"""What a training of a Caffe net prints: short lines, above a bar on a terminal. Caffe's own log is `CaffeLog`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from ..caffe.solver.events import (
    Begun,
    Event,
    NetOutput,
    Resumed,
    Saved,
    Shown,
    Stepped,
    Tested,
    TestStopped,
    WeightsLoaded,
)
from ..caffe.solver.solver import CaffeTraining
from .live import Bar, clock, rows_per_second

Print = Callable[[str], None]
MOST_SCORES = 4  # values of test outputs in a line


def scores(outputs: Sequence[NetOutput]) -> str:
    """accuracy 0.9707, loss 0.0924"""
    values = [f"{output.name} {value:.4g}" for output in outputs for value in output.values]
    more = [f"{len(values) - MOST_SCORES} more"] if len(values) > MOST_SCORES else []
    return ", ".join(values[:MOST_SCORES] + more)


class PlainReport:
    """Called with events; lines by `print`."""

    def __init__(self, print: Print, solver: CaffeTraining):
        self.print, self.solver = print, solver
        fed = solver.trainer.fed
        self._rows = solver.trainer.rows
        self._unit = "pictures/s" if fed.has_pictures else "rows/s"
        self._since = self._pause = time.perf_counter()
        self._seconds, self._iterations = 0.0, 0  # of iterations since the last line

    def __call__(self, event: Event) -> None:
        match event:
            case WeightsLoaded() if event.test is None:
                ignored = f" without {', '.join(event.ignored)}" if event.ignored else ""
                self.print(f"weights of {event.path}{ignored}")
            case Resumed():
                self.print(f"resuming {event.path} at iteration {self.solver.iter}")
            case Begun():
                self._pause = time.perf_counter()
            case Tested():
                self._pause = time.perf_counter()
                net = f"test {event.number}" if len(self.solver.tests) > 1 else "test"
                self.print(f"iteration {event.iteration}  {net}  {scores(event.outputs)}")
            case TestStopped():
                self.print(f"iteration {event.iteration}  the test was left")
            case Stepped():
                self._step(event)
            case Shown():
                self.print(f"iteration {event.iteration}  loss {event.loss:.6g}")
            case Saved():
                self._pause = time.perf_counter()
                self.print(f"snapshot {event.state}")

    def speed(self) -> str:
        return f"{rows_per_second(self._iterations * self._rows, self._seconds):,.0f} {self._unit}"

    def _step(self, event: Stepped) -> None:
        now = time.perf_counter()
        self._seconds, self._pause = self._seconds + now - self._pause, now
        self._iterations += 1
        self.stepped(event)
        if event.displayed:
            self._seconds, self._iterations = 0.0, 0

    def stepped(self, event: Stepped) -> None:
        step = event.step
        if event.displayed:
            self.print(f"iteration {step.iteration}  loss {step.smoothed:.6g}  rate {step.rate:g}  {self.speed()}")


class LiveReport(PlainReport):
    """The same, without a line for each iteration that is displayed: these are in a bar."""

    def __init__(self, bar: Bar, solver: CaffeTraining):
        super().__init__(bar.print, solver)
        self._bar, self._scores = bar, ""
        self._first, self._started = solver.iter, time.perf_counter()

    def __call__(self, event: Event) -> None:
        if isinstance(event, Begun):
            self._first, self._started = event.iteration, time.perf_counter()
        if isinstance(event, Tested) and event.number == 0:
            self._scores = scores(event.outputs)
        super().__call__(event)

    def stepped(self, event: Stepped) -> None:
        step, total = event.step, self.solver.parsed.settings.max_iter
        done = step.iteration + 1
        pace = max(done - self._first, 1) / max(time.perf_counter() - self._started, 1e-9)
        notes = [self._scores] if self._scores else []
        notes += [f"rate {step.rate:g}", self.speed(), f"loss {step.smoothed:#.4g}"]
        self._bar.show(done, total, f"iteration {done}/{total}", [*notes, f"{clock((total - done) / pace)} left"])
