"""Predict how a bridge in Pittsburgh was built from its location, year and purpose.

    python demos/bridges/run.py
    python demos/bridges/run.py --original --splits 5

Multinomial logistic regression on one-hot attributes, for each of five properties, on many random splits of the 108
bridges into 90 % for training and 10 % for testing. Shown next to it: always guessing the most frequent class.
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.progress import track

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common.failure import errors_in_one_line
from common.pictures import OUT, save_figure
from common.progress import CONSOLE, compile_kernels
from common.tables import print_table
from data import Target, find_bridges, read_bridges
from picture import draw_accuracies
from solvers import accuracy_by_arrays, accuracy_by_files, net_of


@dataclass(frozen=True)
class Score:
    """The accuracies of a target in each split, of the net and of guessing the most frequent class."""

    target: Target
    net: np.ndarray
    baseline: np.ndarray
    seconds: float


def score(target: Target, splits: int, seed: int, accuracy_of) -> Score:
    """Train and test on random splits, which depend on `seed` alone."""
    random, accuracies, started = np.random.default_rng(seed), [], time.perf_counter()
    hidden = not sys.stderr.isatty()
    for split in track(range(splits), target.name, console=CONSOLE, transient=True, disable=hidden):
        test, train = np.split(random.permutation(len(target.y)), [len(target.y) // 10])
        guess = np.bincount(target.y[train].astype(int)).argmax()
        accuracies.append((accuracy_of(target, train, test, split), (target.y[test] == guess).mean()))
    return Score(target, *np.array(accuracies).T, time.perf_counter() - started)


def report(scores: list[Score]) -> None:
    """The table on stdout."""
    rows = []
    for one in scores:
        percents = (100 * one.net.mean(), 100 * one.net.std(), 100 * one.baseline.mean())
        counts = (len(one.target.y), len(one.target.classes))
        rows.append((one.target.name, *map(str, counts), *(f"{value:.1f}" for value in percents), f"{one.seconds:.2f}"))
    header = ("target", "bridges", "classes", "right %", "±", "guess %", "seconds")
    print_table(header, rows)


def main(
    data: Annotated[Path | None, typer.Option(help="bridges.data.version2, or the folder that holds it.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the picture.")] = OUT,
    splits: Annotated[int | None, typer.Option(min=1, help="Splits; default: 100, with --original 10.")] = None,
    original: Annotated[
        bool, typer.Option("--original", help="Train and test by text files and the caffe64 command, as in 2018.")
    ] = False,
    quick: Annotated[bool, typer.Option("--quick", help="A tenth of the default splits.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the splits.")] = 0,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads; default: as many as pay off.")] = None,
) -> None:
    """Five properties of the bridges of Pittsburgh by logistic regression: accuracy over random splits."""
    splits = splits or (10 if original else 100) // (10 if quick else 1)
    with errors_in_one_line(), tempfile.TemporaryDirectory() as folder:
        targets = read_bridges(find_bridges(data))
        compile_kernels(net_of(targets[0]))
        solver = partial(accuracy_by_files, folder=Path(folder)) if original else accuracy_by_arrays
        scores = [score(target, splits, seed, partial(solver, threads=threads)) for target in targets]
        print(f"{splits} random splits into 90 % for training and 10 % for testing")
        report(scores)
        save_figure(draw_accuracies(scores, splits), out / "bridges-accuracy.png")


if __name__ == "__main__":
    typer.run(main)
