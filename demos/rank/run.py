"""Predict the rank of a 10 x 10 matrix from its entries.

    python demos/rank/run.py
    python demos/rank/run.py --samples 100000      the original's full size: a million matrices

Uniform random matrices are decomposed, cut to ranks 1 to 10 and divided by their sum. The net predicts the rank, one
of ten, from 100 numbers.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.progress import Progress

import caffe64

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common.failure import errors_in_one_line
from common.pictures import OUT, save_figure
from common.progress import CONSOLE, fit_with_progress
from picture import draw_confusion
from samples import SIZE, deviation, make_samples, standardise

HERE = Path(__file__).resolve().parent
TEST_SAMPLES = 1000  # per rank
TRAINING, TESTING = 0, 1  # parts of the random numbers of a seed


def generate(per_rank: int, seed: int, threads: int | None):
    """X, Y for training and X, Y for testing, as `make_samples` gives them."""
    threads = threads or len(os.sched_getaffinity(0))
    with Progress(console=CONSOLE, transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("matrices", total=SIZE * (per_rank + TEST_SAMPLES))
        parts = ((per_rank, TRAINING), (TEST_SAMPLES, TESTING))
        made = [
            make_samples(samples, (seed, part), threads, lambda count: progress.advance(task, count))
            for samples, part in parts
        ]
    return *made[0], *made[1]


def share_within(confusion: np.ndarray, distance: int) -> float:
    """Share of the rows whose predicted class is at most `distance` from the true one."""
    true, predicted = np.indices(confusion.shape)
    return confusion[abs(true - predicted) <= distance].sum() / confusion.sum()


def learn(per_rank: int, raw: bool, seed: int, threads: int | None) -> np.ndarray:
    """Make matrices and train on them; prints times and loss, returns the confusion [true, predicted] on the tests."""
    started = time.perf_counter()
    X, Y, X_test, Y_test = generate(per_rank, seed, threads)
    if not raw:
        scale = deviation(X)
        standardise(X, scale)
        standardise(X_test, scale)
    print(f"{len(X)} matrices to train on, {len(X_test)} to test on, made in {time.perf_counter() - started:.1f} s")
    net = caffe64.Net.read(HERE / "network.txt")
    optimizer = caffe64.read_optimizer(HERE / "optimsetting.txt")
    history = fit_with_progress(net, X, Y, optimizer, seed=seed, threads=threads)
    seconds = sum(record.seconds for record in history.epochs)
    print(f"trained {optimizer.epochs} epochs in {seconds:.1f} s, last training loss {history.loss[-1]:.4f}")
    return net.evaluate(X_test, Y_test, threads=threads).confusion


def show(confusion: np.ndarray, out: Path) -> None:
    """Print the accuracy and write the picture."""
    right, close = (100 * share_within(confusion, distance) for distance in (0, 1))
    print(f"test accuracy {right:.2f} %, within one {close:.2f} %  (guessing: 10 % and 28 %)")
    title = f"Rank of a 10 x 10 matrix: {right:.1f} % right, {close:.1f} % within one"
    save_figure(draw_confusion(confusion, title), out / "rank-confusion.png")


def main(
    out: Annotated[Path, typer.Option(help="Folder for the picture.")] = OUT,
    samples: Annotated[
        int | None,
        typer.Option(min=30, max=1_000_000, help="Matrices per rank to train on; default 50000, the original: 100000."),
    ] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="Entries as they are, about 0.01, as in 2018; else standardised.")
    ] = False,
    quick: Annotated[bool, typer.Option("--quick", help="1000 matrices per rank.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the matrices, of the weights and of the order.")] = 0,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads; default: as many as pay off.")] = None,
) -> None:
    """Predict the rank of a 10 x 10 matrix from its entries: accuracy and a confusion table."""
    with errors_in_one_line():
        confusion = learn(samples or (1000 if quick else 50_000), raw, seed, threads)
        show(confusion, out)


if __name__ == "__main__":
    typer.run(main)
