import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from support import SHARED, needs_shared

from caffe64.errors import FileMissing, InputError
from caffe64.formats.weights import read_weights, write_weights

GOLDEN = struct.pack("<QQQ2fQ", 3, 0, 2, 1.5, -2.0, 0)  # three layers, the second with two parameters


def test_the_bytes_are_the_originals(tmp_path):
    write_weights(tmp_path / "w.bin", [np.zeros(0), np.array([[1.5], [-2.0]]), np.zeros(0, np.float32)])
    assert (tmp_path / "w.bin").read_bytes() == GOLDEN


def test_each_layer_is_a_flat_float32_array(write):
    layers = read_weights(write(GOLDEN))
    assert [layer.tolist() for layer in layers] == [[], [1.5, -2.0], []]
    assert all(layer.dtype == np.float32 and layer.flags.writeable for layer in layers)


finite = arrays(np.float32, st.integers(0, 20), elements=st.floats(width=32, allow_nan=False, allow_infinity=False))


@given(st.lists(finite, max_size=6))
def test_what_is_written_reads_back_bit_for_bit(tmp_path_factory, layers):
    path = tmp_path_factory.mktemp("weights") / "w.bin"
    write_weights(path, layers)
    back = read_weights(path, [layer.size for layer in layers])
    assert [layer.tobytes() for layer in back] == [layer.tobytes() for layer in layers]


def test_every_cut_is_refused(assert_refuses_every_cut):
    assert_refuses_every_cut(read_weights, GOLDEN)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is 0 bytes long, expected a weights file (was it copied completely?)"),
        (b"1234567", "is 7 bytes long, expected a weights file (was it copied completely?)"),
        (
            struct.pack("<QQ", 1 << 60, 0),
            "is 16 bytes long and announces 1152921504606846976 layers, expected a weights file "
            "(was it copied completely?)",
        ),
        (
            struct.pack("<QQQ", 2, 1 << 61, 0),
            "is 24 bytes long, too short for layer 1 of 2 with 2305843009213693952 parameters "
            "(was it copied completely?)",
        ),
        (GOLDEN[:-4], "is 36 bytes long, too short for layer 2 of 3 with 2 parameters (was it copied completely?)"),
        (GOLDEN + b"\0", "is 41 bytes long, expected 40, where its last layer ends"),
        (
            struct.pack("<QQ3f", 1, 3, 0.0, 1.0, np.nan),
            "parameter 2 (from 0) of layer 1 is nan, expected finite numbers (did the training that wrote it diverge?)",
        ),
        (
            struct.pack("<QQQf", 2, 0, 1, -np.inf),
            "parameter 0 (from 0) of layer 2 is -inf, expected finite numbers "
            "(did the training that wrote it diverge?)",
        ),
    ],
)
def test_damaged_files_are_refused_before_memory_is_allocated(error_of, data, message):
    assert error_of(read_weights, data) == message


def test_more_layers_than_a_net_can_have_are_refused(error_of):
    data = struct.pack("<Q", 10_001) + bytes(8 * 10_001)
    assert "announces 10001 layers" in error_of(read_weights, data)


def test_the_weights_of_another_net_are_refused(error_of):
    names = ["inp 16 5", "lin 10 -1", "sce"]
    assert (
        error_of(lambda path: read_weights(path, [0, 170, 0], names), GOLDEN)
        == "layer 2 holds 2 parameters, expected 170 for the net's 'lin 10 -1' (weights of another net?)"
    )
    assert (
        error_of(lambda path: read_weights(path, [0, 170, 0]), GOLDEN)
        == "layer 2 holds 2 parameters, expected 170 (weights of another net?)"
    )
    assert (
        error_of(lambda path: read_weights(path, [0, 2], names), GOLDEN)
        == "holds 3 layers, expected 2 as in the net (weights of another net?)"
    )


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(FileMissing):
        read_weights(tmp_path / "w.bin")


def test_text_is_refused_as_a_weights_file(write):
    with pytest.raises(InputError, match="expected a weights file"):
        read_weights(write("7\ninp 20 10\nlin 16 -1\n"))


@needs_shared
def test_the_originals_files_read_and_write_back_the_same(tmp_path):
    for path in (SHARED / "caffe64" / "golden").glob("*/*.bin"):
        write_weights(tmp_path / "w.bin", read_weights(path))
        assert (tmp_path / "w.bin").read_bytes() == path.read_bytes()
    sizes = [0, 500 * 50 + 50, *[0, 50 * 50 + 50] * 4, 0]
    assert len(read_weights(SHARED / "caffe64" / "char" / "moby.bin", sizes)) == 11
