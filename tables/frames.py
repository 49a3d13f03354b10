"""Parquet, and data frames of polars and pandas, as a `RawTable`: their columns have types."""

from __future__ import annotations

import functools
import io
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, UsageError
from ..formats.files import Source, check_memory
from .raw import BOOLEAN, CATEGORY, NUMBER, LazyColumns, RawColumn, RawTable, WrongCell, leave_out
from .text_columns import import_polars, text_column

if TYPE_CHECKING:
    import polars

FRAME_NAME = "<table>"


def read_parquet(source: Source, kinds: Mapping[str, str]) -> RawTable:
    """All of a Parquet file. Raises InputError, UsageError without polars."""
    import_polars()
    import polars as pl

    check_memory(source.path, source.size)
    try:
        frame = pl.read_parquet(io.BytesIO(source.stream.read()))
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        raise InputError(source.path, f"is a damaged Parquet file: {str(error).splitlines()[0]}") from None
    return frame_table(frame, kinds, source.path)


def frame_table(frame: Any, kinds: Mapping[str, str], name: str = FRAME_NAME) -> RawTable:
    """A data frame of polars or pandas, `name` in messages. Raises UsageError for another type, InputError for a
    column without rows, or names that are not different texts."""
    library = type(frame).__module__.partition(".")[0]
    if library == "polars" and hasattr(frame, "collect"):  # its lazy frames
        frame = frame.collect()
    if library not in ("polars", "pandas") or not hasattr(frame, "columns"):
        kind = type(frame).__name__
        raise UsageError(f"the table is of the type {kind}, expected a file's name or a frame of polars or pandas")
    names = list(frame.columns)
    if wrong := [each for each in names if not isinstance(each, str)]:
        raise UsageError(f"the table has a column named {wrong[0]!r}, expected texts as names")
    if twice := [each for each in names if names.count(each) > 1]:
        raise UsageError(f"the table has two columns named {twice[0]!r}, expected different names")
    if not len(frame) or not names:
        raise InputError(name, f"holds {len(frame)} rows of {len(names)} columns", "one or more")
    import_polars()
    read = _polars_column if library == "polars" else _pandas_column

    def column(each: str) -> RawColumn:
        return _as_kind(read(frame[each], each), kinds.get(each))

    return RawTable(name, LazyColumns({each: functools.partial(column, each) for each in names}), len(frame))


def _polars_column(series: polars.Series, name: str) -> RawColumn:
    import polars as pl

    kind = series.dtype
    if kind.is_numeric() or kind == pl.Boolean:
        values = series.cast(pl.Float64).fill_null(np.nan).to_numpy()
        return RawColumn(name, BOOLEAN if kind == pl.Boolean else NUMBER, values)
    if kind in (pl.String, pl.Categorical, pl.Enum):
        return text_column(series.cast(pl.String), CATEGORY)
    if kind == pl.Null:
        return RawColumn(name, NUMBER, np.full(len(series), np.nan))
    return _refused(name, len(series), f"values of the type {kind}")


def _pandas_column(series: Any, name: str) -> RawColumn:
    import polars as pl

    kind, length = series.dtype, len(series)
    letter = getattr(kind, "kind", "O")
    if letter in "biuf":
        values = series.to_numpy(dtype=np.float64, na_value=np.nan)
        return RawColumn(name, BOOLEAN if letter == "b" else NUMBER, values)
    missing = series.isna().to_numpy()
    objects = [None if absent else value for value, absent in zip(series.tolist(), missing, strict=True)]
    types = {type(value) for value in objects if value is not None}
    if letter in "OSU" and types <= {str}:
        return text_column(pl.Series(name, objects, pl.String), CATEGORY)
    if types <= {bool, np.bool_}:
        return RawColumn(name, BOOLEAN, _floats(objects))
    if all(issubclass(each, (int, float, np.number)) and each is not bool for each in types):
        return RawColumn(name, NUMBER, _floats(objects))
    found = f"values of the type {kind}"
    if letter in "OSU":
        found = f"values of the types {', '.join(sorted(each.__name__ for each in types))}"
    return _refused(name, length, found)


def _floats(values: Iterable[Any]) -> np.ndarray:
    return np.array([np.nan if value is None else float(value) for value in values], np.float64)


def _refused(name: str, rows: int, found: str) -> RawColumn:
    hint = f"make it one of these, or leave it out: {leave_out(name)}"
    wrong = WrongCell(0, f"found {found}", "numbers, booleans or texts", hint)
    return RawColumn(name, NUMBER, np.full(rows, np.nan), (), wrong)


def _as_kind(column: RawColumn, kind: str | None) -> RawColumn:
    """Texts where numbers or booleans are known, from a file that has texts alone: converted."""
    import polars as pl

    if kind in (NUMBER, BOOLEAN) and column.kind == CATEGORY and column.words:
        words = [column.words[code] if code >= 0 else None for code in column.values]
        return text_column(pl.Series(column.name, words, pl.String), kind)
    if kind == CATEGORY and column.kind == NUMBER and not np.isnan(column.values).all():
        whole = column.values == np.rint(column.values)
        texts = [
            None if np.isnan(value) else f"{value:.0f}" if is_whole else repr(float(value))
            for value, is_whole in zip(column.values, whole, strict=True)
        ]
        return text_column(pl.Series(column.name, texts, pl.String), CATEGORY)
    return column
