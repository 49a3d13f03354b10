"""caffe64 train: the arguments. `train_run.py` does the work."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..arguments import LARGEST_SEED
from . import options

NAME = "train"
EXAMPLES = (
    "caffe64 train net.txt weights.bin optimizer.txt 60000 X.txt Y.txt",
    "caffe64 train net.txt weights.bin optimizer.txt all X.npy Y.npy "
    "--val-x testX.npy --val-y testY.npy --plot curve.png",
    "caffe64 train net.txt weights.bin optimizer.txt all X.npy Y.npy --checkpoint run.ckpt --resume run.ckpt",
    "caffe64 train table.txt model.c64 optimizer.txt all train.csv --target species --scale standard --validation 0.2",
)


def command(
    net: options.Net,
    weights: Annotated[
        Path, options.output_argument("WEIGHTS", "Weights file to write, or MODEL.c64, which holds the net as well.")
    ],
    optim: Annotated[
        Path,
        options.input_argument("OPTIM", "Optimizer file: six numbers, and words."),
    ],
    n: options.Rows,
    x: Annotated[
        Path, options.input_argument("X", "Input rows: text, .gz, .npy or IDX; with --target a table, CSV or Parquet.")
    ],
    y: options.TableY = None,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=LARGEST_SEED,
            metavar="N",
            help="Seed of the initial weights and of the order of rows. Default: 0.",
            show_default=False,
        ),
    ] = None,
    threads: options.Threads = None,
    shards: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="S",
            help="Sum each minibatch in S parts, a power of two, which so many processes or fewer share: mpiexec -n "
            "4 caffe64 train ... --shards 8. Default: 1.",
            show_default=False,
        ),
    ] = None,
    init: Annotated[Path | None, options.input_option(metavar="WEIGHTS", help="Start from these weights.")] = None,
    shuffle: Annotated[
        bool | None,
        typer.Option(
            "--shuffle/--no-shuffle", help="Visit the rows in a new order each epoch (default), or in file order."
        ),
    ] = None,
    remainder: Annotated[
        bool | None,
        typer.Option(
            "--remainder",
            help="Train on the rows that do not fill the last minibatch of an epoch too, as one of fewer rows.",
            show_default=False,
        ),
    ] = None,
    class_weights: Annotated[
        Path | None,
        options.input_option(
            metavar="balanced|FILE",
            help="Weigh rows by class: all classes alike, or by the numbers in FILE, in the order of the labels.",
        ),
    ] = None,
    row_weights: Annotated[
        str | None,
        options.input_option(
            metavar="FILE|COLUMN", help="Weigh rows by these numbers, one for each; with --target by a column."
        ),
    ] = None,
    val_x: Annotated[
        Path | None, options.input_option(metavar="X", help="Validate on these rows after each epoch.")
    ] = None,
    val_y: Annotated[Path | None, options.input_option(metavar="Y", help="Their classes or targets.")] = None,
    patience: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="P",
            help="End after P epochs without a lower validation loss. Default: never.",
            show_default=False,
        ),
    ] = None,
    keep_best: Annotated[
        bool, typer.Option("--keep-best", help="Write the weights of the epoch with the lowest validation loss.")
    ] = False,
    target: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN", help="X is a table: learn this column of it. May be repeated.", show_default=False
        ),
    ] = None,
    features: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN,...", help="Learn from these columns. Default: all but the targets."),
    ] = None,
    drop: Annotated[list[str] | None, typer.Option(metavar="COLUMN,...", help="Leave these columns out.")] = None,
    impute: Annotated[
        str | None,
        typer.Option(
            metavar="mean|median",
            help="Fill missing numbers in so, missing categories with the most frequent. Default: refused.",
        ),
    ] = None,
    scale: Annotated[
        str | None, typer.Option(metavar="standard|minmax", help="Scale columns of numbers: deviation 1, or 0 to 1.")
    ] = None,
    validation: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="Hold this share of the table's rows back and validate on them."),
    ] = None,
    log: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a record of each epoch: .jsonl or .csv.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the learning curve: .png or .svg.")] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(metavar="FILE", callback=options.no_stream, help="Keep the state of the run here, to resume it."),
    ] = None,
    checkpoint_every: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Epochs between checkpoints. Default: 1.", show_default=False),
    ] = None,
    resume: Annotated[
        Path | None,
        options.input_option(
            metavar="FILE", help="Go on from this checkpoint. It may be missing if --checkpoint names it too."
        ),
    ] = None,
    strict: options.Strict = False,
    quiet: options.Quiet = False,
) -> None:
    """Train a net on N rows of X and Y and write its weights.

    OPTIM holds the learning rate, the epochs between drops of the rate, the factor of a drop, weight decay,
    momentum and the number of epochs; words behind them choose another rule (nesterov, adam, rmsprop, adagrad,
    adadelta) or schedule (exp, cosine, warmup E), or bound gradients (clip C). Ctrl-C ends the run after the
    current minibatch; with --checkpoint nothing is lost. With --checkpoint and --resume of one file a run goes on
    if the file is there, else begins, so that a job of a batch queue may be started again as it is.

    Started by mpiexec or srun, as many processes train one net together; results do not depend on their number.

    With --target, X is a table with a header: texts become categories, `?` in the net is the number of features or
    outputs, and WEIGHTS must be a MODEL.c64, which also keeps what was fitted to the columns, for predict, eval, test.

    Caffe nets: `caffe64 train --solver solver.prototxt`; `caffe64 train --solver --help` shows its options.
    """
    from .train_request import TrainRequest
    from .train_run import run
    from .train_table import table_options

    run(
        TrainRequest(
            net=net,
            weights=weights,
            optimizer=optim,
            rows=options.row_count(n),
            x=x,
            y=y,
            seed=seed,
            threads=threads,
            shards=shards,
            init=init,
            shuffle=shuffle,
            remainder=remainder,
            class_weights=class_weights,
            row_weights=None if target or row_weights is None else Path(row_weights),
            val_x=val_x,
            val_y=val_y,
            table=table_options(target, features, drop, impute, scale, validation, row_weights),
            patience=patience,
            keep_best=keep_best,
            log=log,
            plot=plot,
            checkpoint=checkpoint,
            checkpoint_every=checkpoint_every,
            resume=resume,
            strict=strict,
            quiet=quiet,
        )
    )
