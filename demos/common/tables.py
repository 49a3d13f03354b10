"""Tables on stdout: drawn on a terminal, aligned columns in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """The first column is text, aligned left; the others are numbers, aligned right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    console = Console(highlight=False)
    # Rich cuts the cells of a wider table; its columns take three characters more than they hold.
    if sys.stdout.isatty() and sum(widths) + 3 * len(widths) <= console.width:
        console.print(_drawn(header, rows))
        return
    for row in (header, *rows):
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        print("  ".join([row[0].ljust(widths[0]), *cells[1:]]))


def _drawn(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column, name in enumerate(header):
        table.add_column(Text(name), justify="right" if column else "left", no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, row))
    return table
