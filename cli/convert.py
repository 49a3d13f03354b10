"""caffe64 convert: number files, and data for Caffe nets, from one format into another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import options

NAME = "convert"
EXAMPLES = (
    "caffe64 convert train-images-idx3-ubyte.gz X.txt --add -128",
    "caffe64 convert X.txt X.npy --columns 784",
    "caffe64 convert train-images-idx3-ubyte.gz mnist_lmdb --labels labels.npy",
    "caffe64 convert photos/ photos_lmdb --resize 256x256 --shuffle",
    "caffe64 convert list.txt some.h5 --root photos/ --resize 64x64 --scale 0.01",
    "caffe64 convert train_lmdb pixels.npy --labels classes.npy",
    "caffe64 convert mean.binaryproto mean.npy",
)


def command(
    source: Annotated[
        Path,
        options.input_argument("IN", "File or folder to read, recognised by its content."),
    ],
    target: Annotated[
        Path,
        options.output_argument("OUT", "To write: .txt .csv .npy .idx -ubyte .gz, or -: text; NAME_lmdb or .h5."),
    ],
    columns: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Numbers per row in a text IN. Default: those of its first line."),
    ] = None,
    add: Annotated[float, typer.Option(metavar="A", help="Write (value + A) * S.")] = 0.0,
    scale: Annotated[float, typer.Option(metavar="S", help="See --add.")] = 1.0,
    strict: options.Strict = False,
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Labels of an array, IDX or .npy; of an OUT .npy, to write.",
            callback=options.no_stream,
        ),
    ] = None,
    root: Annotated[str, typer.Option(metavar="DIR", help="What comes before the files of a list.")] = "",
    resize: Annotated[str | None, typer.Option(metavar="WxH", help="Stretch pictures to this size.")] = None,
    gray: Annotated[bool, typer.Option("--gray", help="Make pictures gray.")] = False,
    encoded: Annotated[bool, typer.Option("--encoded", help="Write files of pictures into the LMDB.")] = False,
    shuffle: Annotated[bool, typer.Option("--shuffle", help="Write pictures or rows in a random order.")] = False,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Of --shuffle.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Replace an LMDB.")] = False,
) -> None:
    """Convert number files: text, .npy, MNIST's IDX, also with .gz; and make data for Caffe nets, or arrays of it.

    Of pictures (a list with lines of a file and a label, or a folder of folders, one per class), of arrays, databases
    and .h5 files: an LMDB, an HDF5 file with the list that HDF5Data reads, OUT.txt, or .npy. A mean picture: from
    .binaryproto to .npy and back.
    """
    from . import convert_data, files

    chosen = convert_data.Asked(labels, root, resize, gray, encoded, shuffle, seed, force)
    files.check_inputs((source,))
    if convert_data.is_mean(source, target):
        plain = (chosen, columns, add, scale) == (convert_data.NOTHING, None, 0, 1) and not strict
        convert_data.convert_mean(source, target, plain=plain)
        return
    if convert_data.is_wanted(source, target, chosen):
        convert_data.run(source, target, chosen, columns, add, scale)
        return
    _convert_numbers(source, target, columns, add, scale, strict)


def _convert_numbers(source, target, columns, add, scale, strict) -> None:
    from ..formats.data import convert, kernels_to_read
    from ..formats.export import writer_for
    from . import compiling, files
    from .output import Output

    files.check_outputs((target,), (source,))
    output = Output()
    writer_for(target)  # a wrong suffix is refused before kernels are compiled
    compiling.prepare(kernels_to_read(source), output)
    shape = convert(source, target, columns=columns, add=add, scale=scale, strict=strict)
    output.say(f"{target} holds {' x '.join(map(str, shape))} numbers")
