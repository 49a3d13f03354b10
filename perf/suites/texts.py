"""Number files for the suite `reader`: their values and their text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

COLUMNS = 784
ROWS, QUICK_ROWS = 20000, 500


@dataclass(frozen=True)
class TextKind:
    """A kind of text: values per row, `values(random, rows)` float64 [rows, columns], a row's text."""

    name: str
    columns: int
    values: Callable[[np.random.Generator, int], np.ndarray]
    format: str

    def write(self, path: Path, rows: int) -> None:
        """`rows` lines of numbers with one space between them."""
        values = self.values(np.random.default_rng(3), rows)
        line = " ".join([self.format] * self.columns) + "\n"
        with path.open("w") as file:
            for row in values.tolist():
                file.write(line % tuple(row))


def _pixels(random, rows):
    """As MNIST: four of five are 0, the others anything up to 255."""
    return random.integers(0, 256, (rows, COLUMNS)) * (random.random((rows, COLUMNS)) < 0.2)


KINDS = (
    TextKind("integers", COLUMNS, _pixels, "%d"),
    TextKind("floats", COLUMNS // 4, lambda random, rows: random.standard_normal((rows, COLUMNS // 4)), "%f"),
    TextKind("scientific", COLUMNS // 4, lambda random, rows: random.standard_normal((rows, COLUMNS // 4)), "%.6e"),
)


def expected_numbers(path: Path) -> np.ndarray:
    """The numbers of a file by C's strtod, as float32: an oracle that shares no code with the reader."""
    return np.fromstring(path.read_text(), np.float64, sep=" ").astype(np.float32)


def head(path: Path, rows: int) -> Path:
    """A file beside `path` with its first `rows` lines."""
    short = path.with_suffix(".head")
    with path.open("rb") as file:
        short.write_bytes(b"".join(line for line, _ in zip(file, range(rows), strict=False)))
    return short
