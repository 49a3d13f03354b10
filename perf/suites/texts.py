"""Files for the suite `reader`, numbers alone and tables: their values, their text, and how Python reads them."""

from __future__ import annotations

import csv
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


@dataclass(frozen=True)
class TableKind:
    """A kind of CSV with a header. `columns(random, rows)` are the format and the [rows] values of each, by its name;
    `texts` the names of those that are not numbers, `target` what is to be predicted."""

    name: str
    rows: int
    quick_rows: int
    columns: Callable[[np.random.Generator, int], dict[str, tuple[str, np.ndarray]]]
    target: str
    texts: tuple[str, ...] = ()

    def write(self, path: Path, rows: int) -> None:
        """The header and `rows` lines."""
        columns = self.columns(np.random.default_rng(6), rows)
        line = ",".join(format for format, _ in columns.values()) + "\n"
        with path.open("w") as file:
            file.write(",".join(columns) + "\n")
            for row in zip(*(values.tolist() for _, values in columns.values()), strict=True):
                file.write(line % row)


def _measured(random, rows):
    """Numbers of four decimals; the target is the last column."""
    names = [*(f"x{number}" for number in range(99)), "y"]
    return {name: ("%.4f", random.standard_normal(rows)) for name in names}


def _described(random, rows):
    """Three columns of numbers and three of texts."""
    return {
        "city": ("%s", random.choice([f"city {number}" for number in range(20)], rows)),
        "age": ("%d", random.integers(18, 90, rows)),
        "income": ("%.2f", 3000 * random.random(rows)),
        "job": ("%s", random.choice(["cook", "driver", "nurse", "teacher", "writer"], rows)),
        "score": ("%.4f", random.standard_normal(rows)),
        "plan": ("%s", random.choice(["basic", "family", "premium"], rows)),
    }


TABLE_KINDS = (
    TableKind("numbers", 60_000, 1_500, _measured, "y"),
    TableKind("mixed", 500_000, 12_500, _described, "plan", ("city", "job", "plan")),  # needs polars
)


def expected_table(path: Path, kind: TableKind) -> tuple[np.ndarray, np.ndarray]:
    """X float32 [N, F] and Y, float32 [N] of texts or [N, 1] of numbers, by Python's csv and float: an oracle that
    shares no code with `Table`."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    inputs: list[list[float]] = []  # one list per input
    for name in rows[0]:
        values = [row[name] for row in rows]
        if name in kind.texts:
            known = sorted(set(values))
            found = [[float(value == one) for value in values] for one in known]
            numbers = [float(known.index(value)) for value in values]
        else:
            numbers = [float(value) for value in values]
            found = [numbers]
        if name == kind.target:
            Y = np.array(numbers, np.float32).reshape((-1,) if name in kind.texts else (-1, 1))
        else:
            inputs += found
    return np.array(inputs, np.float32).T, Y


def expected_numbers(path: Path) -> np.ndarray:
    """The numbers of a file by C's strtod, as float32: an oracle that shares no code with the reader."""
    return np.fromstring(path.read_text(), np.float64, sep=" ").astype(np.float32)


def head(path: Path, rows: int) -> Path:
    """A file beside `path` with its first `rows` lines."""
    short = path.with_suffix(".head")
    with path.open("rb") as file:
        short.write_bytes(b"".join(line for line, _ in zip(file, range(rows), strict=False)))
    return short
