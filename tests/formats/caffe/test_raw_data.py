"""Weights in raw_data, as NVIDIA's Caffe, DIGITS and OpenCV's shrinkCaffeModel write them."""

from __future__ import annotations

import ctypes
import struct

import numpy as np
import pytest
from reference.caffe_messages import blob, delimited, floats, layer, varint
from support import FOUND, SHARED, assert_close, needs_shared

import caffe64
from caffe64.errors import InputError
from caffe64.formats.caffe import NetParameter, read_binaryproto, read_caffemodel, write_caffemodel

DOUBLE, FLOAT, FLOAT16 = range(3)
WILD = SHARED / "caffe" / "wild"


def raw_type(kind: int) -> bytes:
    return varint(8 * 10) + varint(kind)


def raw(data: bytes, kind: int) -> bytes:
    return raw_type(kind) + delimited(12, data)


def arrays_of(path) -> list[np.ndarray]:
    (found,) = read_caffemodel(path).blobs
    return found.arrays


@pytest.mark.parametrize(
    "data",
    [
        raw(np.float64([1, 2, 3]).tobytes(), DOUBLE),
        raw(np.float32([1, 2, 3]).tobytes(), FLOAT),
        raw(np.float16([1, 2, 3]).tobytes(), FLOAT16),
        delimited(12, np.float16([1, 2, 3]).tobytes()) + raw_type(FLOAT16),  # the type comes later
        raw(b"12345678", DOUBLE) + raw(np.float32([1, 2, 3]).tobytes(), FLOAT),  # the last one counts
        varint(8 * 11) + b"\1" + delimited(13, b"diff") + raw(np.float32([1, 2, 3]).tobytes(), FLOAT),
        raw(np.float32([7, 7, 7]).tobytes(), FLOAT) + floats(5, [1, 2, 3]),  # data wins, and double_data over it
        floats(5, [7]) + raw(np.float32([7, 7, 7]).tobytes(), FLOAT) + floats(8, [1, 2, 3], "<f8"),
        floats(5, [1, 2, 3]) + raw(b"no weights", 4),
        floats(5, []) + raw(np.float32([1, 2, 3]).tobytes(), FLOAT),
    ],
    ids=range(10),
)
def test_every_encoding_of_raw_data(write, data):
    (array,) = arrays_of(write(layer("a", blob(data, [3]))))
    assert array.dtype == np.float32
    assert array.tolist() == [1, 2, 3]


def test_float_raw_data_is_a_view_of_the_file(write):
    (array,) = arrays_of(write(layer("a", blob(raw(np.float32([1, 2]).tobytes(), FLOAT), [2]))))
    assert not array.flags.owndata
    assert not array.flags.writeable


def test_every_half_becomes_the_float_that_it_stands_for(write):
    """Subnormals, infinities and both zeros among them; Python's own decoder is the oracle."""
    bits = np.arange(1 << 16, dtype="<u2").tobytes()
    (array,) = arrays_of(write(layer("a", blob(raw(bits, FLOAT16), [1 << 16]))))
    expected = np.array([struct.unpack("<e", bits[at : at + 2])[0] for at in range(0, len(bits), 2)], np.float32)
    assert np.isinf(expected).sum() == 2
    assert np.array_equal(np.isnan(array), np.isnan(expected))
    finite = ~np.isnan(expected)
    assert array[finite].tobytes() == expected[finite].tobytes()


def test_doubles_are_rounded_to_the_nearest_float(write):
    values = [1 / 3, -1e-40, 5e-46, 1e39, -np.inf, 1 + 2**-24, 1 + 2**-24 + 2**-50, 3.4028235677973366e38]
    (array,) = arrays_of(write(layer("a", blob(raw(np.float64(values).tobytes(), DOUBLE), [len(values)]))))
    assert array.tolist() == [ctypes.c_float(value).value for value in values]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            delimited(12, b"12345678"),
            "has raw_data and no raw_data_type, expected DOUBLE, FLOAT or FLOAT16 (0, 1 or 2)",
        ),
        (raw(b"12345678", 3), "has raw_data of type 3 (INT), expected DOUBLE, FLOAT or FLOAT16 (0, 1 or 2)"),
        (raw(b"12345678", 5), "has raw_data of type 5 (BOOL), expected"),
        (raw(b"12345678", 77), "has raw_data of type 77 (unknown), expected"),
        (raw(b"12345678", -1), f"has raw_data of type {2**64 - 1} (unknown), expected"),
        (raw(b"123", FLOAT16), "holds 3 bytes of raw_data, expected a multiple of 2 (FLOAT16)"),
        (raw(b"1234", DOUBLE), "holds 4 bytes of raw_data, expected a multiple of 8 (DOUBLE)"),
        (raw(b"12345678", FLOAT16), "holds 4 numbers, expected 2 for its shape (2,) (was it copied completely?)"),
        (raw(b"", FLOAT), "holds 0 numbers, expected 2"),
        (raw_type(FLOAT) + varint(8 * 12 + 2) + varint(10**12), "the file ends 1000000000000 bytes before a field"),
    ],
)
def test_wrong_raw_data_is_refused_with_what_is_wrong(error_of, data, message):
    assert f"layer 1 'a' blob 0: {message}" in error_of(read_caffemodel, layer("a", blob(data, [2])))


def test_every_cut_of_raw_data_is_refused(write):
    data = layer("a", blob(raw(np.float16([1, 2]).tobytes(), FLOAT16), [2]))
    read_caffemodel(write(data))
    for size in range(len(data)):
        with pytest.raises(InputError):
            read_caffemodel(write(data[:size]))


def test_a_mean_may_be_raw_as_well(write):
    mean = read_binaryproto(write(blob(raw(np.float16(range(12)).tobytes(), FLOAT16), legacy=(1, 3, 2, 2))))
    assert mean.tolist() == np.arange(12).reshape(3, 2, 2).tolist()


def test_a_rewrite_holds_floats_and_nothing_of_the_raw_data_but_all_unknown_fields(write, tmp_path):
    """NVIDIA's layers say forward_type 145 and its kin, numbers that Caffe has given to messages."""
    own = varint(8 * 145) + b"\2" + varint(8 * 150) + b"\1"
    extra = varint(8 * 300) + b"\7"
    parts = raw(np.float16([1, 2]).tobytes(), FLOAT16) + varint(8 * 11) + b"\2" + delimited(13, b"\0\0\0\0")
    model = read_caffemodel(write(layer("a", blob(parts + extra, [2]), rest=own)))
    write_caffemodel(tmp_path / "again", model.message, {0: model.blobs[0].arrays})
    whole = NetParameter()
    whole.ParseFromString((tmp_path / "again").read_bytes())
    (written,) = whole.layer[0].blobs
    assert list(written.data) == [1, 2]
    assert written.SerializeToString() == blob(floats(5, [1, 2])) + blob(b"", [2]) + extra
    assert own in (tmp_path / "again").read_bytes()


@pytest.mark.parametrize("kind", ["double", "raw_float", "raw_half", "raw_double"])
def test_each_encoding_of_one_net_gives_its_weights(kind):
    expected = arrays_of(FOUND / "conv_float.caffemodel")
    if kind == "raw_half":
        expected = [array.astype(np.float16).astype(np.float32) for array in expected]
    for found, wanted in zip(arrays_of(FOUND / f"conv_{kind}.caffemodel"), expected, strict=True):
        assert found.shape == wanted.shape
        assert found.tobytes() == wanted.tobytes()


@needs_shared
@pytest.mark.parametrize("name", ["raw_half", "raw_float", "raw_double"])
def test_real_caffes_outputs_of_raw_models(name):
    known = np.load(WILD / f"{name}_io.npz")
    net = caffe64.load_caffe(WILD / f"{name}.prototxt", WILD / f"{name}.caffemodel")
    (top,) = net.forward(data=known["bottom0"]).values()
    assert_close(name, top, known["top0"], 1e-5 * np.abs(known["top0"]).max())
