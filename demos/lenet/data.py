"""MNIST as pictures, by the demo mnist; where it cannot be downloaded, the UCI digits in its size."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np

MNIST = Path(__file__).resolve().parents[1] / "mnist" / "data.py"
SIDE, TIMES, MARGIN = 28, 3, 2  # of 8 x 8 pixels each becomes 3 x 3, and two rows and columns of nothing are around
BRIGHTEST = 255 / 16


def _mnist():
    """The module of the other demo, whose name is this one's too."""
    found = importlib.util.spec_from_file_location("mnist_data", MNIST)
    module = sys.modules[found.name] = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def load_mnist(data: Path | None):
    """Pictures uint8 [N, 1, 28, 28] and digits for training, then for testing. Raises DataMissing, InputError."""
    mnist = _mnist()
    digits = mnist.load_mnist(mnist.find_mnist(data))
    return tuple(
        part
        for X, Y in ((digits.X, digits.Y), (digits.X_test, digits.Y_test))
        for part in ((X + 128).astype(np.uint8).reshape(-1, 1, SIDE, SIDE), Y[:, 0])
    )


def load_uci_digits():
    """The same of the 1797 digits of scikit-learn, every fifth for testing."""
    digits = _mnist().load_uci_digits()

    def pictures(X: np.ndarray) -> np.ndarray:
        small = ((X + 1) * 8 * BRIGHTEST).astype(np.uint8).reshape(-1, 1, 8, 8)
        large = small.repeat(TIMES, axis=2).repeat(TIMES, axis=3)
        return np.pad(large, ((0, 0), (0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN)))

    return pictures(digits.X), digits.Y[:, 0], pictures(digits.X_test), digits.Y_test[:, 0]
