"""Arguments and options that several commands share, as annotated types for Typer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperCommand


class Command(TyperCommand):
    """A command whose usage line reads NET WEIGHTS ..., as the original's does."""

    def collect_usage_pieces(self, ctx) -> list[str]:
        return [piece.strip("{}").replace("[[", "[").replace("]]", "]") for piece in super().collect_usage_pieces(ctx)]


def examples(*lines: str) -> str:
    """The end of a help text. \\b keeps Typer from joining the lines."""
    title = "Example:" if len(lines) == 1 else "Examples:"
    return "\n".join((title, "", "\b", *(f"  {line}" for line in lines)))


def _rows(value: str) -> str:
    if value != "all" and not (value.isascii() and value.isdigit() and int(value) > 0):
        raise typer.BadParameter(f"'{value}' is neither a number of rows nor 'all'.")
    return value


def row_count(rows: str) -> int | None:
    """The argument N as the readers take it: None for all."""
    return None if rows == "all" else int(rows)


def file_argument(name: str, text: str):
    return typer.Argument(metavar=name, help=text, show_default=False)


Net = Annotated[Path, file_argument("NET", "Network file.")]
Weights = Annotated[Path, file_argument("WEIGHTS", "Weights file.")]
Rows = Annotated[
    str, typer.Argument(metavar="N", help="Number of rows to use, or 'all'.", callback=_rows, show_default=False)
]
InputX = Annotated[Path, file_argument("X", "Input rows: text, .gz, .npy or IDX.")]
InputY = Annotated[Path, file_argument("Y", "A class (sce) or targets (l2l) for each row.")]
Threads = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Number of threads. Default: what the machine offers.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
