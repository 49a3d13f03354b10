"""A table as it was read: named columns of numbers, booleans or categories, and where each of its rows stands."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ..errors import InputError
from ..wording import near_miss

NUMBER, BOOLEAN, CATEGORY = "number", "boolean", "category"
KINDS = (NUMBER, BOOLEAN, CATEGORY)
SHOWN_NAMES = 12  # of a table, in a message
CHUNK = 1 << 12  # rows that are taken from many columns at a time, so that they stay in the cache


def leave_out(name: str) -> str:
    """For a hint: how a column is left out."""
    return f"--drop {name!r}, in Python drop=[{name!r}]"


class WrongCell(NamedTuple):
    """The first value that is not of its column's kind; `row` counts from 0 in the file."""

    row: int
    found: str
    expected: str
    hint: str = ""


@dataclass(frozen=True)
class RawColumn:
    """A column of N values, by its kind:

    number     values float [N], nan where one is missing
    boolean    the same, of 0 and 1
    category   values int32 [N], which of `words`; -1 where one is missing

    A column with a `wrong` cell is refused when it is used.
    """

    name: str
    kind: str
    values: np.ndarray
    words: tuple[str, ...] = ()
    wrong: WrongCell | None = None


class LazyColumns(Mapping[str, RawColumn]):
    """Columns by name, each of which its function makes when it is first asked for: many tables have some that no net
    takes, such as names of the rows."""

    def __init__(self, makers: Mapping[str, Callable[[], RawColumn]]):
        self._makers, self._made = makers, dict[str, RawColumn]()

    def __getitem__(self, name: str) -> RawColumn:
        if name not in self._made:
            self._made[name] = self._makers[name]()
        return self._made[name]

    def __contains__(self, name: object) -> bool:
        return name in self._makers

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)

    def __reduce__(self) -> tuple[type[dict[str, RawColumn]], tuple[dict[str, RawColumn]]]:
        return dict, (dict(self),)  # the makers hold what cannot be pickled


@dataclass(frozen=True)
class RawTable:
    """`path` stands for the table in messages, `line_of(row)` gives the line of a row of the file, None if it has no
    lines. `places` int64 [N] are the rows of the file that are in this part of it; None: all, in their order. `matrix`
    float32 [N, columns] holds the values of all columns, where these are finite numbers. `header` are the
    names of all columns of the file if some of them were not read."""

    path: str
    columns: Mapping[str, RawColumn]
    rows: int
    line_of: Callable[[int], int] | None = None
    places: np.ndarray | None = None
    matrix: np.ndarray | None = None
    header: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        return list(self.header or self.columns)

    def column(self, name: str) -> RawColumn:
        """Raises InputError for a name that the table does not have, or a column with a wrong cell."""
        self.require([name])
        found = self.columns[name]
        if found.wrong:
            row, cell, expected, hint = found.wrong
            raise self.error(row, name, cell, expected, hint, of_file=True)
        return found

    def require(self, names: Iterable[str]) -> None:
        """Raises InputError unless the table has columns of these names."""
        for name in names:
            if name not in self.columns and name not in self.header:
                shown = ", ".join(map(repr, self.names[:SHOWN_NAMES]))
                shown += f" and {len(self.names) - SHOWN_NAMES} more" if len(self.names) > SHOWN_NAMES else ""
                hint = near_miss(name, self.names) or self._same_but_case(name)
                raise InputError(self.path, f"has no column {name!r}", f"one of {shown}", hint)

    def _same_but_case(self, name: str) -> str:
        alike = [each for each in self.names if each.casefold().strip() == name.casefold().strip()]
        return f"did you mean {alike[0]!r}?" if alike else ""

    def error(
        self, row: int, column: str, found: str, expected: str, hint: str = "", *, of_file: bool = False
    ) -> InputError:
        """About the value of a column in `row` (from 0) of this part, or `of_file`."""
        if self.places is not None and not of_file:
            row = int(self.places[row])
        if self.line_of is None:
            return InputError(self.path, f"row {row + 1}, column {column!r}: {found}", expected, hint)
        return InputError(self.path, f"column {column!r}: {found}", expected, hint, line=self.line_of(row))

    def too_large(self, row: int, column: str) -> InputError:
        """About a number that float32 does not have."""
        value = self.columns[column].values[row]
        return self.error(row, column, f"found {value:g}", "a number below 3.4e38 (float32)")

    def take(self, rows: np.ndarray) -> RawTable:
        """The part of these rows."""
        places = rows if self.places is None else self.places[rows]
        matrix = None if self.matrix is None else self.matrix[rows]
        if matrix is not None:
            columns: Mapping[str, RawColumn] = views(self.names, matrix)
        else:
            columns = LazyColumns({name: functools.partial(self._taken, name, rows) for name in self.columns})
        return replace(self, columns=columns, rows=len(rows), places=places, matrix=matrix)

    def _taken(self, name: str, rows: np.ndarray) -> RawColumn:
        column = self.columns[name]
        return replace(column, values=column.values[rows])

    def head(self, rows: int | None) -> RawTable:
        """The part of the first rows, None: of all. Raises InputError if there are fewer."""
        if rows is None or rows == self.rows:
            return self
        if rows > self.rows:
            raise InputError(self.path, f"holds {self.rows} rows", f"{rows}")
        return self.take(np.arange(rows))

    def numbers(self, names: Sequence[str], *, in_place: bool = False) -> np.ndarray:
        """The values of columns of numbers or booleans as float32 [N, names], nan where one is missing. `in_place`: the
        table is not needed any more; a matrix becomes the result.

        Raises InputError for one that float32 does not have.
        """
        columns = [self.column(name) for name in names]
        if self.matrix is not None:
            numbers = {name: place for place, name in enumerate(self.columns)}
            return _chosen(self.matrix, [numbers[name] for name in names], in_place=in_place)
        result = np.empty((self.rows, len(names)), np.float32)
        for start in range(0, self.rows, CHUNK):
            part = slice(start, start + CHUNK)
            with np.errstate(over="ignore"):
                for place, column in enumerate(columns):
                    result[part, place] = column.values[part]
            if np.isinf(result[part]).any():
                row, place = np.argwhere(np.isinf(result[part]))[0].tolist()
                raise self.too_large(start + row, names[place])
        return result


def views(names: Sequence[str], matrix: np.ndarray) -> dict[str, RawColumn]:
    """The columns of a matrix [N, names] of numbers."""
    return {name: RawColumn(name, NUMBER, matrix[:, place]) for place, name in enumerate(names)}


def _chosen(matrix: np.ndarray, places: list[int], *, in_place: bool) -> np.ndarray:
    """matrix[:, places], float32; `in_place` in the memory of the matrix, as new memory takes longer than the copy."""
    rows, size = len(matrix), len(places)
    if not in_place or size > matrix.shape[1]:
        result = np.empty((rows, size), np.float32)
        _copy_runs(matrix, places, result)
        return result
    flat, part = matrix.reshape(-1), np.empty((min(CHUNK, rows), size), np.float32)
    for start in range(0, rows, CHUNK):  # what is written lies before what is still to be read
        stop = min(start + CHUNK, rows)
        _copy_runs(matrix[start:stop], places, part[: stop - start])
        flat[start * size : stop * size] = part[: stop - start].reshape(-1)
    return flat[: rows * size].reshape(rows, size)


def _copy_runs(matrix: np.ndarray, places: list[int], result: np.ndarray) -> None:
    """result[:, k] = matrix[:, places[k]]: neighbours at once."""
    start = 0
    for stop in range(1, len(places) + 1):
        if stop == len(places) or places[stop] != places[stop - 1] + 1:
            result[:, start:stop] = matrix[:, places[start] : places[start] + stop - start]
            start = stop
