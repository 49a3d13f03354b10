"""Train a net to read digits and test it on digits that it was not trained on.

    python demos/mnist/run.py
    python demos/mnist/run.py --regression
    python demos/mnist/run.py --data /path/to/mnist --epochs 3 --seed 1

With MNIST (given, in $CAFFE64_DATA or data/mnist/, or downloaded) this is the original's network5: 784 pixels, 100
hidden channels, 10 digits; or its networkReg, which gives the digit as a number. Where MNIST cannot be downloaded, the
1797 UCI digits that come with scikit-learn are used instead.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

import caffe64

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common.failure import errors_in_one_line
from common.fetching import DataMissing
from common.pictures import OUT, save_figure
from common.progress import CONSOLE, compile_kernels, fit_with_progress
from data import Digits, find_mnist, load_mnist, load_uci_digits
from picture import COLUMNS, ROWS, draw_curve, draw_digits
from tasks import Classes, Numbers

HERE = Path(__file__).resolve().parent
QUICK = 3  # epochs


def load(data: Path | None) -> Digits:
    """MNIST, or the UCI digits if it is not found. Raises DataMissing if it is not in the folder given, InputError."""
    try:
        return load_mnist(find_mnist(data))
    except DataMissing as error:
        if data is not None:
            raise
        CONSOLE.print(
            f"MNIST is not here: {error}\nUsing the UCI digits of scikit-learn instead.", markup=False, soft_wrap=True
        )
        return load_uci_digits()


def train(
    net: caffe64.Net, digits: Digits, optimizer, task, threads: int | None, seed: int
) -> tuple[list, list[float]]:
    """Train `net`; the records of the epochs, and the test accuracy in per cent after each."""
    true, accuracies = digits.Y_test[:, 0], []

    def test(record, evaluation):
        accuracies.append(100 * float((task.answers(net.predict(digits.X_test, threads=threads)) == true).mean()))

    net.compile(training=False)
    history = fit_with_progress(net, digits.X, digits.Y, optimizer, on_epoch=test, seed=seed, threads=threads)
    return history.epochs, accuracies


def draw_learning(records: list, accuracies: list[float], digits: Digits, task, path: Path) -> None:
    """Write the picture of the loss and the accuracy after each epoch."""
    title = f"{digits.name}, {task.name}: {accuracies[-1]:.2f} % of the test digits after {len(records)} epochs"
    save_figure(draw_curve([record.loss for record in records], accuracies, title, task.measure), path)


def draw_mistakes(net: caffe64.Net, digits: Digits, task, path: Path) -> None:
    """Write a picture of the digits whose answers are wrong, worst first; none if all are right."""
    outputs, true = net.predict(digits.X_test), digits.Y_test[:, 0].astype(int)
    wrong = np.flatnonzero(task.answers(outputs) != true)
    worst = wrong[np.argsort(-task.errors(outputs, true)[wrong], kind="stable")][: COLUMNS * ROWS]
    if len(worst):
        captions = [task.caption(outputs[row], true[row]) for row in worst]
        count = f"{len(worst)} worst of {len(wrong)}" if len(worst) < len(wrong) else f"{len(wrong)}"
        title = f"{digits.name}, {task.name}: the {count} mistakes  ({task.shown})"
        save_figure(draw_digits(digits.X_test[worst], captions, title), path)


def main(
    data: Annotated[Path | None, typer.Option(help="Folder with the four MNIST IDX .gz files.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the pictures.")] = OUT,
    regression: Annotated[bool, typer.Option("--regression", help="Give the digit as a number (networkReg).")] = False,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs to train; default: the optimizer file's.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="3 epochs.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the initial weights and of the order of the rows.")] = 0,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads; default: as many as pay off.")] = None,
) -> None:
    """Train a net to read digits; print its accuracy on the test digits, draw its learning curve and its mistakes."""
    task = Numbers() if regression else Classes()
    with errors_in_one_line():
        digits = load(data)
        net = caffe64.Net.read(HERE / f"{task.network}{digits.suffix}.txt")
        optimizer = caffe64.read_optimizer(HERE / f"optimsetting{digits.suffix}.txt")
        if epochs or quick:
            optimizer = dataclasses.replace(optimizer, epochs=epochs or QUICK)
        print(f"{digits.name}: {len(digits.X)} digits to train on, {len(digits.X_test)} to test on; {net}")
        compile_kernels(net)
        records, accuracies = train(net, digits, optimizer, task, threads, seed)
        seconds, last = sum(record.seconds for record in records), accuracies[-1]
        print(f"trained {optimizer.epochs} epochs in {seconds:.1f} s, last training loss {records[-1].loss:.4f}")
        tested = len(digits.X_test)
        print(f"{task.measure} {last:.2f} %  ({round(last * tested / 100)} of {tested})")
        if regression:
            error = net.evaluate(digits.X_test, digits.Y_test).loss ** 0.5
            print(f"root-mean-square error of the test digits {error:.3f}")
        stem = "mnist-regression" if regression else "mnist"
        draw_learning(records, accuracies, digits, task, out / f"{stem}-curve.png")
        draw_mistakes(net, digits, task, out / f"{stem}-mistakes.png")


if __name__ == "__main__":
    typer.run(main)
