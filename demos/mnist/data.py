"""MNIST: 60000 digits to train on and 10000 to test on, 28 x 28 pixels. (Y. LeCun, C. Cortes, C. Burges)"""

from __future__ import annotations

import sys
from pathlib import Path

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


def find_mnist(given: Path | None = None) -> Path:
    """The folder of the four files, downloaded if need be. Raises DataMissing."""
    return find_folder("mnist", tuple(FILES), given) or download("mnist", FILES, MIRRORS)
