"""Options of the forms of `train` and `test` that are Caffe's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from .signals import EFFECTS

LOG_FORMATS = ("caffe", "plain")


def one_of(*names: str) -> Callable[[str | None], str | None]:
    """Callback of options that take one of these words."""

    def check(value: str | None) -> str | None:
        if value is not None and value not in names:
            raise typer.BadParameter(f"'{value}' is not one of {', '.join(names)}.")
        return value

    return check


def effect(signal: str, what: str):
    return typer.Option(metavar="|".join(EFFECTS), help=f"What {signal} does. {what}", callback=one_of(*EFFECTS))


LogFormat = Annotated[
    str | None,
    typer.Option(
        metavar="|".join(LOG_FORMATS),
        help="What is printed on stderr: Caffe's own log, or short lines. Default: on a terminal a bar and short "
        "lines, else Caffe's log.",
        callback=one_of(*LOG_FORMATS),
        show_default=False,
    ),
]
Level = Annotated[int, typer.Option(metavar="N", help="Level of the net, for the rules of its layers.")]
Stage = Annotated[
    str, typer.Option(metavar="A[,B...]", help="Stages of the net, for the rules of its layers.", show_default=False)
]
Gpu = Annotated[str | None, typer.Option(hidden=True)]
