import gzip
import io
import pickle
import struct
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from caffe64.formats.npy import read_npy


def npy(array, **options):
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asanyarray(array), **options)
    return file.getvalue()


def with_header(text, version=1):
    sizes = {1: "<H", 2: "<I"}
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack(sizes[version], len(text)) + text.encode()


types = st.sampled_from(["?", "<i1", ">i2", "<u4", "<i8", "<f2", ">f4", "<f4", "<f8"])


@given(types.flatmap(lambda kind: arrays(kind, array_shapes(min_dims=0, min_side=0, max_side=4))), st.booleans())
def test_what_numpy_saves_reads_back_bit_for_bit(tmp_path_factory, array, zipped):
    path = tmp_path_factory.mktemp("npy") / "X.npy"
    data = npy(array)
    path.write_bytes(gzip.compress(data) if zipped else data)
    back = read_npy(path)
    assert (back.dtype, back.shape, back.tobytes()) == (array.dtype, array.shape, array.tobytes())


def test_fortran_order_and_version_2_are_understood(write):
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    for data in (npy(np.asfortranarray(array)), npy(array, version=(2, 0))):
        assert read_npy(write(data)).tolist() == array.tolist()
        assert read_npy(write(gzip.compress(data))).tolist() == array.tolist()


def test_a_plain_file_is_mapped_and_cannot_be_changed(write):
    path = write(npy(np.arange(1 << 20, dtype=np.float32)))
    array = read_npy(path)
    assert not array.flags.owndata
    with pytest.raises(ValueError, match="read-only"):
        array[:] = -1


TRAIN_UNDER_A_LIMIT = """
import re, resource, sys
from pathlib import Path
import numpy as np
from caffe64 import Net, Optimizer
from caffe64.cli.data import read_inputs, read_targets

net = Net("inp 1024 256 / lin 1 -2 / l2l")
optimizer = Optimizer(rate=1e-6, step=0, factor=1, decay=0, momentum=0, epochs=1)
net.fit(np.ones((256, 1024), np.float32), np.ones((256, 1), np.float32), optimizer)  # compiles
data = 1024 * int(re.search(r"VmData:\\s*([0-9]+) kB", Path("/proc/self/status").read_text())[1])
resource.setrlimit(resource.RLIMIT_DATA, (data + int(sys.argv[1]),) * 2)
X = read_inputs(net, Path("X.npy"), None, strict=True)
Y = read_targets(net, Path("Y.npy"), X, strict=True)
assert np.isfinite(net.fit(X, Y, optimizer).loss[-1])
"""


def test_an_array_larger_than_the_memory_left_is_trained_on(tmp_path):
    """RLIMIT_DATA bounds the memory that a process can write to: copies count, pages of a file do not."""
    X = np.lib.format.open_memmap(tmp_path / "X.npy", "w+", np.float32, (1 << 17, 1 << 10))  # 512 MiB, none on disk
    X[::1000, 0] = 1
    np.save(tmp_path / "Y.npy", np.ones((len(X), 1), np.float32))
    code = [sys.executable, "-c", TRAIN_UNDER_A_LIMIT, str(X.nbytes // 2)]
    subprocess.run(code, cwd=tmp_path, check=True)


@pytest.mark.parametrize("zipped", [False, True])
def test_every_cut_is_refused(assert_refuses_every_cut, zipped):
    data = npy(np.arange(3, dtype=np.float32))
    assert_refuses_every_cut(read_npy, gzip.compress(data, mtime=0) if zipped else data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"hello, world", "begins with 68 65 6c 6c 6f 2c 20 77, expected a .npy file of version 1.0 or 2.0"),
        (b"\x93NUMPY\3\0", "begins with 93 4e 55 4d 50 59 03 00, expected a .npy file of version 1.0 or 2.0"),
        (b"\x93NUMPY\2\0\xff\xff\xff\xff{", "announces a header of 4294967295 bytes, expected at most 10000"),
        (with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (5, 2"), "has a damaged .npy header: "),
        (with_header("(" * 10_000), "has a damaged .npy header: "),
        (with_header("[" * 9_000, version=2), "has a damaged .npy header: "),
        (with_header("{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}"), "has a damaged .npy header: "),
        (with_header("{'descr': ('<f4', (2,)), 'fortran_order': False, 'shape': (1,)}"), "holds "),
        (
            with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (9999999, 9999999, 9999999)}"),
            "is 88 bytes long, expected 7999997600000240000080 for",
        ),
        (with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}"), "holds '(-1,) of float32', expected"),
        (
            with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (0, 99999999999999999, 99999999999999999)}"),
            "announces an array of '(0, 99999999999999999, ",
        ),
        (npy(np.zeros(2)) + b"1", "is 145 bytes long, expected 144 for (2,) of float64 (was it copied completely?)"),
        (npy(np.array(["text"])), "holds '(1,) of <U4', expected an array of numbers"),
        (npy(np.array([1j])), "holds '(1,) of complex128', expected an array of numbers"),
        (npy(np.zeros(1, [("a", "f4")])), "expected an array of numbers"),
    ],
)
def test_hostile_headers_are_refused_before_memory_is_allocated(error_of, data, message):
    # Python's parser takes some MB to give up on deep nesting.
    assert message in error_of(read_npy, data, memory=1 << 25)


def test_objects_are_not_unpickled(error_of):
    class Trap:
        def __reduce__(self):
            return pytest.fail, ("unpickled",)

    header = "{'descr': '|O', 'fortran_order': False, 'shape': (1,)}"
    message = error_of(read_npy, with_header(header) + pickle.dumps(Trap()))
    assert message == "holds '(1,) of object', expected an array of numbers"


def test_an_absurd_size_in_a_gz_is_refused(error_of):
    data = with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000,)}")
    assert "expected 8000071 for (1000000,) of float64" in error_of(read_npy, gzip.compress(data))


def test_a_gz_that_goes_on_is_refused(error_of):
    message = error_of(read_npy, gzip.compress(npy(np.zeros(2)) + b"1"))
    assert message == "goes on after its last value, expected (2,) of float64"
