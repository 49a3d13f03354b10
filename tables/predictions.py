"""Predictions as a table: a label for each row and the probability of each label, or the values of the targets.

prediction,p(setosa),p(virginica)        for classes; without labels these are the numbers from 0
price,rent                               for targets that are numbers, by their names
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Sequence
from typing import IO, Any, NamedTuple

import numpy as np

from ..api import Net
from ..arguments import file_name
from ..engine.textnet.layers.layer import TargetKind
from ..errors import UsageError
from ..formats.atomic import write_atomically
from .columns import Label, TableColumns, label_text
from .raw import CHUNK
from .text_columns import import_polars

PARQUET_SUFFIX = ".parquet"
SOFT = ("sft",)  # losses whose outputs are probabilities, and whose targets are columns of them


class Predictions(NamedTuple):
    """`outputs` float32 [N, K] of a net. `labels` [K] of its classes, None where it gives values; `names` [K]."""

    outputs: np.ndarray
    labels: Sequence[Label] | None
    names: Sequence[str]

    @property
    def columns(self) -> dict[str, np.ndarray]:
        """By name: int64, float64, bool or text [N] for labels, and float32 [N]."""
        if self.labels is None:
            return dict(zip(self.names, self.outputs.T, strict=True))
        found: dict[str, np.ndarray] = {"prediction": np.asarray(self.labels)[self.outputs.argmax(axis=1)]}
        return found | {f"p({name})": column for name, column in zip(self.names, self.outputs.T, strict=True)}

    def frame(self) -> Any:
        """A polars DataFrame. Raises UsageError without polars."""
        import_polars()
        import polars as pl

        return pl.DataFrame({name: np.ascontiguousarray(column) for name, column in self.columns.items()})


def named_outputs(net: Net, columns: TableColumns | None, outputs: np.ndarray) -> Predictions:
    """With the labels or names of the columns; without columns classes have numbers from 0."""
    if columns is not None:
        labels = columns.labels
        if net.spec.loss in SOFT:
            labels = columns.target_names
        return Predictions(outputs, labels, columns.output_names)
    numbers = range(outputs.shape[1])
    classes = net.plan.loss is not None and net.plan.loss.target_kind is TargetKind.CLASS
    if classes or net.spec.loss in SOFT:
        return Predictions(outputs, list(numbers), list(map(str, numbers)))
    return Predictions(outputs, None, [f"output_{number}" for number in numbers])


def write_predictions(path: str | os.PathLike[str], found: Predictions) -> None:
    """Writes CSV, or Parquet where the name ends so. Values have the digits that read back bit for bit.

    Raises OutputError, UsageError for Parquet without polars.
    """
    if file_name(path).lower().endswith(PARQUET_SUFFIX):
        frame = found.frame()
        with write_atomically(path) as file:
            frame.write_parquet(file)
        return
    with write_atomically(path, "w") as file:
        put_csv(file, found)


def put_csv(file: IO[str], found: Predictions) -> None:
    """Write CSV to an open file."""
    writer = csv.writer(file, lineterminator="\n")
    columns = found.columns
    writer.writerow(columns)
    for start in range(0, len(found.outputs), CHUNK):
        part = slice(start, start + CHUNK)
        writer.writerows(zip(*(_texts(column[part]) for column in columns.values()), strict=True))


def _texts(values: np.ndarray) -> Iterable[str]:
    """The shortest digits of float32; booleans as a table has them."""
    if values.dtype == np.float32:
        return list(values.astype(str).tolist())
    return map(label_text, values.tolist())


def check_finite_outputs(outputs: np.ndarray, where: str) -> None:
    """Raises UsageError for a row whose outputs are not finite: its inputs are too large for the net."""
    wrong = np.flatnonzero(~np.isfinite(outputs).all(axis=1))
    if len(wrong):
        raise UsageError(f"{where}: row {wrong[0] + 1} has numbers that are too large for the net, which has float32")
