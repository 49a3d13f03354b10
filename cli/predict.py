"""caffe64 predict: labels and probabilities, or values, for the rows of a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write CSV, or Parquet if it ends so. Default: CSV on stdout.",
            callback=options.to_stdout,
            show_default=False,
        ),
    ] = None,
    ignore_unknown: options.IgnoreUnknown = False,
    threads: options.Threads = None,
    strict: options.Strict = False,
) -> None:
    """Predict each row: a label and the probability of each label, or values.

    MODEL.c64 is written by caffe64 train. If it was trained on a table, X is another table, CSV or Parquet, with the
    same columns: the target may be missing, further columns are ignored. All that was fitted is in the model.
    """
    import sys

    from ..tables.predictions import put_csv, write_predictions
    from . import compiling, files
    from .bundles import read_net
    from .output import Output
    from .table_data import kernels_for, predictions, refuse_unknown

    files.check_inputs((net, weights, x))
    files.check_outputs((out,), (net, weights, x))
    output = Output()
    model, columns = read_net(net, weights)
    refuse_unknown(columns, ignore_unknown)
    compiling.prepare([*model.kernels(training=False), *kernels_for(columns, x)], output)
    found = predictions(model, columns, x, strict=strict, ignore_unknown=ignore_unknown, threads=threads)
    if out is None:
        put_csv(sys.stdout, found)
    else:
        write_predictions(out, found)
        output.say(f"{compiling.count(len(found.outputs), 'row')} predicted: {out}")
