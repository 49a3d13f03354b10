"""caffe64 eval: the scores of a trained net on known answers."""

from __future__ import annotations

from typing import Annotated

import typer

from . import options

NAME = "eval"
EXAMPLES = (
    "caffe64 eval net.txt weights.bin all testX.txt testY.txt",
    "caffe64 eval net.txt weights.bin 10000 testX.npy testY.npy --json",
)


def command(
    net: options.Net,
    weights: options.Weights,
    n: options.Rows,
    x: options.InputX,
    y: options.InputY,
    top: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="K",
            help="Also the share of rows whose class is among the K largest outputs. Default: 5, if there are more "
            "classes.",
            show_default=False,
        ),
    ] = None,
    threads: options.Threads = None,
    strict: options.Strict = False,
    as_json: options.Json = False,
) -> None:
    """Score a net on known answers.

    Of classes: accuracy, precision, recall and F1 of each, and a table of what is taken for what; the most frequent
    confusions where it is wider than the terminal. Of real targets: R2, MAE and RMSE. --json has all of it.
    """
    from ..api import Net
    from ..formats.data import kernels_to_read
    from . import compiling, files
    from .data import naming_label, read_inputs, read_targets, require_loss
    from .output import Output
    from .table import print_result

    files.check_inputs((net, weights, x, y))
    output = Output()
    model = Net.read(net)
    require_loss(model, net)
    model.load(weights)
    compiling.prepare([*model.kernels(training=False), *kernels_to_read(x, y)], output)
    X = read_inputs(model, x, options.row_count(n), strict=strict)
    Y = read_targets(model, y, X, strict=strict)
    with naming_label(y, Y):
        scores = model.evaluate(X, Y, top=top, threads=threads)
    print_result(scores, as_json)
