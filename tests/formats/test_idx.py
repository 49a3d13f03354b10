import gzip
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from support import SHARED, needs_shared

from caffe64.errors import UsageError
from caffe64.formats.idx import read_idx, write_idx

GOLDEN = bytes.fromhex("00000b02 00000002 00000001 0102 ff80")  # int16 [2, 1]: 258, -128


def test_the_bytes_are_big_endian(write, tmp_path):
    array = read_idx(write(GOLDEN))
    assert array.tolist() == [[258], [-128]]
    assert array.dtype == np.int16
    assert array.dtype.isnative
    write_idx(tmp_path / "X.idx", array)
    assert (tmp_path / "X.idx").read_bytes() == GOLDEN


types = st.sampled_from([np.uint8, np.int8, np.int16, np.int32, np.float32, np.float64])


@given(types.flatmap(lambda kind: arrays(kind, array_shapes(max_dims=4, max_side=4))), st.booleans())
def test_what_is_written_reads_back_bit_for_bit(tmp_path_factory, array, zipped):
    path = tmp_path_factory.mktemp("idx") / "X"
    write_idx(path, array)
    if zipped:
        path.write_bytes(gzip.compress(path.read_bytes()))
    back = read_idx(path)
    assert (back.dtype, back.shape, back.tobytes()) == (array.dtype, array.shape, array.tobytes())
    assert back.flags.writeable


@pytest.mark.parametrize("zipped", [False, True])
def test_every_cut_is_refused(assert_refuses_every_cut, zipped):
    assert_refuses_every_cut(read_idx, gzip.compress(GOLDEN, mtime=0) if zipped else GOLDEN)


def test_every_cut_before_zipping_is_refused(error_of):
    for size in range(len(GOLDEN)):
        error_of(read_idx, gzip.compress(GOLDEN[:size]))


def header(kind, *sizes):
    return struct.pack(f">HBB{len(sizes)}I", 0, kind, len(sizes), *sizes)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"hello", "begins with 68 65 6c 6c, expected an IDX file (00 00 type dimensions)"),
        (header(0x0A, 1) + b"1", "begins with 00 00 0a 01, expected an IDX file (00 00 type dimensions)"),
        (header(8), "begins with 00 00 08 00, expected an IDX file (00 00 type dimensions)"),
        (header(8, *[1] * 9) + b"1", "begins with 00 00 08 09, expected an IDX file (00 00 type dimensions)"),
        (header(8, 0, 5), "announces an empty array (0, 5)"),
        (header(8, 3) + b"1234", "is 12 bytes long, expected 11 for (3,) of uint8 (was it copied completely?)"),
        (
            header(14, *[(1 << 32) - 1] * 8),
            f"is 36 bytes long, expected {36 + 8 * ((1 << 32) - 1) ** 8} for "
            f"{((1 << 32) - 1,) * 8} of float64 (was it copied completely?)",
        ),
    ],
)
def test_hostile_headers_are_refused_before_memory_is_allocated(error_of, data, message):
    assert error_of(read_idx, data) == message


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (header(8, 1 << 31), "bytes long, expected 2147483656 for (2147483648,) of uint8"),
        (header(8, 2000) + b"1234", "ends after 4 bytes of values, expected 2000"),
        (header(8, 3) + b"1234", "goes on after its last value, expected (3,) of uint8"),
    ],
)
def test_hostile_headers_in_a_gz_are_refused_too(error_of, data, message):
    assert message in error_of(read_idx, gzip.compress(data))


@pytest.mark.parametrize("array", [np.zeros(3, np.int64), np.zeros((2, 0)), np.float32(1), np.zeros((1,) * 9)])
def test_what_idx_cannot_say_is_a_usage_error_and_writes_nothing(tmp_path, array):
    with pytest.raises(UsageError, match="IDX has no type"):
        write_idx(tmp_path / "X", array)
    assert not list(tmp_path.iterdir())


@needs_shared
def test_mnist_is_read():
    images = read_idx(SHARED / "mnist" / "t10k-images-idx3-ubyte.gz")
    labels = read_idx(SHARED / "mnist" / "t10k-labels-idx1-ubyte.gz")
    assert images.shape == (10_000, 28, 28)
    assert images.dtype == labels.dtype == np.uint8
    assert np.bincount(labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
