"""Binary models: every encoding of blobs, the bytes that are written, damaged and hostile files."""

from __future__ import annotations

import contextlib
import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from reference.caffe_messages import blob, delimited, floats, layer, messages, net, unpacked, varint
from reference.child import run_json
from support import SHARED, caffe_files, needs_shared

from caffe64.errors import FileMissing, InputError, OutputError
from caffe64.formats.caffe import NetParameter, binary, read_binaryproto, read_caffemodel, write_caffemodel
from caffe64.formats.caffe.upgrade import upgrade_net

REAL = caffe_files("*.caffemodel", "cifar10", "face68", "models", "solver")
SMALL = delimited(1, b"net") + layer("conv1", blob(floats(5, [1, 2, 3, 4]), [2, 2]), blob(floats(5, [5]), [1]))


def arrays_of(model) -> dict[int, list[np.ndarray]]:
    return {index: layer.arrays for index, layer in enumerate(model.blobs)}


@needs_shared
@pytest.mark.parametrize("path", REAL, ids=lambda path: f"{path.parent.stem}-{path.stem}")
def test_real_models_hold_what_protobuf_finds_in_them(path, tmp_path):
    model = read_caffemodel(path)
    whole = NetParameter()
    whole.ParseFromString(path.read_bytes())
    assert len(model.blobs) == len(whole.layer) == len(model.message.layer)
    for (name, kind, found), expected in zip(model.blobs, whole.layer, strict=True):
        assert (name, kind) == (expected.name, expected.type)
        assert [a.tobytes() for a in found] == [np.array(b.data, np.float32).tobytes() for b in expected.blobs]
        assert [list(a.shape) for a in found] == [list(b.shape.dim) for b in expected.blobs]
        assert not any(b.data or b.diff or b.double_data for b in model.message.layer[0].blobs)
    write_caffemodel(tmp_path / "again", model.message, arrays_of(model))
    again = NetParameter()
    again.ParseFromString((tmp_path / "again").read_bytes())
    upgrade_net(whole, "")  # some name no learning rates of 0 for BatchNorm
    for part in whole.layer:
        for item in part.blobs:
            item.ClearField("diff")
    assert (again == whole) is True  # in brackets, since pytest would take seconds to print the two


@needs_shared
def test_a_known_number_is_where_it_should_be():
    """BatchNorm's third blob of the CIFAR-10 net is 999.944."""
    model = read_caffemodel(SHARED / "caffe" / "cifar10" / "cifar10.caffemodel")
    factors = [arrays[2] for _, kind, arrays in model.blobs if kind == "BatchNorm"]
    assert len(factors) > 3
    assert {round(float(factor[0]), 3) for factor in factors} == {999.944}


def test_arrays_are_read_only_float32_views_of_the_file(write):
    first, second = read_caffemodel(write(SMALL)).blobs[0].arrays
    assert (first.tolist(), second.tolist()) == ([[1, 2], [3, 4]], [5])
    assert not first.flags.owndata
    assert not first.flags.writeable
    assert first.dtype == np.float32


@pytest.mark.parametrize(
    "data",
    [
        floats(5, [1, 2, 3]),
        floats(5, [1]) + floats(5, []) + floats(5, [2, 3]),
        unpacked(5, [1, 2, 3]),
        unpacked(5, [1]) + floats(5, [2]) + unpacked(5, [3]),
        unpacked(6, [9, 9, 9, 9]) + floats(5, [1, 2, 3]) + floats(6, [8]),  # diffs
        floats(8, [1, 2, 3], "<f8"),
        unpacked(8, [1, 2, 3], "<f8") + floats(9, [7, 7, 7], "<f8"),
        floats(5, [7, 7]) + floats(8, [1, 2, 3], "<f8"),  # Caffe prefers doubles
        floats(5, [1, 2, 3]) + floats(8, [], "<f8"),
        b"".join(b"\xad\x00" + value.tobytes() for value in np.float32([1, 2, 3])),  # tags longer than they need be
    ],
    ids=range(10),
)
def test_every_encoding_of_the_numbers(write, data):
    (array,) = read_caffemodel(write(layer("a", blob(data, [3])))).blobs[0].arrays
    assert array.dtype == np.float32
    assert array.tolist() == [1, 2, 3]


def test_many_unpacked_numbers(write):
    numbers = np.arange(5000, dtype=np.float32)
    (array,) = read_caffemodel(write(layer("a", blob(unpacked(5, numbers), [50, 100])))).blobs[0].arrays
    assert array.ravel().tolist() == numbers.tolist()


def test_shapes_old_and_new(write, tmp_path):
    data = layer(
        "a",
        blob(floats(5, range(6)), legacy=(1, 1, 2, 3)),
        blob(floats(5, [1])),  # no shape at all: one number
        blob(b"", [0, 3]),
        blob(floats(5, range(2)), [9], legacy=(2, 1, 1, 1)),
    )
    model = read_caffemodel(write(data))
    shapes = [(1, 1, 2, 3), (), (0, 3), (2, 1, 1, 1)]
    assert [array.shape for array in model.blobs[0].arrays] == shapes
    assert [model.legacy(0, i) for i in range(4)] == [True, False, False, True]
    write_caffemodel(tmp_path / "same", model.message, arrays_of(model))
    again = read_caffemodel(tmp_path / "same")
    assert [array.shape for array in again.blobs[0].arrays] == shapes
    assert [again.legacy(0, i) for i in range(4)] == [True, False, False, True]
    write_caffemodel(tmp_path / "new", model.message, {0: [np.zeros((2, 3))]})
    assert not read_caffemodel(tmp_path / "new").legacy(0, 0)


def test_the_bytes_that_are_written(tmp_path):
    write_caffemodel(tmp_path / "m", net({"name": "a"}, name="n"), {0: [np.array([[1.5], [-2]])]})
    body = delimited(1, b"a") + delimited(7, delimited(7, delimited(1, b"\2\1")) + floats(5, [1.5, -2]))
    assert (tmp_path / "m").read_bytes() == delimited(1, b"n") + delimited(100, body)


@pytest.mark.parametrize("kind", ["net", "layer", "blob"])
def test_unknown_fields_survive_a_rewrite(write, tmp_path, kind):
    """Among them Permute's parameters, which have other numbers in every fork (148 is Caffe's own clip_param)."""
    unknown = delimited(202, delimited(1, b"\0\2\3\1")) + varint(8 * 5000) + b"\7" + varint(8 * 300 + 1) + b"12345678"
    at = {where: unknown if where == kind else b"" for where in ("net", "layer", "blob")}
    data = at["net"] + layer("a", blob(at["blob"] + floats(5, [1]), [1]), rest=at["layer"])
    model = read_caffemodel(write(data))
    write_caffemodel(tmp_path / "again", model.message, arrays_of(model))
    again = (tmp_path / "again").read_bytes()
    for piece in (delimited(202, delimited(1, b"\0\2\3\1")), varint(8 * 5000) + b"\7", b"12345678"):
        assert again.count(piece) == 1
    assert read_caffemodel(tmp_path / "again").message == model.message


blob_arrays = arrays(np.float32, array_shapes(min_dims=0, max_dims=5, max_side=3), elements=st.floats(width=32))


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(messages(NetParameter), st.lists(st.lists(blob_arrays, max_size=3), max_size=3))
def test_any_model_is_the_same_when_written_and_read_again(tmp_path_factory, message, blobs):
    path = tmp_path_factory.mktemp("binary") / "m"
    for part in message.layer:
        part.type = part.type.replace("BatchNorm", "")
    blobs = dict(enumerate(blobs[: len(message.layer)]))
    write_caffemodel(path, message, blobs)
    whole = NetParameter()
    whole.ParseFromString(path.read_bytes())
    if path.stat().st_size == 0:
        return  # an empty net; an empty file is refused
    model = read_caffemodel(path)
    for index, part in enumerate(model.message.layer):
        expected = blobs.get(index, [])
        assert [a.tobytes() for a in model.blobs[index].arrays] == [a.tobytes() for a in expected]
        assert [a.shape for a in model.blobs[index].arrays] == [a.shape for a in expected]
        assert [np.array(b.data, np.float32).tobytes() for b in whole.layer[index].blobs] == [
            a.tobytes() for a in expected
        ]
        part.ClearField("blobs")
    assert model.message == message


def test_layers_without_arrays_keep_the_blobs_of_their_message(tmp_path):
    message = net({"name": "a", "blobs": [{"shape": {"dim": [2]}, "data": [1, 2]}, {"shape": {"dim": [1]}}]})
    write_caffemodel(tmp_path / "m", message, {})
    assert [array.tolist() for array in read_caffemodel(tmp_path / "m").blobs[0].arrays] == [[1, 2]]


def test_mean_files(write):
    mean = blob(floats(5, range(12)), legacy=(1, 3, 2, 2))
    assert read_binaryproto(write(mean)).tolist() == np.arange(12).reshape(3, 2, 2).tolist()
    assert read_binaryproto(write(blob(floats(8, range(6), "<f8"), [3, 2]))).shape == (3, 2)
    with pytest.raises(InputError, match="holds 3 numbers, expected 4 for its shape"):
        read_binaryproto(write(blob(floats(5, range(3)), [4])))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty, expected a .caffemodel (was it copied completely?)"),
        (
            b'name: "lenet"\nlayer {',
            "is a prototxt, the net of a Caffe model, expected a .caffemodel (are the files given in the right",
        ),
        (SMALL[:-1], "layer 1 'conv1' blob 1: the file ends 1 bytes before a field does (was it copied completely?)"),
        (SMALL[:45], "layer 1 'conv1' blob 0: the file ends 9 bytes before a field does"),
        (layer("a", blob(floats(5, range(3)), [10**12])), "holds 3 numbers, expected 1000000000000 for its shape"),
        (layer("a", blob(b"", [10**12, 10**12, 10**12])), "layer 1 'a' blob 0: holds 0 numbers, expected 1000000"),
        (layer("a", blob(b"", [0, 10**18, 10**18])), "layer 1 'a' blob 0: has the shape"),
        (layer("a", blob(floats(5, range(6)), [-2, -3])), "has the shape '(-2, -3)', expected no negative dimension"),
        (layer("a", blob(floats(5, [1]), legacy=(-1, 1, 1, 1))), "expected no negative dimension"),
        (layer("a", blob(floats(5, [1]), [1] * 33)), "layer 1 'a' blob 0: has 33 axes, expected at most 32"),
        (layer("a", blob(floats(5, range(3)), [2])), "holds 3 numbers, expected 2 for its shape (2,)"),
        (layer("a", blob(delimited(5, b"12345"), [1])), "holds 5 bytes of data, expected a multiple of 4"),
        (layer("a", varint(8 * 5 + 2) + varint(10**12) + b"1"), "blob 0: the file ends 999999999999 bytes before"),
        (layer("a") + b"\xff" * 20, "found an integer of more than ten bytes"),
        (b"\x0b" * 100_000, "groups are nested too deep"),
        (b"\x0c", "found the tag 12 at byte 0, which protobuf does not write"),
        (delimited(1, b"\xff\xfe"), "no protobuf message of Caffe's"),
        (layer("a", rest=delimited(106, b"\xff")), "no protobuf message of Caffe's"),
        (layer("a", rest=b"\x78\x01" * 250_000), "layer 1 'a': has more than 200000 fields, more than any net"),
    ],
)
def test_damaged_and_hostile_files_are_refused_cheaply(error_of, data, message):
    start = time.perf_counter()
    assert message in error_of(read_caffemodel, data, memory=1 << 23)
    assert time.perf_counter() - start < 30


def test_every_cut_of_a_layer_is_refused(write):
    data = layer("a", blob(floats(5, [1, 2]), [2]), blob(floats(8, [3], "<f8"), legacy=(1, 1, 1, 1)))
    read_caffemodel(write(data))
    for size in range(len(data)):
        with pytest.raises(InputError):
            read_caffemodel(write(data[:size]))


FLIPPED = SMALL + layer("old", blob(unpacked(5, [1, 2]), legacy=(1, 1, 1, 2)), rest=delimited(106, b"\x08\x02"))
V1 = delimited(2, delimited(4, b"ip") + b"\x28\x0e" + delimited(6, blob(floats(5, [1, 2]), [2])))


@given(st.data())
def test_flipped_bytes_are_read_or_refused(tmp_path_factory, data):
    whole = bytearray(data.draw(st.sampled_from([FLIPPED, V1, blob(floats(5, [1]), [1])])))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.mktemp("flipped") / "m"
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    for read in (read_caffemodel, read_binaryproto):
        with contextlib.suppress(InputError):
            read(path)


@needs_shared
def test_a_real_model_with_flipped_bytes_is_read_or_refused(write):
    path = min(REAL, key=lambda path: path.stat().st_size)
    rng, refused = np.random.default_rng(1), 0
    for _ in range(100):
        data = np.frombuffer(path.read_bytes(), np.uint8).copy()
        data[rng.integers(0, len(data), 30)] ^= rng.integers(1, 256, 30, np.uint8)
        try:
            read_caffemodel(write(data.tobytes()))
        except InputError:
            refused += 1
    assert refused > 10


def test_a_model_larger_than_protobuf_allows_is_not_written(tmp_path):
    huge = np.broadcast_to(np.float32(0), (1 << 15, 1 << 14))  # 2 GiB, if it were written
    with pytest.raises(OutputError, match=r"would be 2\.1 GB"):
        write_caffemodel(tmp_path / "m", net({"name": "a"}), {0: [huge]})
    assert not (tmp_path / "m").exists()


def test_missing_files(tmp_path):
    for read in (read_caffemodel, read_binaryproto):
        with pytest.raises(FileMissing):
            read(tmp_path / "none")


MEMORY = """
import json, re, sys
from pathlib import Path
import numpy as np
from caffe64.formats.caffe import match_weights, read_caffemodel

def peak():  # since this program was started; what getrusage tells comes from the process that started it as well
    return 1024 * int(re.search(r"VmHWM:\\s*([0-9]+) kB", Path("/proc/self/status").read_text())[1])

before = peak()
model = read_caffemodel(sys.argv[1])
loaded = peak() - before
matched = match_weights([b.name for b in model.blobs], [[a.shape for a in b.arrays] for b in model.blobs], model)
total = sum(float(array.sum()) for arrays in matched.arrays.values() for array in arrays)
print(json.dumps([loaded, peak() - before, total]))
"""


def test_weights_are_in_memory_once(tmp_path):
    count, size = 8, 1 << 21
    part = np.ones(size, np.float32)
    message = net(*({"name": f"l{i}", "type": "InnerProduct"} for i in range(count)))
    write_caffemodel(tmp_path / "m", message, {i: [part] for i in range(count)})
    loaded, matched, total = run_json(MEMORY, tmp_path / "m")
    assert total == count * size
    assert loaded < 0.1 * 4 * count * size
    assert matched < 1.3 * 4 * count * size


def test_the_reader_looks_at_no_more_than_it_must(write, monkeypatch):
    """Each blob's numbers are one step, however many they are."""
    steps = []
    field = binary.Cutter._field
    monkeypatch.setattr(binary.Cutter, "_field", lambda self, at: steps.append(at) or field(self, at))
    read_caffemodel(write(layer("a", blob(floats(5, np.zeros(100_000)), [100_000]))))
    assert len(steps) < 10
