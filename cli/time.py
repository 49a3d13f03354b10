"""caffe64 time: how long a Caffe net takes, layer by layer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import caffe_options as caffe
from . import options

NAME = "time"
EXAMPLES = (
    "caffe64 time deploy.prototxt",
    "caffe64 time deploy.prototxt net.caffemodel --batch 10 --iterations 20 --json",
    "caffe64 time deploy.prototxt --compare small.prototxt",
)


def command(
    net: caffe.Prototxt,
    model: Annotated[
        Path | None,
        typer.Argument(metavar="[MODEL]", help="Its weights; default: drawn by the fillers.", show_default=False),
    ] = None,
    iterations: Annotated[int, typer.Option(min=1, metavar="N", help="Runs to time, after one that is not.")] = 20,
    batch: Annotated[int | None, typer.Option(min=1, metavar="N", help="Pictures a run.", show_default=False)] = None,
    backward: Annotated[bool, typer.Option("--backward", help="Time the gradients as well.")] = False,
    compare: Annotated[
        Path | None, typer.Option(metavar="NET2", help="Time another net beside it, such as the optimised one.")
    ] = None,
    input_shape: caffe.InputShape = None,
    deploy: caffe.Deploy = False,
    allow_unknown: caffe.AllowUnknown = False,
    as_json: options.Json = False,
) -> None:
    """Time a Caffe net on one thread: every layer and the whole, forward and with --backward the gradients.

    Times are wall-clock: median and spread (distance of the quartiles over the median) of the runs; GFLOP/s count two
    operations a multiply-accumulate. With --compare the acceleration is shown, of the whole and of layers of one name.
    """
    from .time_run import run

    reading = (input_shape, deploy, allow_unknown)
    run(net, model, compare, iterations, batch, backward, reading, as_json)
