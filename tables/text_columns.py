"""CSV with texts, missing values or quotes, by polars.   csv_layout -> [text_columns] -> RawTable

The kind of a column follows from its values, unless it is known:

    number      all that are not missing are numbers
    boolean     all are true or false
    category    others; but where most are numbers or dates, the first that is not, or the column, is refused

All columns are read as texts, or, which takes half as long, those that the first rows show to be numbers as numbers; if
one of these then holds something else, as texts after all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError, UsageError
from ..formats.text import quote
from .csv_layout import CsvLayout
from .raw import BOOLEAN, CATEGORY, NUMBER, RawColumn, RawTable, WrongCell

if TYPE_CHECKING:
    import polars

MISSING = ("", "NA", "N/A", "n/a", "#N/A", "null", "NULL", "nan", "NaN")
SAMPLE = 1000  # rows that show which columns are numbers
DATE = r"^\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|^\d{1,2}[/.]\d{1,2}[/.]\d{4}"
COMMA = r"^[+-]?\d{1,3}([.,]?\d{3})*,\d+$"
TRUTHS = {"true": 1.0, "false": 0.0, "1": 1.0, "0": 0.0}


def read_text_columns(layout: CsvLayout, kinds: Mapping[str, str]) -> RawTable:
    """Raises InputError with the line for records that are not as the header says; UsageError without polars."""
    import_polars()
    rows, lines = _check_records(layout)
    layout = layout._replace(data=layout.data[: layout.stop])
    numeric = [column.name for column in _as_texts(layout, kinds, min(rows, SAMPLE)) if column.kind == NUMBER]
    columns = None
    if numeric:  # words for a missing value take polars twice as long, and few files have any but an empty field
        columns = _as_numbers(layout, kinds, numeric, ()) or _as_numbers(layout, kinds, numeric, MISSING)
    columns = columns or _as_texts(layout, kinds)

    def line_of(row: int) -> int:
        return layout.line + (row if lines is None else int(lines[row]))

    return RawTable(layout.path, {column.name: column for column in columns}, rows, line_of)


def import_polars() -> None:
    """Raises UsageError if polars is not installed."""
    try:
        import polars  # noqa: F401
    except ImportError:
        raise UsageError(
            "tables with texts or missing values, and Parquet, need polars: pip install 'caffe64[tables]'"
        ) from None


def _check_records(layout: CsvLayout) -> tuple[int, np.ndarray | None]:
    """The number of rows, and the line of each, from 0 at the first, if some hold line feeds. Raises InputError."""
    from ..formats import record_survey as survey

    state, lines = np.zeros(survey.RECORD_STATE, np.int64), np.empty(0, np.int64)
    text, columns = layout.text[: layout.stop], len(layout.names)

    def walk() -> int:
        return int(survey.survey_records.run(text, layout.start, ord(layout.separator), columns, lines, state))

    fault = walk()
    if fault == survey.RECORD_FINE:
        rows = int(state[survey.RECORD_COUNT])
        if not state[survey.RECORD_FEEDS]:
            return rows, None
        lines = np.empty(rows, np.int64)
        walk()
        return rows, lines
    line, fields = layout.line + int(state[survey.RECORD_LINE]), int(state[survey.RECORD_FOUND])
    expected, hint = f"{columns} fields as in the header", ""
    if fault == survey.RECORD_FIELDS:
        found = f"found {fields} field{'' if fields == 1 else 's'}"
        hint = f"fields are cut at each {layout.separator!r}"
    elif fault == survey.RECORD_BLANK:
        found = "the line is blank"
    elif fault == survey.RECORD_OPEN:
        found, expected = "a quoted field has no end", "a closing quote"
    else:
        found, expected = "found a quote inside a field", 'quotes around a whole field alone, and "" for one in it'
    raise InputError(layout.path, found, expected, hint, line=line)


def _read(
    layout: CsvLayout, rows: int | None, schema: dict[str, polars.DataType], missing: Sequence[str] = ()
) -> polars.DataFrame:
    """The first `rows` rows, None for all; `missing` words are null, as an empty field is.
    Raises polars's ComputeError for what does not fit the schema."""
    import polars as pl

    return pl.read_csv(
        layout.data,  # type: ignore[arg-type]  # bytes, without blank lines at the end
        separator=layout.separator,
        schema=schema,
        null_values=list(missing) or None,
        n_rows=rows,
        infer_schema=False,
    )


def _as_numbers(
    layout: CsvLayout, kinds: Mapping[str, str], numeric: list[str], missing: Sequence[str]
) -> list[RawColumn] | None:
    """The columns, of which those `numeric` are read as numbers; None if one of them holds something else, other than
    the words for a `missing` value."""
    import polars as pl

    schema: dict[str, polars.DataType] = dict.fromkeys(layout.names, pl.String())
    schema |= dict.fromkeys(numeric, pl.Float64())
    try:
        frame = _read(layout, None, schema, missing).with_columns(pl.col(pl.Float64).fill_null(np.nan))
    except pl.exceptions.ComputeError:
        return None
    found = []
    for name in layout.names:
        if name in numeric:
            values = frame[name].to_numpy()
            if np.isinf(values).any():
                return None
            found.append(RawColumn(name, NUMBER, values))
        else:
            found.append(text_column(frame[name], kinds.get(name)))
    return found


def _as_texts(layout: CsvLayout, kinds: Mapping[str, str], rows: int | None = None) -> list[RawColumn]:
    import polars as pl

    try:
        frame = _read(layout, rows, dict.fromkeys(layout.names, pl.String()))
    except pl.exceptions.ComputeError as error:
        raise _unreadable(layout, error) from None
    texts = frame.select(pl.all().str.strip_chars())
    values = texts.select(pl.all().cast(pl.Float64, strict=False))
    finite = values.select(pl.all().is_finite().sum()).row(0)
    values = values.select(pl.all().fill_null(np.nan))
    absent = texts.select(pl.all().is_in(MISSING).fill_null(True).sum()).row(0)
    found = []
    for name, *counts in zip(layout.names, finite, absent, strict=True):
        if sum(counts) == len(frame) and kinds.get(name, NUMBER) == NUMBER:  # at once: there may be thousands
            found.append(RawColumn(name, NUMBER, values[name].to_numpy()))
        else:
            found.append(text_column(frame[name], kinds.get(name)))
    return found


def _unreadable(layout: CsvLayout, error: Exception) -> InputError:
    """The structure is checked already, so that what remains is text in another encoding."""
    try:
        layout.data[:].decode()
    except UnicodeDecodeError as wrong:
        line = layout.data[: wrong.start].count(b"\n") + 1
        found = f"found the byte 0x{wrong.object[wrong.start]:02x}"
        return InputError(layout.path, found, "UTF-8", "save it anew as UTF-8", line=line)
    return InputError(layout.path, f"polars cannot read it: {str(error).splitlines()[0]}")


def text_column(series: polars.Series, kind: str | None) -> RawColumn:
    """A column of texts as one of `kind`, None: of what its values are. Blanks around a value do not count."""
    import polars as pl

    if kind is None and _are_words(series.unique()):  # of a column with few different values, soon seen
        kind = CATEGORY
    series = series.str.strip_chars()
    series = series.set(series.is_in(MISSING), None)
    there = series.is_not_null()
    filled = int(there.sum())
    if kind != CATEGORY:
        lower = series.str.to_lowercase()
        truths = lower.is_in(["true", "false"]) if kind is None else lower.is_in(list(TRUTHS))
        if kind == BOOLEAN or (kind is None and filled and int(truths.sum()) == filled):
            values = lower.replace_strict(TRUTHS, default=None, return_dtype=pl.Float64)
            return _checked(series, BOOLEAN, values, "true or false")
        numbers = series.cast(pl.Float64, strict=False)
        infinite = numbers.is_infinite() | numbers.is_nan()
        found = int(numbers.is_not_null().sum())
        numbers = numbers.set(infinite, None)
        good = int(numbers.is_not_null().sum())
        if good == filled or kind == NUMBER:
            return _checked(series, NUMBER, numbers, "a number")
        commas, dates = (int(series.str.contains(pattern).sum()) for pattern in (COMMA, DATE))
        if 2 * (found + commas) > filled:
            hint = "with a decimal point" if commas else "or leave the column out: --drop"
            return _checked(series, NUMBER, numbers, "a number", hint)
        if 2 * dates > filled:
            hint = f"make it numbers, or leave it out: --drop {series.name!r}"
            return _checked(series, NUMBER, numbers, "a number, not a date", hint)
    return category_column(series)


def _are_words(values: polars.Series) -> bool:
    """Whether none of these texts looks like a number, a boolean or a date."""
    values = values.str.strip_chars()
    values = values.filter(values.is_not_null() & ~values.is_in(MISSING))
    return len(values) > 0 and not values.str.contains(r"\d|^(?i:true|false|inf|infinity)$").any()


def category_column(series: polars.Series) -> RawColumn:
    """Texts, null where one is missing."""
    words = series.unique().drop_nulls().sort()
    codes = series.replace_strict(words, np.arange(len(words), dtype=np.int32), default=-1) if len(words) else None
    values = np.full(len(series), -1, np.int32) if codes is None else codes.to_numpy().astype(np.int32)
    return RawColumn(series.name, CATEGORY, values, tuple(words.to_list()))


def _checked(texts: polars.Series, kind: str, values: polars.Series, expected: str, hint: str = "") -> RawColumn:
    """A column of `values`, null where a text is missing or wrong."""
    wrong = (texts.is_not_null() & values.is_null()).arg_true()
    found = None
    if len(wrong):
        row = int(wrong[0])
        found = WrongCell(row, f"found {quote(texts[row])}", expected, hint)
    return RawColumn(texts.name, kind, values.fill_null(np.nan).to_numpy(), (), found)
