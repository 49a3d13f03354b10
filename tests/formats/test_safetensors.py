"""Safetensors files, against the package that defines them, and hostile ones."""

from __future__ import annotations

import json

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from safetensors.numpy import save

from caffe64.errors import InputError
from caffe64.formats.safetensors import MOST_HEADER_BYTES, NUMBERS, TYPE_BYTES, read_safetensors

NAMES = {"F32": np.float32, "F16": np.float16, "F64": np.float64}


def made(header: object, data: bytes = b"") -> bytes:
    """A file with this header: JSON, or what stands in its place."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def entry(dtype="F32", shape=(2,), offsets=(0, 8)) -> dict:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def all_floats(path) -> list[np.ndarray]:
    file = read_safetensors(path)
    return [file.floats(name) for name in file.tensors]


def refused(path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        all_floats(path)
    assert len(str(caught.value)) < 400
    return str(caught.value)


@pytest.mark.parametrize("dtype", NAMES)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_what_the_package_writes_is_read(tmp_path_factory, dtype, data):
    numbers = arrays.arrays(NAMES[dtype], arrays.array_shapes(min_dims=0, min_side=0), unique=False)
    tensors = data.draw(st.dictionaries(st.text(min_size=1, max_size=9), numbers, max_size=4))
    tensors.pop("__metadata__", None)
    path = tmp_path_factory.mktemp("x") / "x.safetensors"
    path.write_bytes(save(tensors, {"some": "text"}))
    file = read_safetensors(path)
    assert file.tensors.keys() == tensors.keys()
    for name, values in tensors.items():
        with np.errstate(over="ignore"):
            np.testing.assert_array_equal(file.floats(name), values.astype(np.float32))
        assert file.floats(name).shape == values.shape


def test_every_bfloat16(tmp_path):
    bits = np.arange(1 << 16, dtype="<u2")
    path = tmp_path / "x.safetensors"
    path.write_bytes(made({"x": entry("BF16", [1 << 16], [0, 1 << 17])}, bits.tobytes()))
    expected = bits.view(ml_dtypes.bfloat16).astype(np.float32)
    np.testing.assert_array_equal(read_safetensors(path).floats("x"), expected)


def test_float32_is_a_view_of_the_file(tmp_path):
    (tmp_path / "x").write_bytes(made({"x": entry()}, bytes(8)))
    values = read_safetensors(tmp_path / "x").floats("x")
    assert not values.flags.writeable


def test_other_types_are_read_where_they_are_not_needed(tmp_path):
    path, others = tmp_path / "x", TYPE_BYTES.keys() - NUMBERS.keys()
    header, end = {}, 0
    for dtype in sorted(others):
        header[dtype], end = entry(dtype, [3], [end, end + 3 * TYPE_BYTES[dtype]]), end + 3 * TYPE_BYTES[dtype]
    path.write_bytes(made({**header, "w": entry(offsets=[end, end + 8])}, bytes(end) + np.float32([1, 2]).tobytes()))
    file = read_safetensors(path)
    assert file.floats("w").tolist() == [1, 2]
    for dtype in others:
        with pytest.raises(InputError, match=f"'{dtype}' is of the type {dtype}, expected F32, F16, BF16 or F64"):
            file.floats(dtype)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty, expected a .safetensors file"),
        (b"12345678", "expected a .safetensors file"),
        ((1 << 63).to_bytes(8, "little") + b"{}", "expected a .safetensors file"),
        (
            (MOST_HEADER_BYTES + 1).to_bytes(8, "little") + b"{}",
            "announces a header of 16777217 bytes, expected at most",
        ),
        ((3).to_bytes(8, "little") + b"{}", "announces a header of 3 bytes and has 2"),
        (made(b"{}", b"x"), "holds 1 bytes of tensors, expected 0"),
        (made(b'{"a"'), "has a damaged header"),
        (made(b'{"\xff": 1}'), "has a damaged header"),
        (made(b'{"a": ' + b"[" * 200_000), "has a damaged header"),
        (made(b'{"a": {"dtype": "F32", "shape": [' + b"9" * 5000 + b'], "data_offsets": [0, 0]}}'), "damaged header"),
        (made(b'{"a": 1, "a": 2}'), "has 'a' twice"),
        (made(b'{"a": {"dtype": "F32", "dtype": "F16"}}'), "has 'dtype' twice"),
        (made({"a": 1}), "'a' has another entry in the header, expected dtype, shape and data_offsets"),
        (made({"a": {"dtype": "F32"}}), "another entry"),
        (made({"a": {**entry(), "more": 1}}), "another entry"),
        (made({"a": entry("F31")}, bytes(8)), "'a' is of the type 'F31', expected one of"),
        (made({"a": {**entry(), "dtype": ["F32"]}}, bytes(8)), "is of the type"),
        (made({"a": entry(shape=[-2])}, bytes(8)), "has the shape '[-2]'"),
        (made({"a": entry(shape=[2.0])}, bytes(8)), "has the shape"),
        (made({"a": entry(shape=[True, 2])}, bytes(8)), "has the shape"),
        (made({"a": entry(shape=[1] * 33)}, bytes(8)), "has the shape"),
        (made({"a": entry(shape=[1 << 62, 1 << 62])}, bytes(8)), "and 8 bytes, expected"),
        (made({"a": entry(shape=[0, 1 << 62], offsets=[0, 0]), "b": entry()}, bytes(8)), "'a' has the shape"),
        (made({"a": entry(shape=[3])}, bytes(8)), "has the shape '[3]' of F32 and 8 bytes, expected 12"),
        (
            made({"a": entry(offsets=[0, 16])}, bytes(8)),
            "has the data_offsets '[0, 16]', expected two within the 8 bytes",
        ),
        (made({"a": entry(offsets=[8, 0])}, bytes(8)), "has the data_offsets"),
        (made({"a": entry(offsets=[0])}, bytes(8)), "has the data_offsets"),
        (made({"a": entry(), "b": entry()}, bytes(8)), "begins at byte 0 of the tensors, expected 8"),
        (
            made({"a": entry(), "b": entry(offsets=[4, 12])}, bytes(12)),
            "'b' begins at byte 4 of the tensors, expected 8",
        ),
        (made({"a": entry(offsets=[4, 12])}, bytes(12)), "begins at byte 4 of the tensors, expected 0"),
        (made({"a": entry()}, bytes(12)), "holds 12 bytes of tensors, expected 8"),
        (made({"\x1b[31m" * 100: 1}), "\\x1b"),
    ],
    ids=range(32),
)
def test_refused(tmp_path, content, message):
    assert message in refused(tmp_path / "x.safetensors", content)


def test_cut_short_at_every_byte(tmp_path):
    whole = save({"a": np.ones((2, 3), np.float32), "b": np.ones(2, np.float16)})
    for size in range(len(whole)):
        refused(tmp_path / "x", whole[:size])


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_damaged_files_are_refused_or_read(tmp_path_factory, data):
    whole = bytearray(save({"a": np.ones((2, 3), np.float32), "b": np.ones(2, np.float16)}))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("x") / "x"
    path.write_bytes(whole)
    try:
        found = all_floats(path)
    except InputError:
        return
    assert sum(values.size for values in found) <= 16
