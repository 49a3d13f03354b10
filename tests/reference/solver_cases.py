"""Trainings of real Caffe: weights, histories, losses and what their files hold, at several iterations."""

from __future__ import annotations

import json
import shutil
from functools import cached_property
from pathlib import Path

import numpy as np
from support import SHARED

SOLVERS = SHARED / "caffe" / "solver"
CASES = sorted(path.parent.name for path in SOLVERS.glob("*/expected.npz"))
LEAST_SHARE = 1e-3  # of the largest weight of the net: what an array's difference is measured by, at least


class SolverCase:
    """The training `name`, in a copy of all of them below `folder`: `path` is its working directory."""

    def __init__(self, name: str, folder: Path):
        self.path = folder / "solver" / name
        if not self.path.parent.exists():
            shutil.copytree(SOLVERS, self.path.parent)
        self.options = json.loads((self.path / "case.json").read_text())

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        with np.load(self.path / "expected.npz") as file:
            return {key: file[key] for key in file.files}

    def at(self, kind: str, update: int) -> dict[tuple[str, ...], np.ndarray]:
        """The arrays of a kind ("w", "h", "g") after so many updates, by layer and number."""
        found = {}
        for key, array in self.arrays.items():
            first, *rest = key.split("/")
            if first == kind and rest[0] == str(update):
                found["/".join(rest[1:-1]), int(rest[-1])] = array
        return found

    def updates(self, kind: str) -> list[int]:
        return sorted({int(key.split("/")[1]) for key in self.arrays if key.startswith(f"{kind}/")})


def worst(pairs: list[tuple[np.ndarray, np.ndarray]], largest_weight: float) -> float:
    """The largest difference of found and expected arrays, as a share of the largest value of its array."""
    least = max(LEAST_SHARE * largest_weight, 1e-30)
    shares = []
    for found, expected in pairs:
        largest = max(np.abs(expected).max(initial=0), least)
        shares.append(np.abs(found.reshape(expected.shape) - expected).max(initial=0) / largest)
    return max(shares, default=0.0)
