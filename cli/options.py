"""Arguments and options that several commands share, as annotated types for Typer."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperCommand, TyperGroup

from ..arguments import MOST_THREADS
from ..formats.streams import STDIN, STDOUT

NUMBER = re.compile(r"[+-]?\d+(\.\d*)?")  # of a plain option; others go through Typer
EXAMPLE_WIDTH = 74  # without what a help text puts before a line, and the backslash at its end


class _QuickParameters:
    """Mixed into Typer's commands: plain values are taken without Typer's machinery."""

    def get_params(self, ctx) -> list:
        parameters = super().get_params(ctx)
        for parameter in parameters:
            if "process_value" not in vars(parameter):
                parameter.process_value = functools.partial(_process_value, parameter, parameter.process_value)
        return parameters


class HelpGroup(_QuickParameters, TyperGroup):
    """A command with commands."""


class Command(_QuickParameters, TyperCommand):
    """A command whose usage line reads NET WEIGHTS ..., as the original's does."""

    def collect_usage_pieces(self, ctx) -> list[str]:
        pieces = super().collect_usage_pieces(ctx)
        pieces = [
            piece.removesuffix("...") if " " in piece else piece for piece in pieces
        ]  # several words need no dots
        return [piece.replace("{", "").replace("}", "").replace("[[", "[").replace("]]", "]") for piece in pieces]


def examples(*lines: str) -> str:
    """The end of a help text, its lines cut where 80 columns are too few. \\b keeps Typer from joining them."""
    title = "Example:" if len(lines) == 1 else "Examples:"
    return "\n".join((title, "", "\b", *(f"  {part}" for line in lines for part in _continued(line))))


def _continued(line: str) -> list[str]:
    """A command as lines that a shell joins, cut before options."""
    parts = [""]
    for piece in re.split(r" (?=-)", line):
        if parts[-1] and len(f"{parts[-1]} {piece}") > EXAMPLE_WIDTH:
            parts[-1] += " \\"
            parts.append(f"    {piece}")
        else:
            parts[-1] = f"{parts[-1]} {piece}" if parts[-1] else piece
    return parts


def _process_value(parameter, process: Callable, context, value):
    """The result of Typer's `process`, for values that need no conversion.

    Typer asks pydantic, whose import takes 0.1 s, for every parameter. (Typer before 0.27 does not, and has no
    `type_descriptor`.)
    """
    if isinstance(value, str):
        value = _not_stream(value)
    elif isinstance(value, list | tuple):
        value = type(value)(map(_not_stream, value))
    kind = getattr(getattr(parameter, "type_descriptor", None), "annotation", None)
    if value is not None and kind in (str, Path) and isinstance(value, str):
        value = kind(value)
    elif value is not None and kind is float and isinstance(value, str) and NUMBER.fullmatch(value):
        value = float(value)
    elif value and parameter.multiple and all(type(each) is str for each in value) and kind in (str, list[str]):
        value = list(value)
    elif value is not None or parameter.required:
        return process(context, value)
    return parameter.callback(context, parameter, value) if parameter.callback else value


def _not_stream(text):
    """The file ./- under a name that a Path keeps: its short form would be -, the standard stream."""
    return os.path.abspath(text) if isinstance(text, str) and text != "-" and str(Path(text)) == "-" else text


def _rows(value: str) -> str:
    if value != "all" and not (value.isascii() and value.isdigit() and int(value) > 0):
        raise typer.BadParameter(f"'{value}' is neither a number of rows nor 'all'.")
    return value


def row_count(rows: str) -> int | None:
    """The argument N as the readers take it: None for all."""
    return None if rows == "all" else int(rows)


def _standard(context: typer.Context, value, stream: str, name: str):
    """`value`, one file or several, where - is the standard stream: one file of a command can be it."""
    if value is None or isinstance(value, str | Path):
        if str(value) != "-":
            return value
        if context.meta.get(stream):
            raise typer.BadParameter(f"only one file can be '-', {name}.")
        context.meta[stream] = True
        return type(value)(stream)
    return [_standard(context, each, stream, name) for each in value]


def from_stdin(context: typer.Context, value):
    """Callback of inputs: - is stdin."""
    return _standard(context, value, STDIN, "stdin")


def to_stdout(context: typer.Context, value):
    """Callback of outputs: - is stdout."""
    return _standard(context, value, STDOUT, "stdout")


def no_stream(value):
    """Callback of outputs that must be files: written more than once, or several of them."""
    if value is not None and str(value) == "-":
        raise typer.BadParameter("'-' is not a file here; ./- would be one.")
    return value


def input_argument(name: str, text: str):
    return typer.Argument(metavar=name, help=text, show_default=False, callback=from_stdin)


def output_argument(name: str, text: str):
    return typer.Argument(metavar=name, help=text, show_default=False, callback=to_stdout)


def input_option(*names: str, metavar: str, help: str):
    return typer.Option(*names, metavar=metavar, help=help, callback=from_stdin, show_default=False)


Net = Annotated[Path, input_argument("NET", "Network file.")]
Weights = Annotated[Path, input_argument("WEIGHTS", "Weights file.")]
Rows = Annotated[
    str, typer.Argument(metavar="N", help="Number of rows to use, or 'all'.", callback=_rows, show_default=False)
]
InputX = Annotated[Path, input_argument("X", "Input rows: text, .gz, .npy or IDX.")]
TableX = Annotated[Path, input_argument("X", "Input rows: text, .gz, .npy or IDX; of a .c64 that has columns a table.")]
TableY = Annotated[
    Path | None, input_argument("[Y]", "A class (sce) or targets (l2l) for each row; a table holds them itself.")
]
IgnoreUnknown = Annotated[
    bool,
    typer.Option(
        "--ignore-unknown", help="Take a category that the training had not as none of them, not as an error."
    ),
]
InputY = Annotated[Path, input_argument("Y", "A class (sce) or targets (l2l) for each row.")]
Threads = Annotated[
    int | None,
    typer.Option(min=1, max=MOST_THREADS, metavar="N", help="Number of threads. Default: what the machine offers."),
]
Strict = Annotated[
    bool,
    typer.Option("--strict", help="Refuse text whose lines do not match the rows, instead of a warning."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
