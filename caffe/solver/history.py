"""What a training has given so far: losses and rates by iteration, and the scores of the test nets."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...results import Result, TextTable
from .events import Event, Stepped, Tested

MOST_ROWS = 20  # of the table


class TestHistory:
    """Of one test net: `iterations` int64 [N] before which it ran, the mean `loss` float32 [N] of its passes, and
    `scores`, the means of its outputs by name, float32 [N], or [N, ...] for those of more than one number."""

    def __init__(self) -> None:
        self._rows: list[tuple[int, float, dict[str, np.ndarray]]] = []

    @property
    def iterations(self) -> np.ndarray:
        return np.array([iteration for iteration, _, _ in self._rows], np.int64)

    @property
    def loss(self) -> np.ndarray:
        return np.array([loss for _, loss, _ in self._rows], np.float32)

    @property
    def scores(self) -> dict[str, np.ndarray]:
        names = self._rows[-1][2] if self._rows else {}
        return {name: np.stack([scores[name] for _, _, scores in self._rows]) for name in names}

    def add(self, event: Tested) -> None:
        scores = {each.name: each.values if each.values.size > 1 else each.values.reshape(()) for each in event.outputs}
        self._rows.append((event.iteration, float(event.loss), {name: np.array(each) for name, each in scores.items()}))


class SolverHistory(Result):
    """Of a `Solver`, from its start or the last `restore` on: `iterations` int64 [N], `loss` float32 [N], the mean of
    each one's passes, and `rate` float32 [N]; `tests` has a TestHistory per test net. As text, and in a notebook, it is
    a table."""

    def __init__(self, tests: int) -> None:
        self.tests = [TestHistory() for _ in range(tests)]
        self._rows: list[tuple[int, float, float]] = []

    @property
    def iterations(self) -> np.ndarray:
        return np.array([iteration for iteration, _, _ in self._rows], np.int64)

    @property
    def loss(self) -> np.ndarray:
        return np.array([loss for _, loss, _ in self._rows], np.float32)

    @property
    def rate(self) -> np.ndarray:
        return np.array([rate for _, _, rate in self._rows], np.float32)

    def add(self, event: Event) -> None:
        """Take note of an event, if it is a step or a test."""
        if isinstance(event, Stepped):
            self._rows.append((event.step.iteration, float(event.step.loss), float(event.step.rate)))
        elif isinstance(event, Tested):
            self.tests[event.number].add(event)

    @property
    def parts(self) -> list[TextTable | str]:
        """The mean loss of the iterations up to each row's, and the test scores there."""
        if not self._rows and not any(len(test.iterations) for test in self.tests):
            return ["no iteration yet"]
        columns, at = self._score_columns(), self._ends()
        header = ["iteration", "loss", "rate", *(name for name, _ in columns)]
        rows, before = [], -1
        for end in at:
            part = [row for row in self._rows if before < row[0] < end] or []
            loss = f"{np.mean([row[1] for row in part]):.6g}" if part else ""
            rate = f"{part[-1][2]:.6g}" if part else ""
            rows.append([str(end), loss, rate, *(scores.get(end, "") for _, scores in columns)])
            before = end - 1
        return [TextTable(header, rows, 0)]

    def _score_columns(self) -> list[tuple[str, dict[int, str]]]:
        """Names of scores, and their texts by iteration; only of outputs of one number."""
        found = []
        for number, test in enumerate(self.tests):
            places = test.iterations.tolist()
            for name, values in test.scores.items():
                title = f"test {name}" if len(self.tests) == 1 else f"test {number} {name}"
                if values.ndim == 1:
                    found.append((title, {at: f"{value:.6g}" for at, value in zip(places, values, strict=True)}))
        return found

    def _ends(self) -> list[int]:
        """The iterations of the rows: of the tests, and the last one; without tests, some at even distances."""
        last = self._rows[-1][0] + 1 if self._rows else 0
        places = {int(at) for test in self.tests for at in test.iterations}
        if not places:
            first = self._rows[0][0]
            places = {int(at) for at in np.linspace(first, last, MOST_ROWS + 1)[1:]}
        chosen = sorted(places | {last})
        return [*chosen[:: -(-len(chosen) // MOST_ROWS)][:-1], chosen[-1]]

    @property
    def data(self) -> dict[str, Any]:
        tests = [
            {
                "iterations": test.iterations.tolist(), "loss": test.loss.tolist(),
                "scores": {name: values.tolist() for name, values in test.scores.items()},
            }
            for test in self.tests
        ]  # fmt: skip
        return {
            "iterations": self.iterations.tolist(), "loss": self.loss.tolist(), "rate": self.rate.tolist(),
            "tests": tests,
        }  # fmt: skip
