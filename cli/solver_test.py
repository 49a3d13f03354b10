"""caffe64 test --model: Caffe's form of the command. `solver_score.py` does the work."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import options
from . import solver_options as shared

EXAMPLES = (
    "caffe64 test --model train_val.prototxt --weights lenet_iter_10000.caffemodel --iterations 100 2>/dev/null",
)
TAKES = "--model tests a Caffe net and takes"


def command(
    model: Annotated[Path, options.input_option(metavar="NET", help="The net with its data, a .prototxt.")],
    weights: Annotated[Path, options.input_option(metavar="FILE", help="Its weights, a .caffemodel.")],
    iterations: Annotated[int, typer.Option(min=1, metavar="N", help="Batches to run.")] = 50,
    level: shared.Level = 0,
    stage: shared.Stage = "",
    threads: options.Threads = None,
    log_format: shared.LogFormat = None,
    gpu: shared.Gpu = None,
    quiet: options.Quiet = False,
) -> None:
    """Run a Caffe net in its phase TEST on its own data, as `caffe test` does, and show the means of its outputs.

    The means go to stdout, one output per line. Off a terminal, Caffe's own log goes to stderr, with those of each
    batch. Names in the net count from the working directory.
    """
    from .solver_score import ScoreRequest, run

    run(
        ScoreRequest(
            model=model,
            weights=weights,
            iterations=iterations,
            level=level,
            stages=tuple(stage.split(",")),
            threads=threads,
            log_format=log_format,
            gpu=gpu is not None,
            quiet=quiet,
        )
    )
