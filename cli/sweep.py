"""caffe64 sweep: many trainings from a grid, and what came of them. `sweep_run.py` and `sweep_show.py` do the work."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import options

NAME = "sweep"
EXAMPLES = (
    "caffe64 sweep grid.toml",
    "caffe64 sweep grid.toml --workers 8 -o results.jsonl",
    "caffe64 sweep grid.toml --address tcp://scheduler:8786",
    "mpiexec -n 65 python -m mpi4py.futures -m caffe64 sweep grid.toml --mpi",
    "caffe64 sweep show results.jsonl",
)
SHOW_EXAMPLES = (
    "caffe64 sweep show results.jsonl",
    "caffe64 sweep show results.jsonl --by validation_loss --top 5",
    "caffe64 sweep show results.jsonl --plot sweep.png",
    "caffe64 sweep show results.jsonl --plot rate.svg --x rate",
)


def command(
    grid: Annotated[
        Path,
        typer.Argument(metavar="GRID", help="Values of each field of a job, in TOML.", callback=options.no_stream),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Add the results to this file, as lines of JSON. Default: GRID's name with .jsonl, beside it.",
            callback=options.no_stream,
            show_default=False,
        ),
    ] = None,
    address: Annotated[
        str | None, typer.Option(metavar="URL", help="Run the jobs on the workers of this Dask scheduler.")
    ] = None,
    mpi: Annotated[
        bool, typer.Option("--mpi", help="Run them on the ranks of the MPI job that mpi4py.futures started.")
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, max=1024, metavar="N", help="Processes on this machine. Default: one per CPU.", show_default=False
        ),
    ] = None,
    retries: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="N",
            help="How often a job whose worker is lost is run again. Default: 3.",
            show_default=False,
        ),
    ] = None,
    threads: Annotated[
        int, typer.Option(min=1, max=options.MOST_THREADS, metavar="N", help="Threads of each job.")
    ] = 1,
    quiet: options.Quiet = False,
) -> None:
    """Train once with each combination of the values in GRID, on this machine or on a cluster.

    A field of GRID has one value or a list: net, x, y, val_x and val_y or folds, seed, rows, optimizer or its numbers
    rate, step, factor, decay, momentum and epochs; or solver, with any fields of a solver. Results do not depend on
    where a job runs. Those that FILE has are not run again, so the same command goes on after an interrupt.

    Exit code: 0 if all jobs have a result; else that of the errors, 5 if all that failed diverged.
    """
    from .sweep_run import SweepRequest, run

    run(SweepRequest(grid, out, address, mpi, workers, retries, threads, quiet))


def show(
    results: Annotated[
        Path,
        typer.Argument(metavar="RESULTS", help="The file of a sweep.", show_default=False, callback=options.from_stdin),
    ],
    by: Annotated[
        str | None,
        typer.Option(
            metavar="SCORE", help="The score that ranks. Default: the accuracy of a validation or a test, else a loss."
        ),
    ] = None,
    lowest: Annotated[
        bool | None,
        typer.Option(
            "--lowest/--highest",
            help="Which end of it is good. Default: low for names with loss, error or seconds.",
            show_default=False,
        ),
    ] = None,
    each: Annotated[bool, typer.Option("--each", help="Each job by itself, no means over folds and seeds.")] = False,
    top: Annotated[int, typer.Option(min=1, metavar="N", help="Settings to print.")] = 20,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw all settings, as lines over parallel axes: .png or .svg."),
    ] = None,
    x: Annotated[
        str | None, typer.Option("--x", metavar="FIELD", help="Of --plot: draw the score against this field.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Show what came of a sweep, the best setting first.

    A setting is what jobs have in common that differ in their fold and seed alone. Its scores are means over these,
    with ± their standard deviation.
    """
    from .sweep_show import ShowRequest, run

    run(ShowRequest(results, by, lowest, each, top, plot, x, as_json))
