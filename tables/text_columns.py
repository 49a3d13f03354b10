"""CSV with texts, missing values or quotes.   csv_layout -> [text_columns] -> RawTable

The kind of a column follows from its values, unless it is known:

    number      all that are not missing are numbers
    boolean     all are true or false
    category    others; but where most are numbers or dates, the first that is not, or the column, is refused

The kernels of `csv_fields` read it, columns that begin with numbers as numbers, and if one of these holds something
else, that one as texts after all. What they do not know is left to polars, all columns as texts, after `record_survey`
has checked the records and found the lines. Either way a text is looked at once, however many rows have it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError, UsageError
from ..formats.field_scanner import FIELD_NUMBER, FIELD_TEXT, FIELD_UNUSED, MISSING
from ..formats.text import NUMBER as NUMBER_PATTERN
from ..formats.text import quote
from .csv_layout import CsvLayout, first_records
from .raw import BOOLEAN, CATEGORY, NUMBER, LazyColumns, RawColumn, RawTable, WrongCell, leave_out

if TYPE_CHECKING:
    import polars

    from ..formats.csv_fields import CsvFields

SAMPLE = 100  # rows whose first values show which columns are numbers
DATE = r"^\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|^\d{1,2}[/.]\d{1,2}[/.]\d{4}"
COMMA = r"^[+-]?\d{1,3}([.,]?\d{3})*,\d+$"
WORTH_A_TRY = r"^[-+.\d]|^(?i:true|false|inf|infinity|nan)$"  # begins as a number or a date, or is a boolean
TRUTHS = {"true": 1.0, "false": 0.0, "1": 1.0, "0": 0.0}


def read_text_columns(layout: CsvLayout, kinds: Mapping[str, str], is_unused: Callable[[str], bool]) -> RawTable:
    """Raises InputError with the line for records that are not as the header says; UsageError without polars."""
    import_polars()
    fields = _read_fields(layout, kinds, is_unused)
    if fields is not None:
        return fields
    rows, lines = _check_records(layout)
    layout = layout._replace(data=layout.data[: layout.stop])
    columns = _as_texts(layout, kinds)
    return RawTable(
        layout.path,
        {column.name: column for column in columns},
        rows,
        lambda row: layout.line + (row if lines is None else int(lines[row])),
    )


def _read_fields(layout: CsvLayout, kinds: Mapping[str, str], is_unused: Callable[[str], bool]) -> RawTable | None:
    """None for what the kernels do not know."""
    from ..formats.csv_fields import read_csv_fields

    numeric = _begin_with_numbers(layout, kinds)
    if numeric is None:
        return None
    unused = {name for name in layout.names if is_unused(name)}
    found = [
        FIELD_UNUSED if name in unused else FIELD_NUMBER if number else FIELD_TEXT
        for name, number in zip(layout.names, numeric, strict=True)
    ]

    def read() -> CsvFields | None:
        return read_csv_fields(layout.path, layout.text, layout.start, layout.stop, layout.separator, found)

    fields = read()
    if fields is not None and fields.wrong.any():
        found = [FIELD_TEXT if wrong else kind for kind, wrong in zip(found, fields.wrong.tolist(), strict=True)]
        fields = read()
    if fields is None:
        return None
    columns = {
        name: functools.partial(_field_column, fields, place, found[place], name, kinds.get(name))
        for place, name in enumerate(layout.names)
        if name not in unused
    }
    return RawTable(
        layout.path,
        LazyColumns(columns),
        fields.cells.shape[1],
        lambda row: layout.line + row,
        header=tuple(layout.names) if unused else (),
    )


def _begin_with_numbers(layout: CsvLayout, kinds: Mapping[str, str]) -> list[bool] | None:
    """Which columns are to be read as numbers, by their first value that is not missing; None if it is not CSV."""
    try:
        records, _, _ = first_records(layout.path, layout.data, layout.start, layout.separator, SAMPLE)
    except InputError:
        return None
    found = []
    for place, name in enumerate(layout.names):
        kind = kinds.get(name)
        first = next(
            (value for record in records if (value := "".join(record[place : place + 1]).strip()) not in MISSING), "0"
        )
        found.append(kind == NUMBER or (kind is None and NUMBER_PATTERN.fullmatch(first) is not None))
    return found


def _field_column(fields: CsvFields, place: int, found: int, name: str, kind: str | None) -> RawColumn:
    import polars as pl

    if found == FIELD_NUMBER:
        return RawColumn(name, NUMBER, fields.cells[place])
    return _of_words(pl.Series(name, fields.words(place), pl.String), fields.codes(place), kind)


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


def _as_texts(layout: CsvLayout, kinds: Mapping[str, str]) -> list[RawColumn]:
    import polars as pl

    try:
        frame = pl.read_csv(
            layout.data,  # type: ignore[arg-type]  # bytes, without blank lines at the end
            separator=layout.separator,
            schema=dict.fromkeys(layout.names, pl.String()),
            infer_schema=False,
        )
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
    words = series.unique(maintain_order=True)
    numbers = np.arange(len(words), dtype=np.int32)
    return _of_words(words, series.replace_strict(words, numbers).to_numpy(), kind)


def _of_words(words: polars.Series, codes: np.ndarray, kind: str | None) -> RawColumn:
    """The same for different texts, null where one is missing, of which each row has one: int32 codes [N]."""
    import polars as pl

    words = words.str.strip_chars()
    words = words.set(words.is_in(MISSING), None)
    if kind != CATEGORY and not (kind is None and _are_words(words)):
        counts = np.bincount(codes, minlength=len(words))

        def rows(chosen: polars.Series) -> int:
            return int(counts[chosen.fill_null(False).to_numpy()].sum())

        filled = rows(words.is_not_null())
        lower = words.str.to_lowercase()
        truths = lower.is_in(["true", "false"]) if kind is None else lower.is_in(list(TRUTHS))
        if kind == BOOLEAN or (kind is None and filled and rows(truths) == filled):
            values = lower.replace_strict(TRUTHS, default=None, return_dtype=pl.Float64)
            return _checked(words, codes, BOOLEAN, values, "true or false")
        numbers = words.cast(pl.Float64, strict=False)
        found = rows(numbers.is_not_null())
        numbers = numbers.set(numbers.is_infinite() | numbers.is_nan(), None)
        if kind == NUMBER or rows(numbers.is_not_null()) == filled:
            return _checked(words, codes, NUMBER, numbers, "a number")
        commas, dates = (rows(words.str.contains(pattern)) for pattern in (COMMA, DATE))
        if 2 * (found + commas) > filled:
            hint = "with a decimal point" if commas else f"or leave the column out: {leave_out(words.name)}"
            return _checked(words, codes, NUMBER, numbers, "a number", hint)
        if 2 * dates > filled:
            hint = f"make it numbers, or leave it out: {leave_out(words.name)}"
            return _checked(words, codes, NUMBER, numbers, "a number, not a date", hint)
    return category_column(words, codes)


def _are_words(words: polars.Series) -> bool:
    """Whether none of these texts looks like a number, a boolean or a date."""
    words = words.drop_nulls()
    return len(words) > 0 and not words.str.contains(WORTH_A_TRY).any()


def category_column(words: polars.Series, codes: np.ndarray) -> RawColumn:
    """Of texts, null where one is missing, of which each row has one: int32 codes [N]."""
    if not words.has_nulls() and words.n_unique() == len(words):
        return RawColumn(words.name, CATEGORY, codes, tuple(words.to_list()))
    places: dict[str, int] = {}
    found = [-1 if word is None else places.setdefault(word, len(places)) for word in words.to_list()]
    if found != list(range(len(found))):
        codes = np.array(found, np.int32)[codes]
    return RawColumn(words.name, CATEGORY, codes, tuple(places))


def _checked(
    words: polars.Series, codes: np.ndarray, kind: str, values: polars.Series, expected: str, hint: str = ""
) -> RawColumn:
    """A column of the `values` of its words, null where a word is missing or wrong."""
    wrong = (words.is_not_null() & values.is_null()).to_numpy()[codes]
    found = None
    if wrong.any():
        row = int(wrong.argmax())
        found = WrongCell(row, f"found {quote(words[int(codes[row])])}", expected, hint)
    return RawColumn(words.name, kind, values.fill_null(np.nan).to_numpy()[codes], (), found)
