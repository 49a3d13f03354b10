"""Text whose lines do not lie as rows do: what is seen of it, and that legal layouts are left alone."""

from __future__ import annotations

import gzip
import itertools
import re
import warnings

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from caffe64 import read_matrix
from caffe64.errors import InputError
from caffe64.formats import numbers
from caffe64.formats.layout import LayoutWarning
from caffe64.formats.line_survey import (
    FIRST_LINE,
    LAST_LINE,
    LINE_FEEDS,
    RUN_COUNT,
    STATE,
    STRANGE_FIRST,
    STRANGE_INNER,
    STRANGE_LAST,
    survey_lines,
)
from caffe64.formats.number_scanner import STRIDE

TOKEN = re.compile(rb"(?:[0-9.+-]|(?<=[0-9.])[eE](?=[+-]?[0-9]))+")
STRANGE = re.compile(rb"[a-zA-Z!\"#$%&'*/:<=>?@\\^_`~\x7f-\xff]")


def survey(text: bytes) -> tuple[list[int], list[int | None]]:
    """By the kernel: numbers on each line, and the first strange character of the first, an inner and the last line."""
    runs, state = np.empty(2 * len(text) + 2, np.int64), np.empty(STATE, np.int64)
    total = survey_lines.run(np.frombuffer(text, np.uint8), 0, len(text), runs, state)
    inner = [count for count, lines in runs[: 2 * state[RUN_COUNT]].reshape(-1, 2) for _ in range(lines)]
    counts = (
        [int(state[FIRST_LINE]), *map(int, inner), int(state[LAST_LINE])]
        if state[LINE_FEEDS]
        else [int(state[LAST_LINE])]
    )
    assert total == sum(counts)
    assert state[LINE_FEEDS] == len(counts) - 1
    odd = [int(state[at]) for at in (STRANGE_FIRST, STRANGE_INNER, STRANGE_LAST)]
    return counts, [None if offset < 0 else offset for offset in odd]


def reference(text: bytes) -> tuple[list[int], list[int | None]]:
    """The same by regular expressions."""
    tokens = [(match.start(), match.end()) for match in TOKEN.finditer(text)]
    counts, odd, start = [], [], 0
    for line in text.split(b"\n"):
        stop = start + len(line)
        counts.append(sum(start <= begin < stop for begin, _ in tokens))
        strange = [start + match.start() for match in STRANGE.finditer(line)]
        odd.append(next((at for at in strange if not any(begin <= at < end for begin, end in tokens)), None))
        start = stop + 1
    inner = [at for at, count in zip(odd[1:-1], counts[1:-1], strict=True) if count and at is not None]
    return counts, [odd[0] if len(odd) > 1 else None, min(inner, default=None), odd[-1]]


PIECES = [
    "1",
    "-2.5",
    "1e5",
    "3E-2",
    "e",
    "x",
    '"',
    ",",
    ";",
    " ",
    "\n",
    "\n\n",
    "|",
    "%",
    "/",
    "é",
    "12 34\n",
    "(",
    "1d",
]


@given(st.lists(st.sampled_from(PIECES), max_size=120).map("".join))
@example("1\n" * 200)
@example("1\n" * 59 + "2 3\n" + "4\n" * 80)
@example("1 2\n" * 100)
@example(("7" * 30 + "\n") * 9 + "x1\n" + "5\n" * 60)
def test_lines_are_surveyed_as_the_reference_does(text):
    data = text.encode()
    assert survey(data) == reference(data)


@pytest.mark.parametrize("place", range(2 * STRIDE + 2))
@pytest.mark.parametrize("piece", [b"x", b'"', b"\n", b"1e5", b"1e-5", b"\n\n", b"\xc3\xa9", b"1"])
def test_each_piece_is_seen_at_each_position_of_a_window(piece, place):
    line = b"1 2 3,4 " * 40
    text = line[:place] + piece + line[place:]
    assert survey(text) == reference(text)


def read(path, rows, columns, strict=False) -> tuple[list, list[str]]:
    """The rows, and the warnings without the path."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = read_matrix(path, rows, columns, strict=strict)
    assert all(warning.category is LayoutWarning for warning in caught)
    return found.tolist(), [str(warning.message).removeprefix(f"{path}:").strip() for warning in caught]


MORE = "holds more numbers than 2 rows of 2 take (those behind are ignored)"
FURTHER = "holds more rows than 2 (those behind are ignored)"
SEPARATES = "beside numbers (it separates them as a space does)"
ACROSS = "(rows of 2 are read on across lines)"
MISREAD = {
    "header": (
        "x1,x2,label\n1,2,0\n3,4,1\n",
        [1, 2, 1, 2],
        [f"1:1: found 'x' {SEPARATES}", f"2: holds 3 numbers, the lines before hold 2 {ACROSS}", MORE],
    ),
    "empty cell": ("1,2\n3,\n4,5\n", [1, 2, 3, 4], [f"2: holds 1 number, the lines before hold 2 {ACROSS}", MORE]),
    "decimal commas": ("1,5 2,5\n3,5 4,5\n", [1, 5, 2, 5], [MORE]),
    "thousands": (
        '"1,000" 2\n3 4\n',
        [1, 0, 2, 3],
        [f"1:1: found '\"' {SEPARATES}", f"1: holds 3 numbers, a row of 2 ends among them {ACROSS}", MORE],
    ),
    "hexadecimal": (
        "0x10 2\n3 4\n",
        [0, 10, 2, 3],
        [f"1:2: found 'x' {SEPARATES}", f"1: holds 3 numbers, a row of 2 ends among them {ACROSS}", MORE],
    ),
    "Fortran": (
        "1d-3 2\n3 4\n",
        [1, -3, 2, 3],
        [f"1:2: found 'd' {SEPARATES}", f"1: holds 3 numbers, a row of 2 ends among them {ACROSS}", MORE],
    ),
    "a column too many": (
        "1 2 9\n3 4 9\n",
        [1, 2, 9, 3],
        [f"1: holds 3 numbers, a row of 2 ends among them {ACROSS}", MORE],
    ),
    "pairs with colons": ("1:5 2:7\n", [1, 5, 2, 7], [f"1:2: found ':' {SEPARATES}"]),
}


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("name", MISREAD)
def test_what_is_misread_is_said_and_read_as_ever(write, name, zipped):
    text, values, expected = MISREAD[name]
    path = write(gzip.compress(text.encode()) if zipped else text)
    found, said = read(path, 2, 2)
    assert list(itertools.chain(*found)) == values
    assert said == expected
    with pytest.raises(InputError) as caught:
        read(path, 2, 2, strict=True)
    assert str(caught.value).removeprefix(f"{path}:").strip() == expected[0]
    assert caught.value.exit_code == 3


LEGAL = {
    "a row per line": "1 2 3 4\n5 6 7 8\n9 10 11 12\n",
    "no line feed at the end": "1 2 3 4\n5 6 7 8\n9 10 11 12",
    "empty lines": "\n1 2 3 4\n\n\n5 6 7 8\n9 10 11 12\n\n",
    "one line": "1 2 3 4 5 6 7 8 9 10 11 12",
    "two rows per line": "1 2 3 4 5 6 7 8\n9 10 11 12\n",
    "a number per line": "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n",
    "rows over lines": "1 2 3\n4\n5 6 7\n8\n9 10 11\n12\n",
    "commas and CRLF": "1,2,3,4\r\n5,6,7,8\r\n9,10,11,12\r\n",
    "brackets": "[[1, 2, 3, 4],\n [5, 6, 7, 8],\n [9, 10, 11, 12]]\n",
    "a header without numbers": "a,b,c,d\n1;2;3;4\n5;6;7;8\n9;10;11;12\n",
    "remarks without numbers": "# four columns\n1 2 3 4\n# more\n5 6 7 8\n9 10 11 12\n# end\n",
    "exponents": "1e0 2E0 3.e+0 40e-1\n5 6 7 8\n9 10 11 12e0\n",
}


@pytest.mark.parametrize("part", [1, 5, 1 << 21])
@pytest.mark.parametrize("rows", [3, None])
@pytest.mark.parametrize("name", LEGAL)
def test_a_legal_layout_is_left_alone(write, monkeypatch, name, rows, part):
    monkeypatch.setattr(numbers, "PART", part)
    found, said = read(write(LEGAL[name]), rows, 4, strict=True)
    assert found == np.arange(1, 13).reshape(3, 4).tolist()
    assert said == []


@pytest.mark.parametrize("part", [1, 5, 1 << 21])
@pytest.mark.parametrize("name", MISREAD)
def test_parts_that_threads_read_say_the_same_together(write, monkeypatch, name, part):
    monkeypatch.setattr(numbers, "PART", part)
    text, _, expected = MISREAD[name]
    assert read(write(text), 2, 2)[1] == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2\n3 4\n5\n", "holds 5 numbers, expected whole rows of 2 (line 3 holds 1 number, the lines before hold 2)"),
        ("1 2\n3\n4 5\n", "holds 5 numbers, expected whole rows of 2 (line 2 holds 1 number, the lines before hold 2)"),
        ("1 2\n3 4 x\n5 6 7\n", "(line 3 holds 3 numbers, the lines before hold 2)"),
        (
            "1\n2 3\n4 5\n",
            "holds 5 numbers, expected whole rows of 2 (line 2 holds 2 numbers, a row of 2 ends among them)",
        ),
    ],
)
def test_with_all_rows_the_line_that_is_shorter_or_longer_is_named(write, text, message):
    with pytest.raises(InputError) as caught:
        read_matrix(write(text), None, 2)
    assert str(caught.value).endswith(message)


def test_a_line_of_fewer_whole_rows_may_only_be_the_last(write):
    assert read(write("1 2 3 4\n5 6\n\n"), None, 2)[1] == []
    assert read(write("1 2 3 4\n5 6\n7 8 9 10\n"), None, 2)[1] == [
        f"2: holds 2 numbers, the lines before hold 4 {ACROSS}"
    ]


def test_lines_behind_the_rows_that_are_asked_for_are_not_judged(write):
    for strict in (False, True):
        assert read(write("1 2\n3 4\nx5 6 7\n8\n"), 2, 2, strict)[1] == [FURTHER]
        assert read(write("1\n2\n3\n4\n5\n"), 2, 2, strict)[1] == [FURTHER]
    assert read(write("1 2\n3 4\n\n   \n# end\n"), 2, 2)[1] == []


@pytest.mark.parametrize("columns", [1, 2, 7, 61])
def test_a_long_file_of_equal_lines_is_left_alone_and_one_line_found_in_it(write, columns):
    lines = [" ".join(["-1.25"] * columns)] * 5000
    assert read(write("\n".join(lines)), None, columns)[1] == []
    lines[4321] += " 7" * columns if columns > 1 else ""
    lines[4321] = lines[4321] if columns > 1 else "1 2"
    (said,) = read(write("\n".join(lines)), None, columns)[1]
    assert said.startswith(f"4322: holds {2 * columns} numbers, the lines before hold {columns}")
