"""caffe64 eval: the scores of a trained net on known answers."""

from __future__ import annotations

from typing import Annotated

import typer

from . import options

NAME = "eval"
EXAMPLES = (
    "caffe64 eval net.txt weights.bin all testX.txt testY.txt",
    "caffe64 eval net.txt weights.bin 10000 testX.npy testY.npy --json",
    "caffe64 eval model.c64 all test.csv",
)


def command(
    net: options.Net,
    weights: options.Weights,
    n: options.Rows,
    x: options.TableX,
    y: options.TableY = None,
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
    ignore_unknown: options.IgnoreUnknown = False,
    threads: options.Threads = None,
    strict: options.Strict = False,
    as_json: options.Json = False,
) -> None:
    """Score a net on known answers.

    Of classes: accuracy, precision, recall and F1 of each, and a table of what is taken for what; the most frequent
    confusions where it is wider than the terminal. Of real targets: R2, MAE and RMSE. --json has all of it.
    """
    from . import compiling, files
    from .bundles import read_net
    from .data import require_loss
    from .output import Output
    from .table import print_result
    from .table_data import kernels_for, refuse_unknown, scored_rows

    files.check_inputs((net, weights, x, y))
    output = Output()
    model, columns = read_net(net, weights)
    require_loss(model, net)
    refuse_unknown(columns, ignore_unknown)
    compiling.prepare([*model.kernels(training=False), *kernels_for(columns, x, y)], output)
    data = scored_rows(model, columns, x, y, options.row_count(n), strict=strict, ignore_unknown=ignore_unknown)
    scores = model.score(data, top=top, threads=threads)
    print_result(scores if columns is None else columns.described(scores), as_json)
