"""The files that the suite `startup` trains with: fifty tiny rows, and MNIST as text."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from ... import Net, read_matrix
from ...errors import CheckFailed

ROWS = 60000
IMAGES, LABELS = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"
FOLDERS = [Path(__file__).resolve().parents[2] / "data" / "mnist"]  # where `make demo` keeps it
NET = "5\ninp 784 100\nlin 100 -2\nrel\nlin 10 -2\nsce\n"
OPTIMIZER = "0.0001 5 0.1 0.00001 0.9 15\n"
LEARNED = 0.9  # of the rows: the net reaches 0.97 on MNIST


def write_tiny(folder: Path) -> None:
    """net.txt, optim.txt, X.txt and Y.txt: 50 rows of 4 features in 2 classes, 3 epochs."""
    random = np.random.default_rng(6)
    X = random.standard_normal((50, 4))
    (folder / "net.txt").write_text("5\ninp 4 10\nlin 8 -1\nrel\nlin 2 -1\nsce\n")
    (folder / "optim.txt").write_text("0.1 0 1 0 0.9 3\n")
    np.savetxt(folder / "X.txt", X, fmt="%.6f")
    np.savetxt(folder / "Y.txt", X[:, 0] > 0, fmt="%d")


def write_mnist(folder: Path, rows: int) -> str:
    """mnist-*.txt: the original's network5 and its data, pixels as value - 128. Returns a name of the data.

    MNIST if it lies in $CAFFE64_DATA or data/mnist, else ten blurred clouds of as many pixels.
    """
    name, pixels, labels = "MNIST", *(find_mnist(rows) or (None, None))
    if pixels is None:
        name, (pixels, labels) = "MNIST-like data", make_clouds(rows)
    (folder / "mnist-net.txt").write_text(NET)
    (folder / "mnist-optim.txt").write_text(OPTIMIZER)
    words = np.array([f"{value - 128} ".encode() for value in range(256)], object)
    with (folder / "mnist-X.txt").open("wb") as file:
        for row in pixels:
            file.write(b"".join(words[row]) + b"\n")
    (folder / "mnist-Y.txt").write_text("".join(f"{label}\n" for label in labels))
    return name


def find_mnist(rows: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Pixels uint8 [rows, 784] and labels [rows] of MNIST, if its files are there."""
    base = os.environ.get("CAFFE64_DATA")
    for folder in [*([Path(base), Path(base, "mnist")] if base else []), *FOLDERS]:
        if (folder / IMAGES).is_file() and (folder / LABELS).is_file():
            pixels, labels = read_matrix(folder / IMAGES, rows, 784), read_matrix(folder / LABELS, rows, 1)
            return pixels.astype(np.uint8), labels[:, 0].astype(np.int64)
    return None


def make_clouds(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Stands in for MNIST: ten random pictures with noise, uint8 [rows, 784], four of five pixels 0; their numbers."""
    random = np.random.default_rng(7)
    pictures = random.integers(0, 200, (10, 784)) * (random.random((10, 784)) < 0.2)
    labels = random.integers(0, 10, rows)
    pixels = pictures[labels].astype(np.uint8)
    pixels[pixels > 0] += random.integers(0, 56, np.count_nonzero(pixels)).astype(np.uint8)
    return pixels, labels


def check_mnist(folder: Path) -> None:
    """Raises CheckFailed if the weights file of the training has not learned its data."""
    path = folder / "weights.bin"
    net = Net(NET.strip()).load(path)
    X, Y = (read_matrix(folder / f"mnist-{part}.txt", 1000, columns) for part, columns in (("X", 784), ("Y", 1)))
    accuracy = net.evaluate(X, Y).accuracy
    path.unlink()
    if not accuracy >= LEARNED:
        raise CheckFailed(f"training on text: {accuracy:.1%} of the first rows are right, expected {LEARNED:.0%}")
