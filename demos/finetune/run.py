"""Teach a trained net a new task with few pictures: a CIFAR-10 net learns to tell animals from vehicles.

    python demos/finetune/run.py
    python demos/finetune/run.py --data /path/to/cifar10 --pictures /path/to/pictures --below 0.1

The last layer gets another name, so that the model has no weights for it, and an output per new class; what lies below
keeps its weights. It is trained on half of the pictures and their mirror images, and tested on the other half.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

import caffe64

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common.failure import errors_in_one_line
from common.fetching import HERE, DataMissing, find_folder
from common.pictures import OUT, save_figure
from common.progress import solve_with_progress
from common.tables import print_table
from net import net_of_task
from pictures import TASK, read_pictures
from views import draw_confusions

FILES = ("train_val.prototxt", "cifar10.caffemodel")
NET = "caffe/cifar10"
MOST_ROWS = 100  # of a minibatch
SETTINGS = {"type": "SGD", "base_lr": 0.01, "momentum": 0.9, "weight_decay": 0.0005}
QUICK = 20  # iterations


def find_net(data: Path | None) -> Path:
    """The folder of the net and its model, and in images/ of its pictures. Raises DataMissing."""
    folder = find_folder(NET, FILES, data)
    if folder is None:
        where = HERE / NET
        raise DataMissing(
            f"no trained CIFAR-10 net here. Put {' and '.join(FILES)}, and pictures images/NAME_LABEL.png, into "
            f"{where}, or set CAFFE64_DATA to a folder that holds {NET}. They are in the GitHub repository "
            "HolmesShuan/Caffe-Computation-Graph-Optimization"
        )
    return folder


def confusion(solver: caffe64.Solver) -> np.ndarray:
    """The test pictures by their class and by the net's answer, int64 [classes, classes]."""
    table = np.zeros((len(TASK), len(TASK)), np.int64)
    for _ in range(solver.param.test_iter[0]):
        found = solver.test_nets[0].forward(["scores", "label"])
        np.add.at(table, (found["label"].astype(int), found["scores"].argmax(axis=1)), 1)
    return table


def report(when: str, table: np.ndarray) -> None:
    """A confusion table on stdout, and its accuracy."""
    right, count = int(table.trace()), int(table.sum())
    print_table(
        (when, *(f"says {name}" for name in TASK)),
        [(name, *map(str, row)) for name, row in zip(TASK, table, strict=True)],
    )
    print(f"{when}: test accuracy {100 * right / count:.2f} %  ({right} of {count})")


def main(
    data: Annotated[Path | None, typer.Option(help=f"Folder with {' and '.join(FILES)}.")] = None,
    pictures: Annotated[
        Path | None, typer.Option(help="Folder with pictures NAME_LABEL.png; default: its images/.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the picture.")] = OUT,
    iterations: Annotated[int, typer.Option(min=1, help="Iterations.")] = 100,
    below: Annotated[float, typer.Option(min=0, help="Rate of the layers below, as a share of the last one's.")] = 0,
    quick: Annotated[bool, typer.Option("--quick", help="20 iterations.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the new layer and of the order of the pictures.")] = 1,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads; default: as many as pay off.")] = None,
) -> None:
    """Fine-tune a CIFAR-10 net: animals and vehicles, before and after."""
    with errors_in_one_line():
        folder = find_net(data)
        train, test = read_pictures(pictures or folder / "images")
        net, layer = net_of_task(folder / FILES[0], len(TASK), below)
        solver = caffe64.Solver(
            net=net, data=(train.X, train.Y), test_data=(test.X, test.Y), batch_size=min(len(train.X), MOST_ROWS),
            max_iter=min(QUICK, iterations) if quick else iterations, seed=seed, threads=threads, **SETTINGS,
        )  # fmt: skip
        solver.net.copy_from(folder / FILES[1])
        print(
            f"{len(train.X)} pictures to train on, {len(test.X)} to test on, half of them mirror images; new: {layer}"
        )
        tables = {"before": confusion(solver)}
        report("before", tables["before"])
        started = time.perf_counter()
        history = solve_with_progress(solver)
        seconds = time.perf_counter() - started
        print(
            f"trained {solver.iter} iterations in {seconds:.1f} s, last training loss {history.loss[-10:].mean():.4f}"
        )
        tables["after"] = confusion(solver)
        report("after", tables["after"])
        save_figure(draw_confusions(tables, TASK), out / "finetune-confusion.png")


if __name__ == "__main__":
    typer.run(main)
