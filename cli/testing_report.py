"""What `caffe64 test` shows while it runs: the original's lines off a terminal, a live bar on one."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from . import original
from .live import Bar, rows_per_second
from .output import Output


@contextlib.contextmanager
def progress(output: Output, rows: int, minibatch: int) -> Iterator[Callable[[int], None]]:
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


def _bar_watch(bar, rows: int) -> Callable[[int], None]:
    started = time.perf_counter()

    def watch(rows_done: int) -> None:
        speed = rows_per_second(rows_done, time.perf_counter() - started)
        bar.show(rows_done, rows, "testing", [f"{speed:,.0f} rows/s", f"{rows_done:,} / {rows:,} rows"])

    return watch
