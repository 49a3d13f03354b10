import gzip
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from support import SHARED, needs_shared

from caffe64.errors import FileMissing, InputError, OutputError
from caffe64.formats import numbers
from caffe64.formats.numbers import locate_number, read_numbers, write_numbers


@pytest.mark.parametrize("zipped", [False, True])
def test_any_separator_will_do(write, zipped):
    separators = [bytes([byte]) for byte in range(256) if byte not in b"0123456789+-.eE"]
    data = b"".join(b"-1.5" + separator for separator in separators)
    path = write(gzip.compress(data) if zipped else data)
    assert read_numbers(path).tolist() == [-1.5] * len(separators)


def test_numbers_behind_the_count_are_not_even_looked_at(write):
    assert read_numbers(write("1 2 3 nan 1.2.3"), 3).tolist() == [1, 2, 3]


def test_the_result_owns_a_plain_float32_array(write):
    result = read_numbers(write("1 2 3"))
    assert type(result) is np.ndarray
    assert result.dtype == np.float32
    assert result.flags.writeable
    assert result.flags.c_contiguous


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2\n3 1.2.3 4", ":2:3: found '1.2.3', expected a number such as -12.5 or 1e-3"),
        ("1-2", ":1:1: found '1-2', expected a number such as -12.5 or 1e-3"),
        ("0 --1", ":1:3: found '--1', expected a number such as -12.5 or 1e-3"),
        ("0 -", ":1:3: found '-', expected a number such as -12.5 or 1e-3"),
        ("0\r\n.", ":2:1: found '.', expected a number such as -12.5 or 1e-3"),
        ("+-1", ":1:1: found '+-1', expected a number such as -12.5 or 1e-3"),
        ("-.e5", ":1:1: found '-.e5', expected a number such as -12.5 or 1e-3"),
        ("1e5.5", ":1:1: found '1e5.5', expected a number such as -12.5 or 1e-3"),
        ("1" * 100 + ".2.", f":1:1: found '{'1' * 40}...', expected a number such as -12.5 or 1e-3"),
        ("1\n\nnan", ":3:1: found 'nan', expected a finite number"),
        ("1 NaN,", ":1:3: found 'NaN', expected a finite number"),
        ("1 -Inf", ":1:3: found '-Inf', expected a finite number"),
        ("+INFINITY", ":1:1: found '+INFINITY', expected a finite number"),
        ("1 3.5e38", ":1:3: found '3.5e38', expected a number below 3.4e38 (float32)"),
        ("1 -1e999999", ":1:3: found '-1e999999', expected a number below 3.4e38 (float32)"),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_a_value_that_is_not_finite_is_named_with_its_position(write, text, message, zipped):
    path = write(gzip.compress(text.encode()) if zipped else text)
    for count in (None, 100):
        with pytest.raises(InputError) as caught:
            read_numbers(path, count)
        assert str(caught.value) == f"{path}{message}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2", "holds 2 numbers, expected 3"),
        ("1 2\nO 3x", "holds 3 numbers, expected 4 (line 2 column 1 holds 'O', which separates)"),
        ("info", "holds 0 numbers, expected 1 (line 1 column 1 holds 'i', which separates)"),
    ],
)
def test_too_few_numbers_are_counted_and_a_letter_named(error_of, text, message):
    expected = int(message.split("expected ")[1].split()[0])
    assert error_of(lambda path: read_numbers(path, expected), text) == message


@pytest.mark.parametrize("zipped", [False, True])
def test_an_absurd_count_allocates_nothing(error_of, zipped):
    data = gzip.compress(b"1 2 3") if zipped else b"1 2 3"
    message = error_of(lambda path: read_numbers(path, 10**15), data, memory=2 * numbers.PIECE)
    assert message == "holds 3 numbers, expected 1000000000000000"


@pytest.mark.parametrize("text", [" \n", "abc", ""])
def test_a_file_without_numbers_is_refused(error_of, text):
    assert ("empty" if text == "" else "holds no numbers") in error_of(read_numbers, text)


def test_every_cut_of_a_gz_is_refused(assert_refuses_every_cut):
    assert_refuses_every_cut(read_numbers, gzip.compress(b"1 2 3 4\n5 6 7 8", mtime=0))


def test_a_gz_of_one_endless_word_is_refused(error_of, monkeypatch):
    monkeypatch.setattr(numbers, "PIECE", 1000)
    data = gzip.compress(b"1\n2 " + b"a" * 3000)
    assert error_of(read_numbers, data) == "2:3: found 1996 letters and digits in a row"


def test_a_pipe_is_read(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=("1 2 3",))
    writer.start()
    assert read_numbers(pipe, 3).tolist() == [1, 2, 3]
    writer.join()


def test_missing_files_and_numbers_are_errors(write, tmp_path):
    with pytest.raises(FileMissing):
        read_numbers(tmp_path / "X.txt")
    with pytest.raises(InputError, match="fewer numbers"):
        locate_number(write("1 2"), 2)


def test_text_leaves_memory_behind_the_reader(write):
    """The peak grows by the numbers and a window of the text, not by the text."""
    path = write(b"0.00000000000012 3.14159265358979\n" * 3_000_000)
    code = """
import re, sys
from caffe64.formats.numbers import read_numbers
def peak():  # not ru_maxrss, which begins with the peak of the process that started this one
    return 1024 * int(re.search(r"VmHWM:\\s*([0-9]+) kB", open("/proc/self/status").read())[1])
read_numbers(sys.argv[2])
before = peak()
numbers = read_numbers(sys.argv[1], 6_000_000 if sys.argv[3] == "known" else None)
assert peak() - before < numbers.nbytes + (32 << 20), f"{peak() - before} bytes for {numbers.nbytes} of numbers"
"""
    few = write("1 2", "few")
    for count in ("known", "unknown"):
        subprocess.run([sys.executable, "-c", code, path, few, count], check=True)


@needs_shared
def test_the_originals_files_are_read():
    case = SHARED / "caffe64" / "golden" / "wide_minibatch"
    X = read_numbers(case / "X.txt")
    assert X.size % 60 == 0
    assert X[:2].tolist() == [np.float32(-0.059904), np.float32(-0.133183)]
    assert len(read_numbers(case / "Y.txt")) == X.size // 60


# Writing: C's printf("%f ").


def printed(values):
    return b"".join(b"".join(b"%f " % float(value) for value in row) + b"\n" for row in values)


def test_rows_are_written_as_the_original_does(tmp_path):
    values = np.array([[0.25, -1, 3.5e12], [1e30, -0.0, 5e-7]], np.float32)
    write_numbers(tmp_path / "Y.txt", values)
    assert (tmp_path / "Y.txt").read_bytes() == (
        b"0.250000 -1.000000 3499999887360.000000 \n1000000015047466219876688855040.000000 -0.000000 0.000000 \n"
    )
    assert (tmp_path / "Y.txt").read_bytes() == printed(values)


bits = arrays(np.uint32, st.tuples(st.integers(1, 5), st.integers(1, 5)), elements=st.integers(0, (1 << 32) - 1))


@given(bits)
def test_any_float32_is_written_as_by_printf(tmp_path_factory, bits):
    path = tmp_path_factory.mktemp("printed") / "Y.txt"
    write_numbers(path, bits.view(np.float32))
    assert path.read_bytes() == printed(bits.view(np.float32))


def test_many_float32_of_every_size_are_written_as_by_printf(tmp_path):
    rng = np.random.default_rng(6)
    anything = rng.integers(0, 1 << 32, 60_000, np.uint32).view(np.float32)
    ties = rng.integers(-(1 << 23), 1 << 23, 60_000) * np.float32(2.0**-7)  # the seventh decimal is an exact 5
    usual = rng.standard_normal(60_000)
    edges = [8.99e12, -8.99e12, 9.01e12, -1.85e13, np.inf, np.nan, 0.9999995, 999999.94, 9.9999996, 1e-45, 3.4e38, -0.0]
    values = np.concatenate([np.asarray(part, np.float32) for part in (anything, ties, usual, edges)]).reshape(-1, 12)
    write_numbers(tmp_path / "Y.txt", values)
    assert (tmp_path / "Y.txt").read_bytes() == printed(values)


@settings(max_examples=20)
@given(st.integers(1, 40), st.integers(1, 9))
def test_blocks_of_values_may_end_anywhere(tmp_path_factory, rows, columns):
    values = np.arange(rows * columns, dtype=np.float32).reshape(rows, columns)
    values[0, 0] = 1e20  # printed by Python
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numbers, "PRINTED", 7)
        path = tmp_path_factory.mktemp("printed") / "Y.txt"
        write_numbers(path, values)
    assert path.read_bytes() == printed(values)


def test_other_types_and_strides_are_written_too(tmp_path):
    values = np.arange(12.0).reshape(3, 4)
    write_numbers(tmp_path / "Y.txt", values.T[::2])
    assert (tmp_path / "Y.txt").read_bytes() == printed(values.T[::2])


def test_an_unwritable_path_is_an_output_error(tmp_path):
    with pytest.raises(OutputError, match="No such file or directory"):
        write_numbers(tmp_path / "missing" / "Y.txt", np.zeros((1, 1), np.float32))
