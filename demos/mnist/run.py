"""Train a digit classifier and test it on digits it has not seen.

    python demos/mnist/run.py
    python demos/mnist/run.py --data /path/to/mnist --epochs 3 --seed 1

With MNIST (given, in $CAFFE64_DATA or data/mnist/, or downloaded) this is the original's network5: 784 pixels, 100
hidden channels, 10 digits. Where MNIST cannot be had, the 1797 UCI digits that come with scikit-learn stand in.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

import caffe64

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common.fetching import DataMissing
from common.progress import CONSOLE, compile_kernels, fit_with_progress
from data import find_mnist

HERE = Path(__file__).resolve().parent


def load_mnist(folder: Path):
    """Images as value - 128, float32 [N, 784], and labels [N], for training and for testing."""
    arrays = []
    for part in ("train", "t10k"):
        arrays.append(caffe64.read_matrix(folder / f"{part}-images-idx3-ubyte.gz", None, 784) - np.float32(128))
        arrays.append(caffe64.read_matrix(folder / f"{part}-labels-idx1-ubyte.gz", None, 1))
    return arrays


def load_uci_digits():
    """The UCI digits, 8 x 8 pixels of 0 to 16 brought to [-1, 1]; every fifth is for testing."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images, labels = (digits.data / 8 - 1).astype(np.float32), digits.target.astype(np.float32)
    test = np.arange(len(labels)) % 5 == 0
    return images[~test], labels[~test], images[test], labels[test]


def main(
    data: Annotated[Path | None, typer.Option(help="Folder with the four MNIST IDX .gz files.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs to train; default: the optimizer file's.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the initial weights and of the order of the rows.")] = 0,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads; default: as many as pay off.")] = None,
) -> None:
    """Train a digit classifier and print its accuracy on the test digits."""
    try:
        arrays, name, suffix = load_mnist(find_mnist(data)), "MNIST", ("5", "")
    except DataMissing as error:
        if data is not None:
            CONSOLE.print(f"run.py: {error}", style="red", markup=False, soft_wrap=True)
            raise typer.Exit(3) from None
        CONSOLE.print(
            f"MNIST is not here: {error}\nUsing the UCI digits of scikit-learn instead.", markup=False, soft_wrap=True
        )
        arrays, name, suffix = load_uci_digits(), "UCI digits", ("Digits", "Digits")
    X, Y, X_test, Y_test = arrays
    net = caffe64.Net.read(HERE / f"network{suffix[0]}.txt")
    optimizer = caffe64.read_optimizer(HERE / f"optimsetting{suffix[1]}.txt")
    if epochs:
        optimizer = dataclasses.replace(optimizer, epochs=epochs)
    print(f"{name}: {len(X)} digits to train on, {len(X_test)} to test on; {net}")
    compile_kernels(net)
    started = time.perf_counter()
    history = fit_with_progress(net, X, Y, optimizer, seed=seed, threads=threads)
    seconds = time.perf_counter() - started
    result = net.evaluate(X_test, Y_test)
    print(f"trained {optimizer.epochs} epochs in {seconds:.1f} s, last training loss {history.loss[-1]:.4f}")
    print(f"test accuracy {100 * result.accuracy:.2f} %  ({round(result.accuracy * len(X_test))} of {len(X_test)})")


if __name__ == "__main__":
    typer.run(main)
