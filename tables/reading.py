"""A file or a data frame -> a `RawTable`.

CSV whose fields are all plain numbers  ->  kernels that scan numbers, after the structure of each line is checked
other CSV                               ->  `text_columns`
Parquet, frames of polars and pandas    ->  `frames`
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import file_name
from ..errors import InputError
from ..formats.content import HEAD, refuse_others
from ..formats.files import open_data
from ..formats.text import NUMBER as NUMBER_PATTERN
from .csv_layout import A_TABLE, CsvLayout, csv_layout
from .raw import NUMBER, RawTable, views

if TYPE_CHECKING:
    from ..engine.compiler.jit import Kernel

PARQUET = b"PAR1"
ZIPPED = "an Excel or other zipped file? save the sheet as CSV"


def never(name: str) -> bool:
    """No column is unused."""
    return False


def kernels_of_tables() -> list[Kernel[*tuple[Any, ...], Any]]:
    """The kernels that read CSV, and make inputs of its columns."""
    from ..engine.compiler.jit import KERNELS
    from ..formats import csv_fields, csv_numbers
    from . import features

    packages = {module.__package__ for module in (csv_fields, csv_numbers, features)}
    return [kernel for kernel in KERNELS if kernel.py_func.__module__.rpartition(".")[0] in packages]


def open_table(source: Any, kinds: Mapping[str, str], is_unused: Callable[[str], bool] = never) -> RawTable:
    """A file or a frame; `read_table` says of what. Raises InputError, UsageError."""
    if isinstance(source, str | os.PathLike):
        return read_table(file_name(source), kinds, is_unused)
    from .frames import frame_table

    return frame_table(source, kinds)


def read_table(
    path: str | os.PathLike[str], kinds: Mapping[str, str] | None = None, is_unused: Callable[[str], bool] = never
) -> RawTable:
    """All of a file: CSV with a header, fields between commas, semicolons or tabs, or Parquet. `kinds` are those that
    some columns have, by their names; others follow from the values. Columns whose name `is_unused` need not be read.

    Raises InputError with the line for records that are not as the header says; a value that is not of the kind of its
    column is reported when the column is used. UsageError if polars is needed and missing.
    """
    kinds = kinds or {}
    with open_data(path) as source:
        head = source.head(HEAD)
        if head.startswith(PARQUET):
            from .frames import read_parquet

            return read_parquet(source, kinds)
        if head.startswith(b"PK\3\4"):
            raise InputError(path, "is a .zip archive", A_TABLE, ZIPPED)
        refuse_others(path, head, A_TABLE, "text")
        layout = csv_layout(source)
    matrix = _plain_matrix(layout, kinds)
    if matrix is not None:
        return RawTable(
            layout.path, views(layout.names, matrix), len(matrix), lambda row: layout.line + row, matrix=matrix
        )
    from .text_columns import read_text_columns

    return read_text_columns(layout, kinds, is_unused)


def _plain_matrix(layout: CsvLayout, kinds: Mapping[str, str]) -> np.ndarray | None:
    """float32 [rows, columns] if all fields are plain numbers, which is known only when each line is checked."""
    if any(kinds.get(name, NUMBER) != NUMBER for name in layout.names):
        return None
    end = layout.data.find(b"\n", layout.start)
    first = layout.data[layout.start : end].rstrip(b"\r").split(layout.separator.encode())
    if not all(NUMBER_PATTERN.fullmatch(field.decode("latin-1")) for field in first):
        return None
    from ..formats.csv_numbers import read_plain_csv

    return read_plain_csv(layout.path, layout.text, layout.start, layout.stop, layout.separator, len(layout.names))
