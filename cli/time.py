"""caffe64 time: the times of a Caffe net, layer by layer."""

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
    "caffe64 time deploy.prototxt --compare small.prototxt --fuse",
    "caffe64 time net.onnx --fuse --threads 1",
    "caffe64 time train_val.prototxt --input-shape 10x3x32x32 --backward",
)


def command(
    net: caffe.Prototxt,
    model: Annotated[
        Path | None,
        options.input_argument("[MODEL]", "Its weights; default: drawn by the fillers. None for an .onnx."),
    ] = None,
    iterations: Annotated[int, typer.Option(min=1, metavar="N", help="Runs to time, after one that is not.")] = 20,
    threads: options.Threads = None,
    batch: Annotated[int | None, typer.Option(min=1, metavar="N", help="Pictures per run.", show_default=False)] = None,
    backward: Annotated[bool, typer.Option("--backward", help="Time the gradients as well.")] = False,
    fuse: Annotated[
        bool,
        typer.Option(
            "--fuse",
            help="Let activations, sums and depthwise convolutions run with a layer beside them, as `run` does.",
        ),
    ] = False,
    memory: Annotated[bool, typer.Option("--memory", help="Show all memory that it needs.")] = False,
    exact: caffe.Exact = False,
    compare: Annotated[
        Path | None, options.input_option(metavar="NET2", help="Time another net beside it, such as the optimised one.")
    ] = None,
    input_shape: caffe.InputShape = None,
    deploy: caffe.Deploy = False,
    allow_unknown: caffe.AllowUnknown = False,
    phase: caffe.Phase = "test",
    as_json: options.Json = False,
) -> None:
    """Time a Caffe net or an ONNX model: every layer and the whole, forward and with --backward the gradients, by their
    steps as well.

    Times are wall-clock: median and spread (distance of the quartiles over the median) of the runs. GFLOP/s count two
    operations per multiply-accumulate of the plain sum: Winograd's algorithm needs fewer, and may come out above the
    CPU's peak, which is measured. GB/s are of weights, bottoms and tops, each once. Each layer runs by itself without
    --fuse. With --compare the runs of the nets alternate, and the acceleration is shown, of the whole and of layers of
    one name.
    """
    from ..caffe.timing import time
    from .loading import load
    from .net_files import check_reading, net_files
    from .output import Output
    from .table import print_result

    output, reading = Output(quiet=as_json), caffe.Reading(input_shape, deploy, allow_unknown, phase)
    given = net_files(net, model, weights=False)
    check_reading(reading, net, compare)
    loaded = load(given.net, given.model, reading, output, gradients=backward)
    other = load(compare, None, reading, output, gradients=backward) if compare else None
    choices = {"iterations": iterations, "batch": batch, "backward": backward, "fuse": fuse, "memory": memory}
    print_result(time(loaded, compare=other, threads=threads, exact=exact, **choices), as_json)
