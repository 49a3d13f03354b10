"""What functions of the API return: data, which is also a text as the command prints it, HTML for a notebook, and JSON.

A result consists of parts: tables and lines of text. All that comes from files is escaped in its HTML.
"""

from __future__ import annotations

import json
import shutil
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

from .markup import escaped

WIDTH_OF_A_PIPE = 200  # columns; a file, a pager and a notebook scroll


class TextTable(NamedTuple):
    """Cells as text. The first `left` columns are aligned left, the others, numbers, right."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: int = 1

    @property
    def lines(self) -> list[str]:
        """Plain text."""
        return plain_table(*self)

    @property
    def html(self) -> str:
        """A <table>, its cells escaped."""
        body = "".join(self._row("td", row) for row in self.rows)
        return f"<table><thead>{self._row('th', self.header)}</thead><tbody>{body}</tbody></table>"

    def _row(self, tag: str, cells: Sequence[str]) -> str:
        sides = ["left" if column < self.left else "right" for column in range(len(cells))]
        drawn = [
            f'<{tag} style="text-align:{side}">{escaped(cell)}</{tag}>' for side, cell in zip(sides, cells, strict=True)
        ]
        return f"<tr>{''.join(drawn)}</tr>"


def plain_table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """The lines of a `TextTable` as text, columns two spaces apart."""
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return [
        "  ".join(
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


def text_width() -> int:
    """Columns for text on stdout: the terminal's, or WIDTH_OF_A_PIPE where there is none."""
    if sys.stdout is not None and sys.stdout.isatty():
        return shutil.get_terminal_size().columns
    return WIDTH_OF_A_PIPE


def shortened(text: str, length: int) -> str:
    """A text from a file for a table: at most so many characters, those that do not print escaped."""
    printable = text if text.isprintable() else repr(text)[1:-1]
    return printable if len(printable) <= length else f"{printable[: length - 3]}..."


class Result(ABC):
    """`parts` and `data` say all: str() is the plain text, a notebook shows the tables, `to_json()` is `data`."""

    @property
    @abstractmethod
    def parts(self) -> list[TextTable | str]:
        """Tables and lines of text, in the order in which they are printed."""

    @property
    @abstractmethod
    def data(self) -> dict[str, Any] | list[Any]:
        """What `to_json` writes: dicts, lists, texts and numbers."""

    def to_json(self) -> str:
        """The text that the command prints with --json."""
        return json.dumps(self.data, indent=2)

    def __str__(self) -> str:
        return "\n".join(line for part in self.parts for line in ([part] if isinstance(part, str) else part.lines))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return "".join(f"<div>{escaped(part)}</div>" if isinstance(part, str) else part.html for part in self.parts)
