"""Results and tables on stdout: drawn by Rich on a terminal, aligned text with a header line in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ..results import Result, TextTable, plain_table


def print_result(result: Result, as_json: bool) -> None:
    """Print the result of a function of the library."""
    if as_json:
        print(result.to_json())
    else:
        print_parts(result.parts)


def print_parts(parts: Sequence[TextTable | str]) -> None:
    """Tables and lines of text."""
    for part in parts:
        if isinstance(part, str):
            print(part)
        else:
            print_table(*part)


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> None:
    """The first `left` columns are texts, aligned left; the others are numbers, aligned right."""
    lines = plain_table(header, rows, left)
    if sys.stdout is not None and sys.stdout.isatty():
        from rich.console import Console

        console = Console(highlight=False)
        # Columns drawn by Rich are three spaces apart; it would squeeze a wider table until it is unreadable.
        if max(map(len, lines)) + len(header) < console.width:
            console.print(_drawn_table(header, rows, left))
            return
    print("\n".join(lines))


def _drawn_table(header, rows, left):
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column, name in enumerate(header):
        table.add_column(Text(name), justify="left" if column < left else "right", no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, row))
    return table
