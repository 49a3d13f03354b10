"""caffe64 convert: number files from one format into another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import options

NAME = "convert"
EXAMPLES = (
    "caffe64 convert train-images-idx3-ubyte.gz X.txt --add -128",
    "caffe64 convert X.txt X.npy --columns 784",
)


def command(
    source: Annotated[Path, options.input_argument("IN", "File to read, recognised by its content.")],
    target: Annotated[
        Path, options.output_argument("OUT", "File to write: .txt .csv .npy .idx -ubyte .gz, or -: text.")
    ],
    columns: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Numbers per row in a text IN. Default: those of its first line."),
    ] = None,
    add: Annotated[float, typer.Option(metavar="A", help="Write (value + A) * S.")] = 0.0,
    scale: Annotated[float, typer.Option(metavar="S", help="See --add.")] = 1.0,
    strict: options.Strict = False,
) -> None:
    """Convert number files: text, .npy, MNIST's IDX, also with .gz."""
    from ..formats.data import convert
    from ..formats.export import writer_for
    from . import compiling, files
    from .output import Output

    files.check_inputs((source,))
    files.check_outputs((target,), (source,))
    output = Output()
    writer_for(target)  # a wrong suffix is refused before kernels are compiled
    compiling.prepare(compiling.text_kernels(source), output)
    shape = convert(source, target, columns=columns, add=add, scale=scale, strict=strict)
    output.say(f"{target} holds {' x '.join(map(str, shape))} numbers")
