"""caffe64 predict: labels and probabilities, or values, for the rows of a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..formats.streams import STDOUT
from . import options

NAME = "predict"
EXAMPLES = (
    "caffe64 predict model.c64 new.csv -o predicted.csv",
    "caffe64 predict net.txt weights.bin X.npy | head -3",
)


def command(
    net: options.Net,
    weights: options.Weights,
    x: options.TableX,
    out: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write CSV, or Parquet if it ends so. Default: CSV on stdout.",
            callback=options.to_stdout,
            show_default=False,
        ),
    ] = Path(STDOUT),
    ignore_unknown: options.IgnoreUnknown = False,
    threads: options.Threads = None,
    strict: options.Strict = False,
) -> None:
    """Predict each row: a label and the probability of each label, or values.

    MODEL.c64 is written by caffe64 train. If it was trained on a table, X is another table, CSV or Parquet, with the
    same columns: the target may be missing, further columns are ignored. All that was fitted is in the model.
    """
    from ..formats.data import kernels_to_read
    from ..tables.predictions import write_predictions
    from . import compiling, files
    from .bundles import read_net
    from .output import Output
    from .table_data import predictions, refuse_unknown

    files.check_inputs((net, weights, x))
    files.check_outputs((out,), (net, weights, x))
    output = Output(result=out)
    model, columns = read_net(net, weights)
    refuse_unknown(columns, ignore_unknown)
    compiling.prepare([*model.kernels(training=False), *kernels_to_read(x)], output)
    write_predictions(
        out, predictions(model, columns, x, strict=strict, ignore_unknown=ignore_unknown, threads=threads)
    )
