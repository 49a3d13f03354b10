"""MNIST: 60000 digits to train on and 10000 to test on, 28 x 28 pixels. (Y. LeCun, C. Cortes, C. Burges)

Where it cannot be downloaded, the 1797 UCI digits that come with scikit-learn are used instead.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import caffe64

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common.fetching import download, find_folder

FILES = {  # SHA-256 of the unpacked bytes
    "train-images-idx3-ubyte.gz": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte.gz": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte.gz": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte.gz": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
MIRRORS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
)


@dataclass(frozen=True)
class Digits:
    """Square pictures X float32 [N, pixels] and digits Y float32 [N, 1]; `suffix` ends the names of their net files."""

    name: str
    suffix: str
    X: np.ndarray
    Y: np.ndarray
    X_test: np.ndarray
    Y_test: np.ndarray


def find_mnist(given: Path | None = None) -> Path:
    """The folder of the four files, downloaded if need be. Raises DataMissing."""
    return find_folder("mnist", tuple(FILES), given) or download("mnist", FILES, MIRRORS)


def load_mnist(folder: Path) -> Digits:
    """Pixels as value - 128. Raises InputError."""
    arrays = []
    for part in ("train", "t10k"):
        arrays.append(caffe64.read_matrix(folder / f"{part}-images-idx3-ubyte.gz", None, 784) - np.float32(128))
        arrays.append(caffe64.read_matrix(folder / f"{part}-labels-idx1-ubyte.gz", None, 1))
    return Digits("MNIST", "", *arrays)


def load_uci_digits() -> Digits:
    """8 x 8 pixels of 0 to 16 brought to [-1, 1]; every fifth digit is for testing."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images, labels = (digits.data / 8 - 1).astype(np.float32), digits.target.astype(np.float32)[:, None]
    test = np.arange(len(labels)) % 5 == 0
    return Digits("UCI digits", "Digits", images[~test], labels[~test], images[test], labels[test])
