"""Where a command writes: results to stdout, everything else to stderr, each line at once.

Off a terminal, stdout carries exactly the lines of the original (`original.py`). On a terminal these give way
to a live bar (`live.py`) on stderr. --quiet leaves only errors.
"""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

from ..formats.streams import stream_number
from .original import BANNER, finished_line


class Output:
    """The two streams of one command.

    `live` is True if progress is drawn as a bar; `can_draw` if stderr can show it, for any stdout.
    A command whose result file is stdout itself (`result`) prints its lines to stderr: a reader of
    the result must not get them.
    """

    def __init__(self, *, quiet: bool = False, result: Path | None = None):
        self.quiet = quiet
        if quiet:
            warnings.simplefilter("ignore")  # until the command ends: `guard` restores the filters
        self.can_draw = not quiet and _is_terminal(sys.stderr)
        self.live = self.can_draw and _is_terminal(sys.stdout)
        self._lines_to_stderr = is_stdout(result)

    def line(self, text: str = "") -> None:
        """One line of the original's; on a live terminal and with --quiet there are none."""
        if not (self.quiet or self.live):
            print(text, file=sys.stderr if self._lines_to_stderr else sys.stdout, flush=True)

    def banner(self) -> None:
        for text in BANNER:
            self.line(text)

    def finished(self, seconds: float, path: Path) -> None:
        """The last line: `path` is written."""
        if self.live:
            self.say(f"{path} written after {seconds:.1f} s")
        else:
            self.line(finished_line(seconds))

    def say(self, text: str) -> None:
        """One line about the work, for people."""
        if not self.quiet:
            print(f"caffe64: {text}", file=sys.stderr, flush=True)


def is_stdout(path: Path | None) -> bool:
    """Whether the file to write is the process's own stdout; None: there is none to write."""
    return path is not None and stream_number(str(path)) == 1


def _is_terminal(stream) -> bool:
    """True for a terminal that can redraw a line. A closed stream is None."""
    if os.environ.get("TERM", "").lower() in ("dumb", "unknown"):
        return False
    return stream is not None and stream.isatty()
