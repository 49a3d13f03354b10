"""caffe64 train --solver: Caffe's form of the command, its options. `solver_run.py` does the work."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..arguments import LARGEST_SEED
from . import options
from . import solver_options as shared

EXAMPLES = (
    "caffe64 train --solver lenet_solver.prototxt",
    "caffe64 train --solver lenet_solver.prototxt --snapshot lenet_iter_5000.solverstate",
    "caffe64 train --solver finetune.prototxt --weights bvlc_reference.caffemodel --log run.csv --plot run.png",
)
TAKES = "--solver trains a Caffe net and takes"


def command(
    solver: Annotated[Path, options.input_option(metavar="FILE", help="The solver, a .prototxt.")],
    snapshot: Annotated[Path | None, options.input_option(metavar="FILE", help="Go on from this .solverstate.")] = None,
    weights: Annotated[
        str | None,
        typer.Option(metavar="A[,B...]", help="Begin with the weights of these models; later ones overwrite."),
    ] = None,
    level: shared.Level = 0,
    stage: shared.Stage = "",
    max_iter: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Train up to this iteration, not the solver's.")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=LARGEST_SEED,
            metavar="N",
            help="Seed of fillers, Dropout, crops and orders. Default: the solver's random_seed, or 0.",
            show_default=False,
        ),
    ] = None,
    threads: options.Threads = None,
    shards: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="S",
            help="Sum each batch in S parts, a power of two, which so many processes or fewer share: mpiexec -n 4 "
            "caffe64 train --solver ... --shards 8. Default: the snapshot's, or 1.",
            show_default=False,
        ),
    ] = None,
    log: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a record of each iteration that is shown or tested: .jsonl or .csv."),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw losses, test scores and the rate: .png or .svg.")
    ] = None,
    log_format: shared.LogFormat = None,
    sigint_effect: Annotated[str, shared.effect("Ctrl-C", "stop: after a snapshot.")] = "stop",
    sighup_effect: Annotated[str, shared.effect("SIGHUP", "A closed terminal sends it, too.")] = "snapshot",
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="Go on, as Caffe does, with a loss that is not finite.")
    ] = False,
    gpu: shared.Gpu = None,
    quiet: options.Quiet = False,
) -> None:
    """Train a Caffe net as `caffe train` does, from a solver with its net, data and snapshots.

    Off a terminal, Caffe's own log goes to stderr, for the scripts that read it. Names in the files count from the
    working directory. Ctrl-C and SIGTERM end after the iteration, with a snapshot; --snapshot then goes on with the
    same bits as if there had been no stop. Started by mpiexec or srun, as many processes train one net together;
    results do not depend on their number.
    """
    from .solver_run import SolverRequest, run

    run(
        SolverRequest(
            solver=solver,
            snapshot=snapshot,
            weights=() if weights is None else tuple(name.strip() for name in weights.split(",")),
            level=level,
            stages=tuple(stage.split(",")),
            max_iter=max_iter,
            seed=seed,
            threads=threads,
            shards=shards,
            log=log,
            plot=plot,
            log_format=log_format,
            sigint_effect=sigint_effect,
            sighup_effect=sighup_effect,
            keep_going=keep_going,
            gpu=gpu is not None,
            quiet=quiet,
        )
    )
