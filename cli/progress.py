"""Output of `caffe64 train` and `test` while they run: the original's lines off a terminal, a live bar on one."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ..wording import counted
from . import original
from .live import Bar, clock, rows_per_second, terminal_width
from .output import Output

if TYPE_CHECKING:
    import numpy as np

    from ..api import Training
    from ..engine.textnet.stopping import Stopping
    from ..ranks.times import RankTimes

UNKNOWN_WIDTH = 80  # of a terminal that does not say its own
EPOCH_LINES = 4  # per second, at most: tiny nets finish hundreds of epochs in that time


class TrainReport:
    """The original's lines. `minibatches` is what `Training.run_epoch` calls about 20 times per second.

    The original clears its sum of losses at a line, not at an epoch, and always divides by 20. So where an epoch
    is not a multiple of 20 minibatches, the first line of the next one is too high. Kept, as its logs are compared.
    """

    def __init__(self, output: Output, training: Training):
        self._output, self._training, self._optimizer = output, training, training.optimizer
        self._sum = 0.0  # of the losses since the last line
        self._summed = training.step - training.step % original.INTERVAL  # minibatches of the epoch up to there

    def __enter__(self) -> TrainReport:
        return self

    def __exit__(self, *error) -> None:
        pass

    def begin_epoch(self) -> None:
        """An epoch begins, or continues where a resumed run left it."""

    def minibatches(self, step: int, losses: np.ndarray) -> None:
        """The first `step` minibatches of the epoch are done; `losses` [steps] float64 holds theirs."""
        training, epochs = self._training, self._optimizer.epochs
        while self._summed < step:
            end = min(step, (self._summed // original.INTERVAL + 1) * original.INTERVAL)
            self._sum += float(losses[self._summed : end].sum())
            self._summed = end
            if end % original.INTERVAL == 0:
                loss, self._sum = self._sum / original.INTERVAL, 0.0
                self._output.line(
                    original.training_line(
                        training.epoch + 1, epochs, end, training.steps, training.rates[end - 1], loss
                    )
                )

    def say(self, text: str) -> None:
        """One line about the work, for people."""
        self._output.say(text)

    def epoch(self, record: dict) -> None:
        """An epoch has ended; `record` as in `log.FIELDS`."""
        self._summed = 0
        self._output.line()
        drops = self._optimizer.step if self._optimizer.schedule == "step" else 0
        if drops and record["epoch"] % drops == 0:
            self._output.line(original.drop_line(self._optimizer.factor))
        if record["validation_loss"] is not None:
            self._output.say(f"epoch {original.counter(record['epoch'], self._optimizer.epochs)}: {validation(record)}")


class LiveTrainReport(TrainReport):
    """A bar over all epochs, and above it one line for each epoch (for the last one of many short ones)."""

    def __init__(self, output: Output, training: Training):
        super().__init__(output, training)
        self._bar = Bar()
        self._first = self._minibatches_done(training.step)
        self._started = time.perf_counter()
        self._last_line = 0.0
        self.begin_epoch()

    def __enter__(self) -> TrainReport:
        self._bar.__enter__()
        return self

    def __exit__(self, *error) -> None:
        self._bar.__exit__(*error)

    def begin_epoch(self) -> None:
        self._epoch_started, self._first_step = time.perf_counter(), self._training.step

    def minibatches(self, step: int, losses: np.ndarray) -> None:
        training, epochs = self._training, self._optimizer.epochs
        done, total = self._minibatches_done(step), epochs * training.steps
        pace = max(done - self._first, 1) / max(time.perf_counter() - self._started, 1e-9)  # with validation
        recent = losses[max(0, step - original.INTERVAL) : step]
        rows = (step - self._first_step) * training.batch
        speed = rows_per_second(rows, time.perf_counter() - self._epoch_started)
        notes = [f"rate {training.rates[max(step, 1) - 1]:g}", f"{speed:,.0f} rows/s"]
        if len(recent):
            notes.append(f"loss {recent.mean():#.4g}")
        notes.append(f"{clock((total - done) / pace)} left")
        self._bar.show(done, total, f"epoch {training.epoch + 1}/{epochs}", notes)

    def say(self, text: str) -> None:
        self._bar.print(text)

    def epoch(self, record: dict) -> None:
        last = record["epoch"] == self._optimizer.epochs
        if time.monotonic() - self._last_line < 1 / EPOCH_LINES and not last:
            return
        self._last_line = time.monotonic()
        text = f"epoch {record['epoch']:{len(str(self._optimizer.epochs))}d}  loss {record['loss']:.6f}"
        if record["validation_loss"] is not None:
            text += f"  {validation(record)}"
        speed = f"  {record['rows_per_second']:,.0f} rows/s"  # which the bar shows as well
        self._bar.print(text + speed if len(text + speed) < (terminal_width() or UNKNOWN_WIDTH) else text)

    def _minibatches_done(self, step: int) -> int:
        return self._training.epoch * self._training.steps + step


def validation(record: dict) -> str:
    text = f"validation loss {record['validation_loss']:.6f}"
    if record["validation_accuracy"] is not None:
        text += f", accuracy {record['validation_accuracy']:.2%}"
    if record.get("validation_r2") is not None:
        text += f", R2 {record['validation_r2']:.4f}"
    return text


def last_lines(history: list[dict], stopping: Stopping) -> list[str]:
    """About the validation of a run that has ended: whether it ended early, and which epoch was the best."""
    lines = []
    if stopping.done:
        epochs = counted(stopping.patience or 0, "epoch")
        lines.append(f"ended after epoch {history[-1]['epoch']}: {epochs} without a lower validation loss")
    for record in history:
        if record["epoch"] == stopping.best_epoch:
            what = "writing the best epoch," if stopping.keep_best else "best epoch"
            lines.append(f"{what} {stopping.best_epoch}: {validation(record)}")
    return lines


def rank_line(times: RankTimes, ranks: int, unit: str = "minibatch") -> str:
    """What a minibatch took on this rank, and what one rank alone would take, about: its own rows and those of the
    others."""
    each = 1e6 / max(times.minibatches, 1)
    exchanging = times.exchanging * each
    computing = times.seconds * each - exchanging
    alone, together = ranks * computing, computing + exchanging
    text = f"{ranks} ranks: {together:,.0f} us per {unit}, {computing:,.0f} computing, {exchanging:,.0f} exchanging"
    text = f"{text}; one rank would take about {alone:,.0f}"
    if together < alone:
        return text
    return f"{text}: the ranks cost more than they bring (fewer ranks, or a larger minibatch)"


def make_report(output: Output, training: Training) -> TrainReport:
    return (LiveTrainReport if output.live else TrainReport)(output, training)


@contextlib.contextmanager
def testing_progress(output: Output, rows: int, minibatch: int) -> Iterator[Callable[[int], None]]:
    """Yields the function that `Net.predict` calls with the number of rows done."""
    if output.live:
        with Bar() as bar:
            yield _bar_watch(bar, rows)
        return
    total, printed = rows // minibatch, 0

    def watch(rows_done: int) -> None:
        nonlocal printed
        step = rows_done // minibatch  # full minibatches, as the original counts
        for end in range(printed + original.INTERVAL, step + 1, original.INTERVAL):
            output.line(original.testing_line(end, total))
            printed = end

    yield watch


@contextlib.contextmanager
def counting(output: Output, title: str, total: int, things: str) -> Iterator[Callable[[int], object]]:
    """Yields a function to call with how many `things` are done; on a terminal it draws a bar."""
    if not output.can_draw:
        yield lambda done: None
        return
    started = time.perf_counter()
    with Bar() as bar:

        def watch(done: int) -> None:
            speed = rows_per_second(done, time.perf_counter() - started)
            bar.show(done, total, title, [f"{speed:,.0f} {things}/s", f"{done:,} / {total:,}"])

        yield watch


def _bar_watch(bar, rows: int) -> Callable[[int], None]:
    started = time.perf_counter()

    def watch(rows_done: int) -> None:
        speed = rows_per_second(rows_done, time.perf_counter() - started)
        bar.show(rows_done, rows, "testing", [f"{speed:,.0f} rows/s", f"{rows_done:,} / {rows:,} rows"])

    return watch
