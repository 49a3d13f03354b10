import gzip
import io
import os
import subprocess
import sys
import threading
import tracemalloc
import warnings

import numpy as np
import pytest
from support import SHARED, needs_shared

from caffe64.errors import InputError
from caffe64.formats import export
from caffe64.formats.data import locate, read_matrix
from caffe64.formats.idx import write_idx
from caffe64.formats.layout import LayoutWarning

ROWS = np.arange(12, dtype=np.float32).reshape(4, 3)


def text(array):
    return "\n".join(" ".join(map(str, row)) for row in array.tolist()).encode()


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def idx(array, tmp_path):
    write_idx(tmp_path / "idx", array)
    return (tmp_path / "idx").read_bytes()


@pytest.fixture(params=["text", "npy", "npy, float64", "npy, int64", "npy, Fortran order", "npy, big-endian", "idx"])
def kind(request, tmp_path):
    """A function that makes the bytes of a file of some kind."""
    return {
        "text": text,
        "npy": npy,
        "npy, float64": lambda array: npy(array.astype(float)),
        "npy, int64": lambda array: npy(array.astype(int)),
        "npy, Fortran order": lambda array: npy(np.asfortranarray(array)),
        "npy, big-endian": lambda array: npy(array.astype(">f4")),
        "idx": lambda array: idx(array.astype(np.uint8), tmp_path),
    }[request.param]


@pytest.mark.parametrize("zipped", [False, True])
def test_every_kind_is_known_by_its_content(kind, zipped, write):
    data = gzip.compress(kind(ROWS)) if zipped else kind(ROWS)
    for rows in (None, 4, 2):  # more rows than asked for are left out
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LayoutWarning)
            matrix = read_matrix(write(data, "X.misleading.npy.gz"), rows, 3)
        assert matrix.tolist() == ROWS[:rows].tolist()
        assert matrix.dtype == np.float32
        assert matrix.flags.c_contiguous
        assert matrix.flags.aligned


def test_too_few_rows_are_refused_in_every_kind(kind, error_of):
    message = error_of(lambda path: read_matrix(path, 5, 3), kind(ROWS), memory=1 << 26)
    assert message in ("holds 12 numbers, expected 15 (5 rows of 3)", "holds 4 rows, expected 5")


def test_rows_of_another_width_are_refused_in_every_kind(kind, error_of):
    message = error_of(lambda path: read_matrix(path, None, 5), kind(ROWS), memory=1 << 26)
    of_text = "holds 12 numbers, expected whole rows of 5 (line 2 holds 3 numbers, a row of 5 ends among them)"
    assert message in (of_text, "holds an array of (4, 3), expected rows of 5")


def test_images_are_flattened_and_flat_arrays_cut_into_rows(write, tmp_path):
    images = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    for data in (idx(images, tmp_path), npy(images)):
        assert read_matrix(write(data), None, 12).tolist() == images.reshape(2, 12).tolist()
    for data in (idx(images.reshape(-1), tmp_path), npy(images.reshape(-1))):
        assert read_matrix(write(data), None, 12).tolist() == images.reshape(2, 12).tolist()
        assert read_matrix(write(data), None, 1).shape == (24, 1)
        assert read_matrix(write(data), 2, 10).tolist() == [list(range(10)), list(range(10, 20))]


def test_flat_arrays_that_are_not_whole_rows_are_refused(error_of):
    message = error_of(lambda path: read_matrix(path, None, 5), npy(np.zeros(12)))
    assert message == "holds an array of (12,), expected rows of 5"
    assert (
        error_of(lambda path: read_matrix(path, None, 1), npy(np.float32(1)))
        == "holds an array of (), expected rows of 1"
    )
    assert error_of(lambda path: read_matrix(path, None, 5), npy(np.zeros((0, 5)))) == "holds 0 rows, expected some"


def test_float32_rows_are_mapped_not_copied(write):
    path = write(npy(np.ones((1 << 10, 1 << 12), np.float32)))  # 16 MiB
    tracemalloc.start()
    matrix = read_matrix(path, 1000, 1 << 12)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert matrix.shape == (1000, 1 << 12)
    assert peak < 6 << 20  # what the check for nan takes, a part at a time


@pytest.mark.parametrize(
    ("value", "dtype", "shown"),
    [
        (np.nan, "f4", "nan"),
        (-np.inf, "f4", "-inf"),
        (np.nan, "f8", "nan"),
        (1e39, "f8", "1e+39"),
        (np.inf, "f2", "inf"),
    ],
)
def test_what_is_not_finite_in_float32_is_named_with_its_index(error_of, monkeypatch, value, dtype, shown):
    monkeypatch.setattr(export, "BLOCK_VALUES", 5)
    array = np.zeros((7, 3), dtype)
    array[4, 2] = value
    message = error_of(lambda path: read_matrix(path, None, 3), npy(array))
    assert message == f"the value at [4, 2] (from 0) is {shown}, expected a finite float32 number"
    assert error_of(lambda path: read_matrix(path, 5, 3), npy(array)) == message


def test_rows_behind_the_asked_ones_may_hold_anything(write):
    array = np.array([[1], [np.nan]], np.float32)
    assert read_matrix(write(npy(array)), 1, 1).tolist() == [[1]]


def test_an_unaligned_npy_is_copied_into_place(write):
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1)}"
    header += " " * (11 - len(header) % 4)
    data = b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header.encode() + np.float32([1, 2]).tobytes()
    assert (len(data) - 8) % 4
    matrix = read_matrix(write(data), None, 1)
    assert matrix.flags.aligned
    assert matrix.tolist() == [[1], [2]]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"PK\3\4anything", "is a .zip or .npz archive, expected text, .npy or IDX (unpack it first)"),
        ("1 2".encode("utf-16"), "is text in UTF-16, expected ASCII or UTF-8 (save it anew as UTF-8)"),
        ("1 2".encode("utf-16-le"), "holds binary data (a zero byte at 1), expected text, .npy or IDX"),
        (b"\x7fELF\2\1\1\0", "holds binary data (a zero byte at 7), expected text, .npy or IDX"),
        (b"\0\0\0\0", "begins with 00 00 00 00, expected an IDX file (00 00 type dimensions)"),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_an_argument_that_is_not_data_is_refused(error_of, data, message, zipped):
    if zipped and not data:
        message = "holds no numbers"
    data = gzip.compress(data) if zipped else data
    assert error_of(lambda path: read_matrix(path, None, 1), data, memory=1 << 26) == message


def test_a_pipe_is_read(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(npy(ROWS),))
    writer.start()
    assert read_matrix(pipe, None, 3).tolist() == ROWS.tolist()
    writer.join()
    assert locate(pipe, 1, 0, 1) == f"{pipe}, row 2"  # must not wait for another writer


def test_values_are_located_for_people(write, tmp_path):
    path = write("1 2\n33 44", "Y.txt")
    assert locate(path, 1, 1, 2) == f"{path}:2:4"
    assert locate(write(gzip.compress(b"1 2\n33 44"), "Y.gz"), 2, 0, 1) == f"{tmp_path / 'Y.gz'}:2:1"
    path = write(npy(ROWS), "Y.npy")
    assert locate(path, 2, 0, 1) == f"{path}, row 3"
    assert locate(path, 2, 1, 3) == f"{path}, row 3, column 2"
    assert locate(tmp_path / "gone", 2, 0, 1) == f"{tmp_path / 'gone'}, row 3"


def test_arrays_are_read_without_numba(write):
    code = f"""
import sys
from caffe64.formats import checkpoint, network, optimizer, weights
from caffe64.formats.data import convert, read_matrix
read_matrix({str(write(npy(ROWS)))!r}, None, 3)
assert "numba" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@needs_shared
def test_mnist_is_read_as_rows():
    images = read_matrix(SHARED / "mnist" / "t10k-images-idx3-ubyte.gz", 5000, 784)
    assert images.shape == (5000, 784)
    assert (images.min(), images.max()) == (0, 255)
    with pytest.raises(InputError, match=r"holds an array of \(10000, 28, 28\), expected rows of 10"):
        read_matrix(SHARED / "mnist" / "t10k-images-idx3-ubyte.gz", None, 10)
