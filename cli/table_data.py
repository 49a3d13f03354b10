"""The rows that a command runs a net on: of a table, where the net has columns, else of plain numbers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import typer

from ..errors import UsageError
from ..formats.data import kernels_to_read
from .data import naming_label, read_inputs, read_targets

if TYPE_CHECKING:
    from ..api import Net
    from ..engine.compiler.jit import Kernel
    from ..engine.textnet.one_hot import Data
    from ..tables.columns import TableColumns
    from ..tables.predictions import Predictions
    from ..tables.raw import RawTable


def refuse_unknown(columns: TableColumns | None, ignore_unknown: bool) -> None:
    """Raises typer.BadParameter for --ignore-unknown with a net that has no columns."""
    if ignore_unknown and columns is None:
        raise typer.BadParameter("is for a .c64 that was trained on a table.", param_hint="--ignore-unknown")


def kernels_for(columns: TableColumns | None, *paths: Path | None) -> list[Kernel]:
    """The kernels that read the files: a table, or plain numbers."""
    if columns is None:
        return kernels_to_read(*paths)
    from ..tables.reading import kernels_of_tables

    return kernels_of_tables()


def input_rows(
    net: Net, columns: TableColumns | None, x: Path, rows: int | None, *, strict: bool, ignore_unknown: bool
) -> np.ndarray:
    """X float32 [rows, features]; `rows` None: all of the file."""
    if columns is None:
        return read_inputs(net, x, rows, strict=strict)
    return columns.inputs(_table(columns, x, rows), ignore_unknown=ignore_unknown)


def scored_rows(
    net: Net,
    columns: TableColumns | None,
    x: Path,
    y: Path | None,
    rows: int | None,
    *,
    strict: bool,
    ignore_unknown: bool,
) -> Data:
    """X and Y of the two files, or of one table, checked. Raises UsageError for another number of files."""
    if columns is not None:
        if y is not None:
            raise UsageError(f"the net was trained on a table, which holds its targets itself: leave {y} out")
        table = _table(columns, x, rows)
        table.require(columns.target_names)
        return net.checked(
            columns.inputs(table, ignore_unknown=ignore_unknown), columns.targets(table), (str(x), str(x))
        )
    if y is None:
        raise typer.BadParameter("needs the file of targets, as the net was not trained on a table.", param_hint="Y")
    X = read_inputs(net, x, rows, strict=strict)
    Y = read_targets(net, y, X, strict=strict)
    with naming_label(y, Y):
        return net.checked(X, Y, (str(x), str(y)))


def predictions(
    net: Net, columns: TableColumns | None, x: Path, *, strict: bool, ignore_unknown: bool, threads: int | None
) -> Predictions:
    """The outputs for all rows of a file."""
    from ..tables.predictions import check_finite_outputs, named_outputs

    outputs = net.predict(
        input_rows(net, columns, x, None, strict=strict, ignore_unknown=ignore_unknown), threads=threads
    )
    outputs = outputs if columns is None else columns.values(outputs)
    check_finite_outputs(outputs, str(x))
    return named_outputs(net, columns, outputs)


def _table(columns: TableColumns, x: Path, rows: int | None) -> RawTable:
    from ..tables.reading import read_table

    return read_table(x, columns.kinds, columns.is_unused).head(rows)
