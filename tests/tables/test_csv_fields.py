"""CSV of numbers and texts by the kernels: the same as Python's csv and float() say, at each place, for any threads."""

from __future__ import annotations

import csv
import io
import pickle

import numpy as np
import polars
import pytest

from caffe64.engine.vectors.byte_vectors import WINDOW
from caffe64.formats import csv_fields
from caffe64.formats.field_scanner import MISSING
from caffe64.tables import reading, text_columns
from caffe64.tables.reading import read_table

WORDS = ("x", "seven b", "eight by", "nine byte", "sixteen bytes it", "a" * 40, "Zürich", 'say "hi"', "a,b", " pad ")
NUMBERS = ("0", "-7", "12345678", "123456789", "-0.5", ".25", "+3.", "1e-5", "2.5E+3", "0.12573022107887123",
           "12345678.87654321", "99999999999999999999", "1e-42", "16777217.000000001")  # fmt: skip


def written(rows, quoting, end):
    text = io.StringIO()
    writer = csv.writer(text, quoting=quoting, lineterminator=end)
    writer.writerows(rows)
    return text.getvalue()


def read_by_kernels(path):
    """Whether the kernels read it."""
    with reading.open_data(path) as source:
        layout = reading.csv_layout(source)
    return text_columns._read_fields(layout, {}, reading.never) is not None


def check(rows, found):
    """Against Python's values of the same cells."""
    for place, name in enumerate(rows[0]):
        cells = [row[place].strip() for row in rows[1:]]
        column = found.column(name)
        if name.startswith("n"):
            expected = np.array([np.nan if cell in MISSING else float(cell) for cell in cells], np.float32)
            np.testing.assert_array_equal(column.values.astype(np.float32), expected)
            np.testing.assert_array_equal(np.signbit(column.values), np.signbit(expected))
        else:
            words = [None if code < 0 else column.words[code] for code in column.values]
            assert words == [None if cell in MISSING else cell for cell in cells]
            assert len(set(column.words)) == len(column.words)


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_values_are_those_of_pythons_reader(tmp_path, monkeypatch, quoting, end):
    """Parts of a few lines, so that tables of texts are put together, and these grow."""
    monkeypatch.setattr(csv_fields, "LEAST_PART", 64)
    monkeypatch.setattr(csv_fields, "FIRST_WORDS", 2)
    random = np.random.default_rng(0)
    for threads in (1, 2, 5):
        monkeypatch.setattr(csv_fields, "usable_threads", lambda count=threads: count)
        rows = [["n1", "w1", "n2", "w2", "w3"]]
        for k in range(150):
            numbers = [random.choice(MISSING) if random.random() < 0.1 else random.choice(NUMBERS) for _ in range(2)]
            words = [random.choice(MISSING) if random.random() < 0.1 else random.choice(WORDS) for _ in range(2)]
            rows.append([numbers[0], words[0], numbers[1], words[1], "id " + "i" * k])
        path = tmp_path / "t.csv"
        path.write_bytes(written(rows, quoting, end).rstrip("\r\n" if threads == 2 else "").encode())
        assert read_by_kernels(path)
        check(rows, read_table(path))


def test_fields_may_stand_anywhere_in_a_window_of_bytes(tmp_path, monkeypatch):
    """The first row begins at each place of two windows, and the end comes at other ones."""
    monkeypatch.setattr(csv_fields, "usable_threads", lambda: 1)
    random, path = np.random.default_rng(1), tmp_path / "t.csv"
    for start in range(2 * WINDOW):
        rows = [["n1", "w" * (1 + start), "n2", "w2"]]
        for _ in range(random.integers(1, 9)):
            rows.append(
                [random.choice(NUMBERS), random.choice(WORDS), random.choice(("", "NA", *NUMBERS)), "x" * (1 + start)]
            )
        path.write_text(written(rows, csv.QUOTE_MINIMAL, "\n"), encoding="utf-8")
        assert read_by_kernels(path)
        check(rows, read_table(path, {"n2": "number"}))


def test_texts_in_a_column_of_numbers_after_the_first_rows(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "1,2\n" * 3000 + "oak,3\n" * 4000 + "5,6\n")
    found = read_table(path)
    assert found.columns["b"].kind == "number"
    column = found.columns["a"]
    assert column.kind == "category"
    assert [column.words[column.values[row]] for row in (0, 3000, 7000)] == ["1", "oak", "5"]


ODD = {  # content -> whether the kernels read it
    'a,b\n1,"x\ny"\n': False,
    'a,b\n1,x"y\n': False,
    'a,b\n1,"x"y\n': False,
    'a,b\nx"y\n': False,
    "a,b\n1,x,2\n": False,
    "a,b\n1\n": False,
    "a,b\n1,\xff\n": True,
    "a,b\n,x\n 2 ,\n": True,
    'a,b\n"",""\n"4",""""\n': True,
    "a\nx\n\ny\n": True,
}


@pytest.mark.parametrize("content", ODD)
def test_what_the_kernels_do_not_know_is_left_to_polars(tmp_path, content):
    path = tmp_path / "t.csv"
    path.write_text(content, encoding="utf-8")
    assert read_by_kernels(path) == ODD[content]
    if ODD[content]:
        rows = [row or [""] for row in csv.reader(io.StringIO(content))]
        found = read_table(path)
        for place, name in enumerate(found.names):
            column = found.column(name)
            texts = [row[place].strip() for row in rows[1:]]
            if column.kind == "number":
                assert [None if np.isnan(value) else value for value in column.values] == [
                    None if text in MISSING else float(text) for text in texts
                ]
            else:
                assert [None if code < 0 else column.words[code] for code in column.values] == [
                    text or None for text in texts
                ]


@pytest.mark.parametrize("around", [0, 200])
def test_text_that_is_not_utf8_is_noticed_in_a_column_that_is_not_used(tmp_path, around):
    path = tmp_path / "t.csv"
    path.write_bytes(b"a,b\n" + b"1,x\n" * around + b"2,\xe9\n" + b"1,x\n" * around)
    with pytest.raises(reading.InputError, match=rf"t\.csv:{2 + around}: found the byte 0xe9"):
        read_table(path)


def hashes(words, codes):
    """Of the next eight bytes, as the kernels compute it."""
    with np.errstate(over="ignore"):
        codes = (codes ^ words) * np.uint64(0x9E3779B97F4A7C15)
    return codes ^ (codes >> np.uint64(32))


def test_different_texts_of_the_same_hash_stay_different(tmp_path):
    """Two texts of 15 bytes: the last seven of the second one follow from its first eight."""
    seed, low, high = np.uint64(14695981039346656037), ord("A"), ord("z")
    firsts = np.random.default_rng(2).integers(low, high + 1, (4_000_000, 8), np.uint8)
    one, rest = firsts[0].tobytes(), b"seventh"
    wanted = hashes(firsts[:1].view(np.uint64), seed) ^ np.frombuffer(rest + b"\0", np.uint64)
    rests = (hashes(firsts[1:].view(np.uint64), seed) ^ wanted).view(np.uint8)
    fitting = np.flatnonzero((rests[:, 7] == 0) & ((rests[:, :7] >= low) & (rests[:, :7] <= high)).all(axis=1))
    texts = [(one + rest).decode(), *((firsts[1 + k].tobytes() + rests[k, :7].tobytes()).decode() for k in fitting)]
    assert len(texts) > 1
    path = tmp_path / "t.csv"
    path.write_text("w\n" + "".join(f"{text}\n" for text in texts * 20))
    assert read_by_kernels(path)
    assert read_table(path).column("w").words == tuple(texts)


def test_columns_that_are_made_later_can_be_pickled():
    table = reading.open_table(polars.DataFrame({"a": [1.5, None], "w": ["x", "y"]}), {})
    again = pickle.loads(pickle.dumps(table))
    np.testing.assert_array_equal(again.column("a").values, [1.5, np.nan])
    assert again.column("w").words == ("x", "y")
