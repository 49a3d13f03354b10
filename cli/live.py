"""One line at the bottom of the terminal that is redrawn while work goes on: [bar] under train, test, warm-up.

    epoch 3/15  ━━━━━━━━━━━━━━━━  rate 0.001  51,200 rows/s  loss 0.1235  0:12 left

Rich is imported here and nowhere else, on first use. Rich handles colours and NO_COLOR.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

REDRAWS = 10  # per second
SHORTEST_BAR = 5
GAP = 2


class Bar:
    """Context manager. Lines printed meanwhile (`print`, warnings) appear above the bar."""

    def __init__(self):
        from rich.console import Console
        from rich.live import Live

        self._console = Console(stderr=True, highlight=False)
        # Redrawn by `show` alone: no second thread beside the kernels.
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._drawn = 0.0

    def __enter__(self) -> Bar:
        self._live.__enter__()
        return self

    def __exit__(self, *error) -> None:
        self._live.__exit__(*error)

    def show(self, done: float, total: float, title: str, notes: Sequence[str] = ()) -> None:
        """Draw the bar at `done` of `total`. Of `notes`, the first ones are dropped first on a narrow terminal.

        It may be called often: it draws REDRAWS times per second, and at the end.
        """
        now = time.monotonic()
        if now - self._drawn < 1 / REDRAWS and done < total:
            return
        self._drawn = now
        self._live.update(self._line(done, total, title, notes), refresh=True)

    def print(self, text: str) -> None:
        """One line that stays, above the bar."""
        self._console.print(text, markup=False, soft_wrap=True)

    def _line(self, done, total, title, notes):
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        width = min(self._console.width, terminal_width() or self._console.width)
        kept, room = fit(width, title, notes)
        grid = Table.grid(padding=(0, GAP, 0, 0), pad_edge=False)
        cells = [title[: max(1, width - 1)]]
        if room:
            cells.append(ProgressBar(total=max(total, 1), completed=done, width=room))
        for _ in (*cells, *kept):
            grid.add_column(no_wrap=True)
        grid.add_row(*cells, *kept)
        return grid


def terminal_width() -> int:
    """Columns of the terminal on stderr, 0 if unknown. Rich prefers $COLUMNS, and a line that is wider than the
    terminal wraps, so that the bar stays where it was and is drawn again below."""
    try:
        return os.get_terminal_size(2).columns
    except OSError:
        return 0


def rows_per_second(rows: int, seconds: float) -> float:
    """The rows/s that are shown in the bar, the lines of epochs and the log: rows that went through the
    net in a second of computing. Reading and writing files is not counted, nor is validation."""
    return rows / max(seconds, 1e-9)


def fit(width: int, title: str, notes: Sequence[str]) -> tuple[list[str], int]:
    """The notes that fit beside `title` into `width` columns, and the columns left for the bar (0: no bar)."""
    kept = list(notes)
    while True:
        # The last column of a terminal stays free: some wrap when it is written.
        room = width - 1 - len(title) - sum(len(note) + GAP for note in kept)
        if room >= 0 or not kept:
            break
        del kept[0]
    room -= GAP
    return kept, min(room, 40) if room >= SHORTEST_BAR else 0


def clock(seconds: float) -> str:
    """Seconds as 0:07, 12:34 or 1:02:03."""
    minutes, second = divmod(int(seconds + 0.5), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"
