"""The mean picture of a set of samples, as compute_image_mean has it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...errors import InputError
from ...formats.atomic import write_atomically
from ...formats.caffe import BlobProto
from .samples import Samples
from .writing import Progress


def mean_picture(path: Path, samples: Samples, progress: Progress) -> np.ndarray:
    """float32 [channels, height, width], from exact sums. Raises InputError for samples of several sizes, and for rows
    that are not pictures."""
    total = np.zeros(0)
    for number, row in enumerate(samples.rows()):
        if row.values.ndim != 3:
            raise InputError(path, f"holds rows of {list(row.values.shape)}", "pictures")
        if number == 0:
            total = np.zeros(row.values.shape)
        if row.values.shape != total.shape:
            found = f"sample {number} is {list(row.values.shape)}"
            raise InputError(path, found, f"{list(total.shape)}, as the first", "a mean picture is of one size")
        total += row.values
        progress(number + 1)
    return (total / samples.count).astype(np.float32)


def write_mean(path: Path, mean: np.ndarray) -> None:
    """As .npy, or else as a .binaryproto. Raises OutputError."""
    with write_atomically(path) as file:
        if path.suffix.lower() == ".npy":
            np.save(file, mean)
        else:
            sizes = dict(zip(("num", "channels", "height", "width"), (1, *mean.shape), strict=True))
            file.write(BlobProto(**sizes, data=mean.ravel()).SerializeToString())
