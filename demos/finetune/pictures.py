"""The pictures: 32 x 32 pixels, with the number of their CIFAR-10 class at the end of their names."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common.fetching import DataMissing
from common.pictures import read_image

TASK = ("animal", "vehicle")
VEHICLES = {0, 1, 8, 9}  # airplane, automobile, ship, truck; the others: bird, cat, deer, dog, frog, horse
SIDE = 32
NAMED = re.compile(r".*_(\d)\.png")


@dataclass(frozen=True)
class Examples:
    """X uint8 [N, 3, 32, 32], red first as CIFAR-10's own files, and the numbers of their classes in TASK, Y int64
    [N]. The second half is the mirror images of the first."""

    X: np.ndarray
    Y: np.ndarray


def read_pictures(folder: Path) -> tuple[Examples, Examples]:
    """Those to train on and those to test on: of each class of CIFAR-10, every other one. Raises DataMissing for a
    folder with too few, PictureError."""
    paths = [path for path in sorted(folder.glob("*.png")) if NAMED.fullmatch(path.name)]
    labels = np.array([int(NAMED.fullmatch(path.name)[1]) for path in paths])
    places = np.array([np.sum(labels[:number] == label) for number, label in enumerate(labels)])
    if not (places % 2 == 1).any():
        raise DataMissing(f"{folder} holds no pictures NAME_LABEL.png, at least two of a label from 0 to 9")
    X = np.stack([read_image(path, (SIDE, SIDE)).transpose(2, 0, 1) for path in paths])
    Y = np.array([int(label in VEHICLES) for label in labels])
    return tuple(
        Examples(np.concatenate([X[part], X[part, :, :, ::-1]]), np.tile(Y[part], 2))
        for part in (places % 2 == 0, places % 2 == 1)
    )
