"""Digits for the demos that read MNIST."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest


def write_idx(path, array: np.ndarray) -> None:
    """uint8 of any shape as a gzipped IDX file."""
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(header + array.tobytes())


@pytest.fixture(scope="module")
def stripes(tmp_path_factory):
    """A folder of files like MNIST's: digit d is a bright stripe, rows 2d + 4 and 2d + 5, in noise.

    The first three digits for testing have the label of the next digit, so at most 497 of 500 can be right.
    """
    folder, random = tmp_path_factory.mktemp("stripes"), np.random.default_rng(2)
    for part, count in (("train", 4000), ("t10k", 500)):
        digits = random.integers(0, 10, count, np.uint8)
        images = random.integers(0, 60, (count, 28, 28), np.uint8)
        for offset in (4, 5):
            images[np.arange(count), 2 * digits + offset] += 190
        write_idx(folder / f"{part}-images-idx3-ubyte.gz", images)
        if part == "t10k":
            digits[:3] = (digits[:3] + 1) % 10
        write_idx(folder / f"{part}-labels-idx1-ubyte.gz", digits)
    return folder
