"""CSV, Parquet and frames as named columns: values as other readers give them, faults with their lines."""

from __future__ import annotations

import csv
import gzip
import io

import numpy as np
import pandas
import polars
import pytest

import caffe64
from caffe64.tables.reading import open_table, read_table

LANES_OR_SO = 64  # bytes that the check of plain numbers looks at together


@pytest.fixture
def table(tmp_path):
    def write(content: str | bytes, name: str = "t.csv", kinds=None):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_table(path, kinds)

    return write


def fault(table, content, column=None, **options) -> str:
    def use():
        found = table(content, **options)
        return [found.column(name) for name in (found.names if column is None else [column])]

    with pytest.raises(caffe64.InputError) as caught:
        use()
    return str(caught.value).rpartition("/")[2]


def words(column):
    return [None if code < 0 else column.words[code] for code in column.values]


def test_plain_numbers_are_those_of_pythons_reader(table):
    """Around the sizes of a window, with each separator and end of line, and with exponents."""
    random = np.random.default_rng(0)
    formats = ("{:.0f}", "{:.3f}", "{:+.2e}", "{:.9g}")
    for number, columns in enumerate((1, 2, 3, LANES_OR_SO - 1, LANES_OR_SO, LANES_OR_SO + 1)):
        values = random.normal(scale=100, size=(7, columns))
        rows = [[random.choice(formats).format(value) for value in line] for line in values]
        separator, end = (",", ";", "\t")[number % 3], ("\n", "\r\n")[number % 2]
        lines = [separator.join(line) for line in ([f"c{k}" for k in range(columns)], *rows)]
        for last in ("", end, end * 3):
            found = table(end.join(lines) + last)
            assert found.matrix is not None
            read = list(csv.reader(io.StringIO(end.join(lines)), delimiter=separator))[1:]
            np.testing.assert_array_equal(found.matrix, np.array(read).astype(np.float64).astype(np.float32))


def test_both_ways_give_the_same_numbers(tmp_path):
    """By the kernels, and by polars where one more column has a quoted text."""
    random = np.random.default_rng(1)
    values = random.normal(size=(300, 5)) * 10.0 ** random.integers(-30, 30, (300, 5))
    frame = polars.DataFrame(values, schema=list("abcde"))
    frame.write_csv(tmp_path / "plain.csv")
    frame.with_columns(polars.lit("x,y").alias("f")).write_csv(tmp_path / "mixed.csv")
    plain, mixed = read_table(tmp_path / "plain.csv"), read_table(tmp_path / "mixed.csv")
    assert plain.matrix is not None
    assert mixed.matrix is None
    np.testing.assert_array_equal(plain.numbers(list("abcde")), mixed.numbers(list("abcde")))
    np.testing.assert_array_equal(plain.numbers(list("abcde")), values.astype(np.float32))
    assert mixed.column("f").words == ("x,y",)


@pytest.mark.parametrize("at", [0, 1, 61, 62, 63, 123, 124])
@pytest.mark.parametrize("cell", ["", "x", "nan", '"5"', "1 2", "1e", "1-2", "1,2"])
def test_what_is_not_a_plain_number_is_noticed_at_each_place(table, at, cell):
    """At each offset in the windows of the check: such a file is never read as other numbers."""
    cells = ["7"] * 130
    cells[at] = cell
    header = ",".join(f"c{k}" for k in range(130))
    content = f"{header}\n{','.join(['7'] * 130)}\n{','.join(cells)}\n"
    if cell == "1,2":
        assert "t.csv:3: found 131 fields, expected 130" in fault(table, content)
        return
    found = table(content)
    assert found.matrix is None
    column = found.columns[f"c{at}"]
    if cell in ("", "nan"):
        np.testing.assert_array_equal(column.values, [7, np.nan])
    elif cell == '"5"':
        np.testing.assert_array_equal(column.values, [7, 5])
    else:
        assert column.wrong is not None or column.kind == "category"


def test_kinds_of_columns(table):
    found = table(
        'n,m,b,w,all,pad\n1,NA,true,x,,  a \n-2.5e1, 7,FALSE,"a,""b""",, a\n.5,nan,True,null,,b\n+3,8,,y,,#N/A\n'
    )
    assert {name: column.kind for name, column in found.columns.items()} == {
        "n": "number", "m": "number", "b": "boolean", "w": "category", "all": "number", "pad": "category"
    }  # fmt: skip
    np.testing.assert_array_equal(found.column("n").values, [1, -25, 0.5, 3])
    np.testing.assert_array_equal(found.column("m").values, [np.nan, 7, np.nan, 8])
    np.testing.assert_array_equal(found.column("b").values, [1, 0, 1, np.nan])
    np.testing.assert_array_equal(found.column("all").values, [np.nan] * 4)
    assert words(found.column("w")) == ["x", 'a,"b"', None, "y"]
    assert words(found.column("pad")) == ["a", "a", "b", None]


def test_a_known_kind_wins(table):
    found = table("zip,flag\n01,1\n2,0\n", kinds={"zip": "category", "flag": "boolean"})
    assert words(found.column("zip")) == ["01", "2"]
    assert found.column("flag").kind == "boolean"


def test_a_word_for_a_missing_value_after_the_first_rows(table):
    """The sample of rows that decides which columns are numbers has none of them."""
    content = "a,w\n" + "1.5,x\n" * 2000 + "NA,y\n" + "2.5,z\n"
    found = table(content)
    assert found.column("a").kind == "number"
    assert np.isnan(found.column("a").values[2000])
    message = fault(table, content.replace("2.5,z", "what,z"), "a")
    assert "t.csv:2003: column 'a': found 'what', expected a number" in message


def test_lines_are_those_of_the_file(table):
    content = 'name,age\n"two\nlines",1\r\n"x",2\n"and\n\nthree",3\nlast,abc\nmore,4\nmore,5\n'
    assert "t.csv:8: column 'age': found 'abc', expected a number" in fault(table, content, "age")
    assert "t.csv:3: column 'b': found 'oops', expected a number" in fault(table, "a,b\n1,2\n3,oops\n5,6\n7,8\n")


FAULTS = {  # content -> the message
    "": "is empty",
    "\n\n": "is empty, expected a header",
    "a,b\n": "holds a header, but no rows",
    "a,b": "holds a header, but no rows",
    "\na,b\n1,2\n": "t.csv:1: the first line is blank",
    "1,2\n3,4\n": "t.csv:1: the first line holds numbers alone, such as '1', expected names of columns",
    "a,b,a\n1,2,3\n": "t.csv:1: columns 1 and 3 have the same name, 'a'",
    "a,,b\n1,2,3\n": "t.csv:1: column 2 has no name",
    "a,b\n1,2\n3\n": "t.csv:3: found 1 field, expected 2 fields as in the header",
    "a,b\n1,2\n\n3,4\n": "t.csv:3: the line is blank, expected 2 fields",
    "a,b\n1,2,3\n": "t.csv:2: found 3 fields",
    'a,b\n"x\ny",2\n3,"open\n4,5\n': "t.csv:4: a quoted field has no end",
    'a,b\n1,x"y"\n': "t.csv:2: found a quote inside a field",
    'a,b\n1,"x"y\n': "t.csv:2: found a quote inside a field",
    "a;b\n1,5;x\n2,5;y\n": "t.csv:2: column 'a': found '1,5', expected a number (with a decimal point)",
    "day,b\n2024-01-05,1\n2024-01-06,2\n": "column 'day': found '2024-01-05', expected a number, not a date",
    "a,b\n1,inf\n2,3\n": "t.csv:2: column 'b': found 'inf', expected a number",
}


@pytest.mark.parametrize("content", FAULTS)
def test_faults_name_line_column_and_value(table, content):
    assert FAULTS[content] in fault(table, content)


def test_other_files_and_encodings(table, tmp_path):
    assert "t.csv:3: found the byte 0xe9, expected UTF-8" in fault(table, b"a,b\nx,1\n\xe9,2\n")
    assert "t.csv:1: found the byte 0xe9" in fault(table, b"\xe9,b\nx,1\n")
    assert "an Excel or other zipped file" in fault(table, b"PK\3\4" + bytes(50))
    assert "UTF-16" in fault(table, "a,b\n1,2\n".encode("utf-16"))
    assert "is a .npy file" in fault(table, b"\x93NUMPY" + bytes(100))
    assert "damaged Parquet" in fault(table, b"PAR1" + bytes(100), name="t.parquet")
    with pytest.raises(caffe64.FileMissing):
        read_table(tmp_path / "nothing.csv")


def test_byte_order_mark_gz_and_tabs(table):
    content = "a\tb\n1\tx;y,z\n2\tq\n"
    assert table(b"\xef\xbb\xbf" + content.encode()).names == ["a", "b"]
    assert words(table(gzip.compress(content.encode()), "t.tsv.gz").column("b")) == ["x;y,z", "q"]
    assert table(b"\xef\xbb\xbfa,b\n1,2\n").matrix.tolist() == [[1, 2]]
    assert table("one\n1\n2\n").matrix.tolist() == [[1], [2]]


def test_ten_thousand_columns(table):
    names = [f"c{k}" for k in range(10_000)]
    found = table("\n".join([",".join(names), ",".join(map(str, range(10_000))), ",".join(["x", *["1"] * 9999])]))
    assert len(found.names) == 10_000
    assert found.column("c9999").values.tolist() == [9999, 1]


def test_frames_and_parquet_are_alike(tmp_path):
    data = {"n": [1.5, None, -3.0], "i": [1, 2, 3], "b": [True, None, False], "w": ["x", " y ", None]}
    frame = polars.DataFrame(data)
    frame.write_parquet(tmp_path / "t.parquet")
    ways = [
        open_table(frame, {}),
        open_table(frame.lazy(), {}),
        open_table(pandas.DataFrame(data), {}),
        open_table(pandas.DataFrame(data).convert_dtypes(), {}),
        open_table(tmp_path / "t.parquet", {}),
        open_table(frame.with_columns(polars.col("w").cast(polars.Categorical)), {}),
    ]
    for found in ways:
        assert {name: column.kind for name, column in found.columns.items()} == {
            "n": "number", "i": "number", "b": "boolean", "w": "category"
        }  # fmt: skip
        np.testing.assert_array_equal(found.column("n").values, [1.5, np.nan, -3])
        np.testing.assert_array_equal(found.column("b").values, [1, np.nan, 0])
        assert words(found.column("w")) == ["x", "y", None]


def test_columns_of_other_types_are_refused_when_used():
    frame = polars.DataFrame({"a": [1, 2], "day": [None, 5]}).with_columns(polars.col("day").cast(polars.Date))
    found = open_table(frame, {})
    assert found.column("a").values.tolist() == [1, 2]
    with pytest.raises(
        caffe64.InputError, match=r"<table>: row 1, column 'day': found values of the type Date.*--drop"
    ):
        found.column("day")
    days = pandas.DataFrame({"day": pandas.to_datetime(["2024-01-05"])})
    with pytest.raises(caffe64.InputError, match="found values of the type datetime64"):
        open_table(days, {}).column("day")
    with pytest.raises(caffe64.InputError, match="found values of the types int, str"):
        open_table(pandas.DataFrame({"a": [1, "x"]}, dtype=object), {}).column("a")


def test_too_large_for_float32(table):
    found = table('a,w\n1,x\n1e39,"y"\n')
    with pytest.raises(
        caffe64.InputError, match=r"t\.csv:3: column 'a': found 1e\+39, expected a number below 3\.4e38"
    ):
        found.numbers(["a"])
