"""The records of a training of a Caffe net, for --log and --plot: one per iteration that is displayed or tested."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from ..caffe.solver.events import Event, Finished, NetOutput, Shown, Stepped, Tested, listed
from ..caffe.solver.solver import CaffeTraining
from .live import rows_per_second
from .log import TrainLog
from .plot import Panel, Series

MOST_CURVES = 10  # in one diagram
FIELDS = (  # and those of the test nets
    "iteration",
    "loss",  # mean of the last average_loss iterations
    "rate",
    "seconds",  # since the start of this run, with tests
    "rows_per_second",  # with tests, since the record before
)


class SolverRecords:
    """Called with events; `records` have FIELDS, and test_NAME for each output of the test net, test0_NAME and so on of
    several. Each goes to `log` as well, if there is one."""

    def __init__(self, solver: CaffeTraining, records: list[dict], log: TrainLog | None = None):
        self.solver, self.records, self.log = solver, records, log
        self._tests: dict[str, float] = {}  # for the next record
        self._started = self._last = time.perf_counter()
        self._iteration = solver.iter
        self._shown: float | None = None  # after the last iteration

    def __call__(self, event: Event) -> None:
        match event:
            case Tested():
                self._tests |= named(self.solver, event.number, event.outputs)
            case Stepped() if event.displayed or self._tests:
                self._add(event.step.iteration, shortest(event.step.smoothed), shortest(event.step.rate))
            case Shown():
                self._shown = shortest(event.loss)
            case Finished() if self._tests or self._shown is not None:
                self._add(event.iteration, self._shown, None)

    def _add(self, iteration: int, loss: float | None, rate: float | None) -> None:
        now, rows = time.perf_counter(), self.solver.trainer.rows
        speed = rows_per_second((iteration - self._iteration) * rows, now - self._last)
        self._last, self._iteration = now, iteration
        record = {"iteration": iteration, "loss": loss, "rate": rate, "seconds": now - self._started}
        self.records.append(record | {"rows_per_second": speed} | self._tests)
        self._tests = {}
        if self.log:
            self.log.append(self.records[-1])


def fields(solver: CaffeTraining) -> list[str]:
    """Of the records of this solver."""
    tests = [
        named(solver, number, listed(net, {name: net.blobs[name].data for name in net.outputs}))
        for number, net in enumerate(solver.test_nets)
    ]
    return [*FIELDS, *(name for names in tests for name in names)]


def shortest(value: np.float32) -> float:
    """The number of the fewest digits that is this one as float32: 0.01 for a rate of 0.01."""
    return float(str(value))


def named(solver: CaffeTraining, number: int, outputs: Sequence[NetOutput]) -> dict[str, float]:
    """The values of a test net's outputs by the names of their fields."""
    first = f"test{number}_" if len(solver.tests) > 1 else "test_"
    return {
        f"{first}{output.name}" + (f"_{at}" if output.values.size > 1 else ""): shortest(value)
        for output in outputs
        for at, value in enumerate(output.values)
    }


def panels(solver: CaffeTraining, records: Sequence[dict]) -> list[Panel]:
    """Losses, test scores and the rate, over the iterations."""

    def curve(name: str, label: str, color: int) -> Series:
        return Series(label, [(record["iteration"], record.get(name)) for record in records], color)

    losses, scores = [curve("loss", "training", 0)], []
    for number, net in enumerate(solver.test_nets):
        for output in listed(net, {name: net.blobs[name].data for name in net.outputs}):
            chosen = losses if output.weight else scores
            for name in named(solver, number, [output]):
                chosen.append(curve(name, name.replace("_", " ", 1), len(chosen) + (chosen is scores)))
    found = [Panel("loss", losses[:MOST_CURVES], falls=True)]
    found += [Panel("test scores", scores[:MOST_CURVES])] if scores else []
    return [*found, Panel("rate", [curve("rate", "rate", 0)])]
