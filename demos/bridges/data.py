"""Pittsburgh bridges, version 2: seven attributes of 108 bridges. (Y. Reich, S. Fenves; UCI)"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from common.fetching import download, find_folder

import caffe64

FILE = "bridges.data.version2"
SHA256 = "7d89fc30b1b66db65ffde6fa10341aa811222464051ea023afd62c44256666eb"
MIRRORS = ("https://archive.ics.uci.edu/ml/machine-learning-databases/bridges/",)
LARGEST = 1 << 16  # bytes; the file has 6495

COLUMNS = 13  # an identifier, then
ATTRIBUTES = range(1, 8)  # river, location, period, purpose, length, lanes, clearance
TARGETS = {"Through or deck": 8, "Material": 9, "Span": 10, "Rel-L": 11, "Type": 12}
UNKNOWN = "?"


@dataclass(frozen=True)
class Target:
    """What is to be predicted of the bridges that it is known of: inputs X float32 [N, F], labels y float32 [N]."""

    name: str
    classes: tuple[str, ...]
    X: np.ndarray
    y: np.ndarray


def find_bridges(given: Path | None = None) -> Path:
    """The data file: `given` itself or in the folder `given`, else where demos find data, else downloaded.

    Raises DataMissing.
    """
    if given is not None and given.is_file():
        return given
    folder = find_folder("bridges", (FILE,), given) or download("bridges", {FILE: SHA256}, MIRRORS)
    return folder / FILE


def read_bridges(path: Path) -> list[Target]:
    """The five targets. Raises InputError where the file is something else."""
    lines = _read_lines(path)
    inputs = np.concatenate([_one_hot([line[column] for line in lines])[1] for column in ATTRIBUTES], axis=1)
    return [_target(name, [line[column] for line in lines], inputs, path) for name, column in TARGETS.items()]


def _read_lines(path: Path) -> list[list[str]]:
    if path.stat().st_size > LARGEST:
        raise caffe64.InputError(path, f"has {path.stat().st_size} bytes", f"a table of at most {LARGEST}")
    lines = []
    for number, text in enumerate(path.read_text(encoding="ascii", errors="replace").splitlines(), 1):
        cells = [cell.strip() for cell in text.split(",")]
        if text.strip() and len(cells) != COLUMNS:
            raise caffe64.InputError(path, f"{len(cells)} columns", f"{COLUMNS}, parted by commas", line=number)
        if text.strip():
            lines.append(cells)
    return lines


def _one_hot(values: list[str]) -> tuple[list[str], np.ndarray]:
    """The different values in order, and float32 [N, different values]. "?" is a value like the others."""
    names, index = np.unique(np.array(values, str), return_inverse=True)
    return names.tolist(), np.eye(len(names), dtype=np.float32)[index]


def _target(name: str, values: list[str], inputs: np.ndarray, path: Path) -> Target:
    known = np.array([value != UNKNOWN for value in values], bool)
    classes, hot = _one_hot([value for value in values if value != UNKNOWN])
    if known.sum() < 20 or len(classes) < 2:
        found = f"{name}: {known.sum()} known values of {len(classes)} classes"
        raise caffe64.InputError(path, found, "at least 20 of 2 classes")
    return Target(name, tuple(classes), inputs[known], hot.argmax(axis=1).astype(np.float32))
