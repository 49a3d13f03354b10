"""Two ways to the same accuracy: arrays and `Net.fit`, or text files and the `caffe64` command."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
from data import Target

import caffe64

HERE = Path(__file__).resolve().parent


def net_of(target: Target) -> caffe64.Net:
    """network.txt with the target's numbers of features and classes."""
    start, dense, loss = caffe64.Net.read(HERE / "network.txt").spec.layers
    features = dataclasses.replace(start, numbers=(target.X.shape[1], *start.numbers[1:]))
    classes = dataclasses.replace(dense, numbers=(len(target.classes), *dense.numbers[1:]))
    return caffe64.Net(caffe64.NetSpec((features, classes, loss)))


def accuracy_by_arrays(target: Target, train: np.ndarray, test: np.ndarray, seed: int, threads: int | None) -> float:
    """Train on the rows `train`, return the accuracy on the rows `test`."""
    net, optimizer = net_of(target), caffe64.read_optimizer(HERE / "optimsetting.txt")
    net.fit(target.X[train], target.y[train], optimizer, seed=seed, threads=threads)
    return net.evaluate(target.X[test], target.y[test], threads=threads).accuracy


def accuracy_by_files(
    target: Target, train: np.ndarray, test: np.ndarray, seed: int, threads: int | None, folder: Path
) -> float:
    """The same by text files in `folder` and two processes, as the original did it.

    Raises CalledProcessError if one of them fails.
    """
    net_of(target).write(folder / "network.txt")
    for name, values in (("Xr", target.X[train]), ("yr", target.y[train]), ("Xe", target.X[test])):
        np.savetxt(folder / f"{name}.txt", values, "%d")
    options = ["--threads", str(threads)] if threads else []
    settings = [str(HERE / "optimsetting.txt"), str(len(train)), "Xr.txt", "yr.txt", "--seed", str(seed), *options]
    _caffe64(folder, "train", "network.txt", "weights.bin", *settings, "--quiet")
    _caffe64(folder, "test", "network.txt", "weights.bin", str(len(test)), "Xe.txt", "predicted.txt", *options)
    posteriors = caffe64.read_matrix(folder / "predicted.txt", len(test), len(target.classes))
    return float((posteriors.argmax(axis=1) == target.y[test]).mean())


def _caffe64(folder: Path, *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "caffe64", *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL)
