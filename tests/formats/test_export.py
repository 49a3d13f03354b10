"""convert: any kind of data file into any other."""

import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from support import SHARED, needs_shared

from caffe64.errors import InputError, UsageError
from caffe64.formats import export
from caffe64.formats.data import convert, read_matrix
from caffe64.formats.idx import read_idx, write_idx
from caffe64.formats.layout import LayoutWarning
from caffe64.formats.npy import read_npy

SUFFIXES = [".txt", ".csv", ".npy", ".idx", ".txt.gz", ".csv.gz", ".npy.gz", ".idx.gz", ".gz"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_kind_keeps_every_bit(suffix, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "BLOCK_VALUES", 64)
    rng = np.random.default_rng(7)
    anything = rng.integers(0, 1 << 32, 3000, np.uint32).view(np.float32)
    anything = anything[np.isfinite(anything)][:2900].reshape(-1, 5)
    pixels = rng.integers(0, 256, (200, 7)).astype(np.float32)
    for values in (anything, pixels, pixels - 128, pixels * 1e6, -0.0 * pixels):
        np.save(tmp_path / "in.npy", values)
        assert convert(tmp_path / "in.npy", tmp_path / f"out{suffix}") == values.shape
        back = read_matrix(tmp_path / f"out{suffix}", None, values.shape[1])
        assert back.tobytes() == values.tobytes()


rows = arrays(
    np.float32,
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
)


@given(rows)
def test_text_reads_back_bit_for_bit(tmp_path_factory, values):
    folder = tmp_path_factory.mktemp("convert")
    np.save(folder / "in.npy", values)
    convert(folder / "in.npy", folder / "out.csv")
    convert(folder / "out.csv", folder / "out.npy")
    assert read_npy(folder / "out.npy").tobytes() == values.tobytes()


def test_whole_numbers_are_written_as_such(write, tmp_path):
    source = write("1,-2.0\r\n3e1,4000000000\n")
    assert convert(source, tmp_path / "out.txt") == (2, 2)
    assert (tmp_path / "out.txt").read_bytes() == b"1 -2\n30 4000000000\n"
    convert(source, tmp_path / "out.csv", scale=0.5)
    assert (tmp_path / "out.csv").read_bytes() == b"0.5,-1\n15,2e+09\n"


@pytest.mark.parametrize(("suffix", "separator"), [(".txt", " "), (".csv", ",")])
@pytest.mark.parametrize("columns", [1, 3, 1000])
def test_whole_numbers_of_every_size_are_written_as_by_printf(tmp_path, suffix, separator, columns):
    rng = np.random.default_rng(8)
    sizes = 10.0 ** rng.uniform(0, 15.9, 99_000) * rng.choice((-1, 1), 99_000)
    edges = [0, 9, 10, 99, 100, 9999, 10_000, 99_999_992, 100_000_000, 2.0**53 - 2.0**29, -(2.0**53) + 2.0**29]
    values = np.concatenate([np.rint(sizes), edges, np.zeros(1000 - len(edges))]).astype(np.float32)
    values = values[: len(values) // columns * columns].reshape(-1, columns)
    export.export(tmp_path / f"out{suffix}", values)
    expected = "".join(separator.join(str(int(value)) for value in row) + "\n" for row in values.tolist())
    assert (tmp_path / f"out{suffix}").read_text() == expected


def test_columns_come_from_the_first_line_or_from_the_caller(write, tmp_path):
    source = write("\n,\n1 2 3 \n4 5 6\n")
    for zipped in (source, write(gzip.compress(source.read_bytes()), "zipped")):
        assert convert(zipped, tmp_path / "out.npy") == (2, 3)
        with pytest.warns(LayoutWarning, match=":3: holds 3 numbers"):
            assert convert(zipped, tmp_path / "out.npy", columns=2) == (3, 2)
        with pytest.raises(InputError, match="holds 6 numbers, expected whole rows of 4"):
            convert(zipped, tmp_path / "out.npy", columns=4)


def test_values_are_moved_and_scaled_in_float64(write, tmp_path):
    convert(write("0 255 7"), tmp_path / "out.npy", add=-128, scale=1 / 128)
    assert read_npy(tmp_path / "out.npy").tolist() == [[-1, 0.9921875, -0.9453125]]
    with pytest.raises(InputError, match=r"the value at \[0, 1\] \(from 0\) is 2.55e\+40, expected a finite float32"):
        convert(write("0 255 7"), tmp_path / "out.npy", scale=1e38)


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([0, 255], "uint8"),
        ([-1, 127], "int8"),
        ([0, 256], "int16"),
        ([0, 40000], "int32"),
        ([0, 3e9], "float32"),
        ([0.5, 1], "float32"),
    ],
)
def test_idx_takes_the_smallest_type(tmp_path, values, dtype):
    np.save(tmp_path / "in.npy", values)
    convert(tmp_path / "in.npy", tmp_path / "out.idx")
    back = read_idx(tmp_path / "out.idx")
    assert (back.dtype, back.tolist()) == (dtype, values)


def test_images_stay_images(tmp_path):
    images = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    write_idx(tmp_path / "in", images)
    for name in ("out-idx3-ubyte", "out-idx3-ubyte.gz"):
        assert convert(tmp_path / "in", tmp_path / name) == (2, 3, 4)
        assert (read_idx(tmp_path / name) == images).all()
    convert(tmp_path / "in", tmp_path / "out.npy")
    assert read_npy(tmp_path / "out.npy").dtype == np.float32
    assert read_npy(tmp_path / "out.npy").tolist() == images.tolist()


@pytest.mark.parametrize("value", [-1, 256, 0.5])
def test_ubyte_takes_bytes_only(write, tmp_path, value):
    with pytest.raises(UsageError, match=f"whole numbers from 0 to 255, found {value}"):
        convert(write(f"0 {value}"), tmp_path / "out-ubyte")
    assert not (tmp_path / "out-ubyte").exists()


def test_an_unknown_suffix_is_refused_before_anything_is_read(tmp_path):
    with pytest.raises(UsageError, match=r"out\.png: the name must end with \.txt \.csv \.npy \.idx -ubyte"):
        convert(tmp_path / "missing", tmp_path / "out.png")


def test_the_same_input_gives_the_same_gz(write, tmp_path, monkeypatch):
    convert(write("1 2 3"), tmp_path / "a.gz")
    monkeypatch.setattr("time.time", lambda: 1e9)
    convert(write("1 2 3"), tmp_path / "b.gz")
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


def test_a_file_without_numbers_and_one_endless_line_are_refused(error_of, tmp_path, monkeypatch):
    monkeypatch.setattr("caffe64.formats.data.PIECE", 100)
    assert error_of(lambda path: convert(path, tmp_path / "out.npy"), "\n\n") == "holds no numbers"
    assert "has a line of more than" in error_of(lambda path: convert(path, tmp_path / "out.npy"), "1 " * 100)


@needs_shared
def test_mnist_becomes_the_originals_text_and_back(tmp_path):
    source = SHARED / "mnist" / "t10k-labels-idx1-ubyte.gz"
    convert(source, tmp_path / "Y.txt", add=-128)
    assert (tmp_path / "Y.txt").read_text().startswith("-121\n-126\n-127\n")
    convert(tmp_path / "Y.txt", tmp_path / "back-ubyte.gz", add=128)
    assert read_idx(tmp_path / "back-ubyte.gz")[:, 0].tolist() == read_idx(source).tolist()
