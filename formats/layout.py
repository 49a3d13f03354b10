"""Whether the lines of a text match the rows of numbers.   numbers.py -> [layout] -> line_survey

Any layout is read: every character that is not part of a number separates, as in the original program. So a header
with digits, an empty cell, a decimal comma or "1,000" are read as other numbers than were meant, and only the
layout of the text shows it:

- a letter, a quote or another character that lists of numbers do not have, on a line with numbers;
- a line that breaks the layout that the first row sets: as many numbers on each line, each line one row or some whole
  rows; or each row over some lines, as the first one;
- numbers after those requested, where lines hold several rows.

The first of each is kept; `TextLayout.finish` warns of them, or with `strict` raises the first as an InputError.
Further rows on lines of their own are only warned of.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ..errors import InputError
from .line_survey import FIRST_LINE, LAST_LINE, LINE_FEEDS, STRANGE_FIRST, STRANGE_INNER, STRANGE_LAST
from .text import quote

NO_LINES = np.empty(0, np.int64)


class LayoutWarning(UserWarning):
    """A text is read, but perhaps not as intended."""


class Surveyed(NamedTuple):
    """A part of the text as `survey_lines` describes it: numbers in all, its runs of inner lines, and its state."""

    numbers: int
    runs: np.ndarray  # int64 [runs, 2]: numbers on each line, lines
    state: list[int]


@dataclass
class TextLayout:
    """The layout of the text `path`, for rows of `columns`; `numbers` numbers are read, None for all."""

    path: str
    columns: int
    numbers: int | None
    strange: tuple[int, int, str] | None = None  # line, column, character
    broken: tuple[int, str] | None = None  # line, its fault
    more: bool = False  # numbers after those requested
    _line: int = 1  # the present one
    _here: int = 0  # its numbers so far
    _odd: tuple[int, int, str] | None = None  # its first strange character
    _before: int = 0  # numbers on the lines before it
    _opening: list[int] = field(default_factory=list)  # numbers on the lines of the first row, while it is not full
    _pattern: np.ndarray = field(default_factory=lambda: NO_LINES)  # when it is; a single one if they are all the same
    _lines: int = 0  # lines with numbers since the pattern began
    _last: tuple[int, str] | None = None  # a line of fewer whole rows: wrong unless it is the last one

    def add(self, part: Surveyed, position: Callable[[int], tuple[int, int]], text: np.ndarray) -> None:
        """The next part of the text. position(offset) gives line and column of its byte `offset` of `text`."""
        state, feeds = part.state, part.state[LINE_FEEDS]

        def seen(offset: int) -> tuple[int, int, str] | None:
            return None if offset < 0 or self.strange else (*position(offset), chr(text[offset]))

        if not feeds:
            self._here, self._odd = self._here + state[LAST_LINE], self._odd or seen(state[STRANGE_LAST])
            return
        self._here, self._odd = self._here + state[FIRST_LINE], self._odd or seen(state[STRANGE_FIRST])
        if self._odd and self._here and not self._is_behind(0):
            self.strange = self.strange or self._odd
        if odd := seen(state[STRANGE_INNER]):
            lines = np.repeat(*part.runs.T)[: odd[0] - self._line - 1]
            self.strange = None if self._is_behind(self._here + int(lines.sum())) else odd
        runs = np.concatenate([[(self._here, 1)], part.runs])
        self._check(runs)
        self._before += self._here + part.numbers - state[FIRST_LINE] - state[LAST_LINE]
        self._line += feeds
        self._here, self._odd = state[LAST_LINE], seen(state[STRANGE_LAST])

    def close(self) -> None:
        """After the last part that was read."""
        if self._here and not self._is_behind(0):
            self.strange = self.strange or self._odd
            self._check(np.array([[self._here, 1]]))
        self._here = 0

    def finish(self, *, strict: bool) -> None:
        """Report the findings: the first as an InputError if `strict`, else all as warnings."""
        self.close()
        for line, column, found, meaning in self._findings():
            if strict:
                raise InputError(self.path, found, hint=meaning, line=line, column=column)
            self._warn(line, column, found, meaning)
        if self.more and self.numbers is not None and self._rows_end_with_lines:
            rows = self.numbers // self.columns
            self._warn(None, None, f"holds more rows than {rows}", "those behind are ignored")

    def _warn(self, line: int | None, column: int | None, found: str, meaning: str) -> None:
        where = ":".join(str(part) for part in (self.path, line, column) if part is not None)
        warnings.warn(LayoutWarning(f"{where}: {found} ({meaning})"), stacklevel=6)

    def hint(self) -> str:
        """A possible reason for too few or too many numbers; "" without one."""
        if self.broken and self.columns > 1:
            return f"line {self.broken[0]} {self.broken[1]}"
        if strange := self.strange or self._odd:
            line, column, character = strange
            return f"line {line} column {column} holds {character!r}, which separates"
        return ""

    def _findings(self) -> Iterator[tuple[int | None, int | None, str, str]]:
        """Line, column, what was found, and what it means."""
        if self.strange:
            line, column, character = self.strange
            yield line, column, f"found {quote(character)} beside numbers", "it separates them as a space does"
        if self.broken:
            yield self.broken[0], None, self.broken[1], f"rows of {self.columns} are read on across lines"
        if self.more and self.numbers is not None and not self._rows_end_with_lines:
            rows = f"{self.numbers // self.columns} rows of {self.columns}"
            yield None, None, f"holds more numbers than {rows} take", "those behind are ignored"

    @property
    def _rows_end_with_lines(self) -> bool:
        """Whether each row has lines of its own: then numbers after those requested are further rows."""
        return not self.broken and self._pattern.size > 0 and bool(self._pattern[0] <= self.columns)

    def _is_behind(self, numbers: int) -> bool:
        """True if the text after `numbers` further numbers is not requested."""
        return self.numbers is not None and self._before + numbers >= self.numbers

    def _check(self, runs: np.ndarray) -> None:
        """The next whole lines, runs [n, 2] of (numbers on each, lines); empty ones do not count."""
        counts, repeats = runs.T
        if self.numbers is not None and self._before + int(counts @ repeats) > self.numbers:
            counts, repeats = np.repeat(counts, repeats), 1
            counts = counts[self._before + np.cumsum(counts) - counts < self.numbers]
        filled = counts[counts > 0]
        if not self._pattern.size and not self._opening and len(filled) and filled[0] % self.columns == 0:
            self._pattern = filled[:1]
        if len(filled) and self._last:
            self.broken = self._last
        if self.broken or (self._is_uniform() and np.isin(counts, (0, self._pattern[0])).all()):
            return
        counts = np.repeat(counts, repeats)
        lines = np.flatnonzero(counts)
        counts = counts[lines]
        start = 0 if self._pattern.size else self._open(counts, lines)
        if self.broken or start == len(counts):
            return
        counts, lines = counts[start:], lines[start:]
        expected = self._pattern[np.arange(self._lines, self._lines + len(counts)) % len(self._pattern)]
        self._lines += len(counts)
        wrong = counts != expected
        if not wrong.any():
            return
        at = int(wrong.argmax())
        self._break(int(lines[at]), int(counts[at]), int(expected[at]))
        whole_rows = self._is_uniform() and self._pattern[0] > self.columns and counts[at] % self.columns == 0
        if whole_rows and at == len(counts) - 1:
            self._last, self.broken = self.broken, None

    def _is_uniform(self) -> bool:
        return self._pattern.size == 1

    def _open(self, counts: np.ndarray, lines: np.ndarray) -> int:
        """Find the layout of the first row; returns the first line after it, or the number of lines."""
        sums = sum(self._opening) + np.cumsum(counts)
        stop = min(int(np.searchsorted(sums, self.columns)) + 1, len(counts))
        self._opening += counts[:stop].tolist()
        total = sum(self._opening)
        if total == self.columns:
            uniform = len(set(self._opening)) == 1
            self._pattern, self._lines = np.array(self._opening[:1] if uniform else self._opening), 0
        elif total > self.columns:
            self._break(int(lines[stop - 1]), int(counts[stop - 1]), None)
        return stop

    def _break(self, line: int, found: int, expected: int | None) -> None:
        holds = f"holds {found} number{'' if found == 1 else 's'}"
        if expected is None:
            like = f"a row of {self.columns} ends among them"
        elif self._is_uniform():
            like = f"the lines before hold {expected}"
        else:
            like = f"the same line of the first row holds {expected}"
        self.broken = (self._line + line, f"{holds}, {like}")
