"""What a sweep shows while it runs: on a terminal the best settings above a bar, elsewhere a line now and then."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ..jobs.ranking import Ranking, score_of
from ..jobs.records import FINAL
from ..jobs.table import Numbered, number, ranking_table
from .live import Bar, clock
from .output import Output

if TYPE_CHECKING:
    from ..jobs.records import Record
    from ..jobs.sweep import SweepRun

BEST = 5  # settings above the bar
LINE_SECONDS = 1.0  # between two lines, at least, but for errors
REDRAW_SECONDS = 0.5


class SweepReport:
    """Context manager: lines on stderr. `show` takes each new record, and None now and then."""

    def __init__(self, output: Output, sweep: SweepRun):
        self.output, self.total = output, len(sweep.jobs)
        self.ranking = Ranking(sweep.jobs)
        jobs = Ranking(sweep.jobs, each=True)
        self.fields, self.names = jobs.fields, Numbered(jobs.values)
        known = sweep.results
        self.ranking.add_all(known)
        self.done, self._first = self.total - len(sweep.left), self.total - len(sweep.left)
        self.failed = sum("error" in record for record in known)
        self._started, self._shown = time.monotonic(), 0.0

    def __enter__(self) -> SweepReport:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def show(self, record: Record | None) -> None:
        if record is None:
            return
        self.take(record)
        now = time.monotonic()
        if now - self._shown >= LINE_SECONDS or is_odd(record) or self.done == self.total:
            self._shown = now
            self.output.say("  ".join([f"{self.done}/{self.total}", *self.outcome(record), *self.notes()]))

    def take(self, record: Record) -> None:
        self.ranking.add(record)
        self.done += 1
        self.failed += "error" in record

    def outcome(self, record: Record) -> list[str]:
        """One job: the fields in which jobs differ, and its score or error."""
        job = record["job"]
        fields = [" ".join(f"{name}={self.names.cell(name, job.get(name))}" for name in self.fields)]
        if "error" in record:
            error = record["error"]
            return [*filter(None, fields), error["type"] + f": {error['message']}" * is_odd(record)]
        by = self.ranking.best_score()
        return [*filter(None, fields), f"{by} {number(score_of(record, by))}"]

    def notes(self) -> list[str]:
        """How many have failed, and the time that is left."""
        seconds = time.monotonic() - self._started
        pace = (self.done - self._first) / seconds if seconds > 0 else 0
        failed = [f"{self.failed} failed"] if self.failed else []
        return [*failed, f"{clock((self.total - self.done) / pace)} left"] if pace else failed


def is_odd(record: Record) -> bool:
    """Whether its job failed otherwise than by a rate that was too large, as sweeps try some."""
    return "error" in record and record["error"]["type"] not in FINAL


class LiveSweepReport(SweepReport):
    """A table of the best settings, and a bar below it."""

    def __init__(self, output: Output, sweep: SweepRun):
        super().__init__(output, sweep)
        self._bar = TableBar()

    def __enter__(self) -> LiveSweepReport:
        self._bar.__enter__()
        self._draw()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.__exit__(*error)

    def show(self, record: Record | None) -> None:
        if record is not None:
            self.take(record)
            if is_odd(record):
                self._bar.print("  ".join(["caffe64:", *self.outcome(record)]))
        if time.monotonic() - self._shown >= REDRAW_SECONDS or self.done == self.total:
            self._draw()

    def _draw(self) -> None:
        self._shown = time.monotonic()
        by = self.ranking.best_score()
        if by:
            table, lines = ranking_table(self.ranking, by, most=BEST)
            self._bar.above = [*table.lines, *lines]
        self._bar.show(self.done, self.total, f"{self.done}/{self.total} jobs", self.notes())


class TableBar(Bar):
    """A bar with lines above it that are drawn anew with it."""

    above: list[str] = []  # noqa: RUF012 (replaced, not changed)

    def _line(self, *bar: Any) -> Any:
        from rich.console import Group
        from rich.text import Text

        return Group(*(Text(line, no_wrap=True, overflow="ellipsis") for line in self.above), super()._line(*bar))


def make_report(output: Output, sweep: SweepRun) -> SweepReport:
    return (LiveSweepReport if output.can_draw else SweepReport)(output, sweep)
