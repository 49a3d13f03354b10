"""caffe64 score: the outputs of a net for any number of rows or pictures, on one machine or many."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import caffe_options as caffe
from . import options
from . import picture_options as pictures

NAME = "score"
EXAMPLES = (
    "caffe64 score deploy.prototxt net.caffemodel -i x.npy -o y.npy",
    "caffe64 score net.onnx -i photos -o scores.csv --mean 123.7,116.3,103.5 --workers 2",
    "caffe64 score net.txt weights.bin -i X.npy -o Y.npy --threads 1",
)
MOST_BATCH = 1 << 20


def command(
    net: Annotated[
        Path, options.input_argument("NET", "The net: a text net, a .prototxt of any version, or an .onnx.")
    ],
    model: Annotated[Path | None, options.input_argument("[MODEL]", "Its weights; none for an .onnx.")] = None,
    inputs: Annotated[
        list[str],
        typer.Option(
            "--input",
            "-i",
            metavar="[NAME=]PATH",
            help="A .npy of rows, a folder of pictures, or a list of their files. One for each input of the net.",
            show_default=False,
        ),
    ] = ...,
    result: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Writes .npy, a row of scores for each row, or .csv, with names of pictures.",
            callback=options.no_stream,
            show_default=False,
        ),
    ] = ...,
    blob: Annotated[str | None, typer.Option(metavar="NAME", help="Take this blob, not the net's output.")] = None,
    mean: pictures.Mean = None,
    scale: caffe.Scale = None,
    channels: pictures.Channels = None,
    resize: pictures.Resize = None,
    crop: pictures.Crop = None,
    batch: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MOST_BATCH,
            metavar="N",
            help="Rows that go through the net at once.  [default: the net's own; 16 if that is 1]",
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=1024, metavar="N", help="Run on N processes of this machine.")
    ] = None,
    address: Annotated[
        str | None, typer.Option(metavar="tcp://HOST:PORT", help="Run on the workers of this Dask scheduler.")
    ] = None,
    mpi: Annotated[
        bool,
        typer.Option(
            "--mpi", help="Run on the other ranks of this MPI job: mpiexec -n N python -m mpi4py.futures -m caffe64 ..."
        ),
    ] = False,
    retries: Annotated[
        int | None, typer.Option(min=0, max=100, metavar="N", help="Times to redo rows of lost workers.  [default: 3]")
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            min=1, max=1024, metavar="N", help="Threads of each process.  [default: all of the machine; 1 in a worker]"
        ),
    ] = None,
    exact: caffe.Exact = False,
    input_shape: caffe.InputShape = None,
    deploy: caffe.Deploy = False,
    allow_unknown: caffe.AllowUnknown = False,
    quiet: options.Quiet = False,
) -> None:
    """Run a net on any number of rows or pictures and write its outputs.

    Rows are read as they are needed, so there may be more of them than fit into memory, and each goes through the net
    independently of the others. The file is the same, bit for bit, for any number of workers and threads; rows of a
    worker that is lost are done again. Workers on other hosts read the net and the rows themselves, at the same paths.
    A row's last digits may depend on --batch.

    Pictures are prepared as by run and classify. Those of a folder are sorted by name, hidden ones left out; a list has
    a file in each line, and may have a label behind it, which is not read.
    """
    from ..jobs.executors import open_executor
    from . import score_run
    from .output import Output

    elsewhere = mpi or address is not None or workers is not None
    if retries is not None and not elsewhere:
        raise typer.BadParameter("is for --workers and --address.", param_hint="--retries")
    reading = caffe.Reading(input_shape, deploy, allow_unknown, "test")
    preparation = score_run.Preparing(mean, scale, channels, resize, crop)
    output = Output(quiet=quiet)
    planned = score_run.plan(
        net, model, inputs, result, output, reading=reading, blob=blob, exact=exact, preparation=preparation,
        threads=1 if elsewhere and threads is None else threads,
    )  # fmt: skip
    if not elsewhere:
        score_run.run(planned, batch, None, output)
        return
    with open_executor(address, mpi=mpi, workers=workers, retries=retries) as executor:
        score_run.run(planned, batch, executor, output)
