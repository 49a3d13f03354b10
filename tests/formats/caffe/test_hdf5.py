"""HDF5 models: what real Caffe wrote, blobs that are shared, other storage, and hostile files."""

from __future__ import annotations

import contextlib
import shutil
import sys

import numpy as np
import pytest
from support import FOUND, SHARED, assert_close, needs_shared

import caffe64
from caffe64.errors import InputError, UsageError
from caffe64.formats.caffe import hdf5_offsets, match_weights, read_binaryproto, read_caffemodel

h5py = pytest.importorskip("h5py")
WILD = SHARED / "caffe" / "wild"
LAYERS = {"conv": [np.arange(6, dtype=np.float32).reshape(1, 2, 3, 1), np.float32([7])], "relu": []}


@pytest.fixture
def model(tmp_path):
    """model({layer: [blobs]}) -> the path of an HDF5 model of these; None leaves a blob out. Or what `fill` puts in."""

    def make(layers=None, fill=None, **options):
        path = tmp_path / "net.caffemodel.h5"
        with h5py.File(path, "w") as file:
            for name, arrays in (layers or {}).items():
                group = file.require_group("data").create_group(name)
                for number, array in enumerate(arrays):
                    if array is not None:
                        group.create_dataset(str(number), data=array, **(options if np.ndim(array) else {}))
            if fill:
                fill(file)
        return path

    return make


def arrays_of(path) -> dict[str, list[np.ndarray]]:
    return {name: arrays for name, _, arrays in read_caffemodel(path).blobs}


@needs_shared
def test_what_real_caffe_wrote_computes_what_real_caffe_computed():
    known = np.load(WILD / "hdf5_weights_io.npz")
    net = caffe64.load_caffe(WILD / "hdf5_weights.prototxt", WILD / "hdf5_weights.caffemodel.h5")
    assert not net.notices
    (top,) = net.forward(data=known["bottom0"]).values()
    assert_close("prob", top, known["top0"], 1e-6)
    owner, other = net.params["shared_a"], net.params["shared_b"]
    assert all(np.shares_memory(one.data, two.data) for one, two in zip(owner, other, strict=True))


def test_it_is_recognised_by_its_content_and_optimised_into_a_plain_model(model, tmp_path):
    weights = {"c": read_caffemodel(FOUND / "conv_float.caffemodel").blobs[0].arrays}
    shutil.move(model(weights), tmp_path / "net.caffemodel")
    net = caffe64.load_caffe(FOUND / "conv.prototxt", tmp_path / "net.caffemodel")
    net.save(tmp_path / "small.prototxt", tmp_path / "small.caffemodel")
    again = read_caffemodel(tmp_path / "small.caffemodel").blobs[1]
    assert again.name == "c"
    assert [array.tobytes() for array in again.arrays] == [array.tobytes() for array in weights["c"]]


def test_blobs_are_read_only_views_of_the_file(model):
    found = arrays_of(model(LAYERS))
    assert list(found) == ["conv"]
    for array, expected in zip(found["conv"], LAYERS["conv"], strict=True):
        assert not array.flags.writeable
        assert not array.flags.owndata
        assert (array.dtype, array.shape, array.tolist()) == (np.float32, expected.shape, expected.tolist())


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", ">f8", "<f2"])
def test_other_types(model, dtype):
    values = np.random.default_rng(0).normal(size=(30, 40)).astype(dtype)
    (array,) = arrays_of(model({"a": [values]}))["a"]
    assert array.dtype == np.float32
    assert array.tolist() == values.astype(np.float32).tolist()


def test_scalars_empty_blobs_and_more_than_ten(model):
    arrays = [np.float32(number) for number in range(12)] + [np.zeros((0, 3), np.float32)]
    found = arrays_of(model({"a": arrays}))["a"]
    assert [array.shape for array in found] == [()] * 12 + [(0, 3)]
    assert [array.item() for array in found[:12]] == list(range(12))


def test_shapes_must_be_equal(model):
    with pytest.raises(InputError, match=r"'conv' blob 1 has the shape \[1\], expected \[1, 1\]"):
        match_weights(["conv"], [[(1, 2, 3, 1), (1, 1)]], read_caffemodel(model(LAYERS)))


W, B, OTHER = np.float32([[1, 2]]), np.float32([3]), np.float32([4])


@pytest.mark.parametrize(
    ("layers", "names", "expected"),
    [
        ({"a": [W, B], "b": []}, [["w", "b"], ["w", "b"]], [3, 3]),
        ({"a": [W, B]}, [["w", "b"], ["w", "b"]], [3, 3]),
        ({"a": [W, B], "b": [None, OTHER]}, [["w"], ["w"]], [3, 4]),
        ({"a": [W, B], "b": [W]}, [["", "b"], ["", "b"]], [3, 3]),
    ],
    ids=["empty group", "no group", "own bias", "own weights"],
)
def test_a_blob_that_is_shared_by_name_is_its_first_owners(model, layers, names, expected):
    matched = match_weights(["a", "b"], [[(1, 2), (1,)]] * 2, read_caffemodel(model(layers)), names)
    assert not matched.missing
    for index, bias in enumerate(expected):
        assert [array.tolist() for array in matched.arrays[index]] == [[[1, 2]], [bias]]


@pytest.mark.parametrize("names", [[[], []], [["w", "b"], ["w", "c"]], [["w"], ["w"]]])
def test_a_blob_that_no_earlier_layer_has_is_missed(model, names):
    path = model({"a": [W, B], "b": [W]})
    with pytest.raises(InputError, match=r"layer 'b' has 1 blob \[1, 2\], expected 2 blobs \[1, 2\] \[1\]"):
        match_weights(["a", "b"], [[(1, 2), (1,)]] * 2, read_caffemodel(path), names)
    assert match_weights(["b", "a", "c"], [[(1, 2)], [(1, 2), (1,)], [(9,)]], read_caffemodel(path)).missing == [2]


def test_nvidias_batch_norm_is_split_here_too(model):
    mean, variance, scale, bias = np.random.default_rng(1).uniform(1, 2, (4, 4)).astype(np.float32)
    conv = read_caffemodel(FOUND / "conv_float.caffemodel").blobs[0].arrays
    path = model({"c": conv, "b": [mean, variance, np.float32([1]), scale, bias]})
    net = caffe64.load_caffe(FOUND / "nv_bn.prototxt", path)
    assert [array.data.tolist() for array in net.params["b_scale"]] == [scale.tolist(), bias.tolist()]


def test_without_h5py_it_says_what_to_install(model, monkeypatch):
    path = model(LAYERS)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(UsageError, match=r"net\.caffemodel\.h5: is an HDF5 file; .* pip install 'caffe64\[hdf5\]'"):
        read_caffemodel(path)


def test_an_hdf5_file_is_refused_as_a_mean(model):
    with pytest.raises(InputError, match=r"is an HDF5 file, expected a \.binaryproto"):
        read_binaryproto(model(LAYERS))


def external(file):
    file.create_dataset("data/a/0", (4,), "f4", external=[("/etc/passwd", 0, 16)])


def virtual(file):
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (4,), "f4")
    file.create_group("data/a").create_virtual_dataset("0", layout)


def unlimited_virtual(file):
    layout = h5py.VirtualLayout((4,), "f4", maxshape=(None,))
    source = h5py.VirtualSource("/etc/passwd", "x", (4,), "f4", maxshape=(None,))
    layout[: h5py.h5s.UNLIMITED] = source[: h5py.h5s.UNLIMITED]
    file.create_group("data/a").create_virtual_dataset("0", layout)


def never_written(shape, **options):
    def fill(file):
        file.create_dataset("data/a/0", shape, "f4", **options)

    return fill


def packed(file):
    file.create_dataset("data/a/0", data=np.ones(4, "f4"), chunks=True, compression="gzip")


def overlapping(file):
    """Datasets under many names: each alone would fit."""
    first = file.create_dataset("data/a/0", data=np.ones(2000, "f2"))
    for number in range(1, 500):
        file[f"data/a/{number}"] = first


def set_to(name, value):
    def fill(file):
        file[name] = value

    return fill


def of_type(dtype):
    return lambda file: file.create_dataset("data/a/0", data=np.zeros(2, dtype))


REFUSED = {
    "external storage": (external, "layer 'a' blob 0 is stored in another file"),
    "a virtual dataset": (virtual, "layer 'a' blob 0 is stored in another file"),
    "an endless virtual dataset": (unlimited_virtual, "layer 'a' blob 0 is stored in another file"),
    "an external link": (set_to("data/a/0", h5py.ExternalLink("/x.h5", "/y")), "'0' is a link to another place or"),
    "an external group": (set_to("data", h5py.ExternalLink("/x.h5", "/y")), "'data' is a link to another place"),
    "a soft link": (set_to("data/a", h5py.SoftLink("/data")), "'a' is a link to another place or file"),
    "numbers never written": (never_written((1 << 40,)), "has the shape '(1099511627776,)', but not its numbers"),
    "chunks never written": (never_written((1 << 40,), chunks=(1024,)), "is stored in chunks or packed, expected"),
    "gzip": (packed, "in one piece, as Caffe writes it (h5repack -f NONE -l CONTI makes it so)"),
    "the same numbers again and again": (overlapping, "has datasets that share their numbers, among them"),
    "integers": (of_type("i4"), "layer 'a' blob 0 is of the type 'int32', expected float32 or float64"),
    "strings": (of_type("S4"), "is of the type '|S4', expected"),
    "pairs": (of_type([("x", "f4"), ("y", "f4")]), "expected float32 or float64"),
    "no shape": (set_to("data/a/0", h5py.Empty("f4")), "has no shape and no numbers"),
    "a group in a layer": (set_to("data/a/0/x", 1.0), "layer 'a' blob 0 is not a dataset"),
    "a dataset without a layer": (set_to("data/a", np.zeros(2, "f4")), "'a' in 'data' is not a group"),
    "another name": (set_to("data/a/weights", np.zeros(2, "f4")), "layer 'a' has a dataset 'weights', expected 0, 1"),
    "a number of its own kind": (set_to("data/a/01", np.zeros(2, "f4")), "layer 'a' has a dataset '01'"),
    "a large number": (set_to("data/a/123456789", np.zeros(2, "f4")), "layer 'a' has a dataset '123456789'"),
    "nothing": (lambda file: None, "is an HDF5 file without a group 'data' of layers"),
    "training data": (set_to("data", np.zeros((2, 3), "f4")), "a .caffemodel.h5 (this looks like training data)"),
    "a solver's state": (set_to("learned_net", "net.h5"), "(this is the state of a solver; the weights are in"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_hostile_and_wrong_files_are_refused_cheaply(model, error_of, case):
    fill, message = REFUSED[case]
    assert message in error_of(read_caffemodel, model(fill=fill).read_bytes(), memory=1 << 23)


def test_groups_in_a_cycle_are_not_layers(model, error_of):
    def circle(file):
        file["data/a/0"] = file.require_group("data")

    assert "blob 0 is not a dataset" in error_of(read_caffemodel, model(fill=circle).read_bytes(), memory=1 << 23)


def test_every_cut_and_broken_headers_are_refused(model, write):
    data = model(LAYERS).read_bytes()
    for size in [*range(8, len(data), len(data) // 6), len(data) - 1]:
        with pytest.raises(InputError):
            read_caffemodel(write(data[:size]))
    with pytest.raises(InputError, match="is a damaged HDF5 file"):
        read_caffemodel(FOUND / "hdf5.caffemodel")


@pytest.mark.parametrize("seed", range(12))
def test_flipped_bytes_are_read_or_refused(model, write, seed):
    data = np.frombuffer(model(LAYERS).read_bytes(), np.uint8).copy()
    random = np.random.default_rng(seed)
    places = random.choice(np.flatnonzero(data[8:]) + 8, 3)  # most bytes are zeros that nothing reads
    data[places] ^= random.integers(1, 256, 3, np.uint8)
    with contextlib.suppress(InputError):
        read_caffemodel(write(data.tobytes()))


@pytest.mark.parametrize(
    "death", ["os.kill(os.getpid(), signal.SIGSEGV)", "resource.setrlimit(0, (1, 1))\nwhile True: pass"]
)
def test_a_file_that_hdf5s_library_dies_of_is_damaged(model, tmp_path, monkeypatch, death):
    script = tmp_path / "script.py"
    script.write_text(f"import os, resource, signal\n{death}\n")
    monkeypatch.setattr(hdf5_offsets, "__file__", str(script))
    with pytest.raises(InputError, match="is a damaged HDF5 file: \"HDF5's library does not come to an end with it"):
        read_caffemodel(model(LAYERS))


def test_a_file_that_hdf5s_library_never_comes_to_an_end_with_is_damaged():
    """Found among 100,000 files with flipped bytes: its list of links goes on without an end."""
    with pytest.raises(InputError, match="is a damaged HDF5 file: "):
        read_caffemodel(FOUND / "endless.caffemodel.h5")


SCALED_NORM = """\
input: "data" input_dim: 1 input_dim: 3 input_dim: 2 input_dim: 2
layer { name: "bn" type: "BatchNorm" bottom: "data" top: "y" SAYS }
"""


@pytest.mark.parametrize("missing", range(5))
@pytest.mark.parametrize(
    ("says", "more", "has"),
    [
        ("batch_norm_param { scale_bias: true }", 0, "layer 'bn' has no blob"),
        ("batch_norm_param { scale_bias: true }", 1, "layer 'bn' has no blob"),
        ("", 0, r"layer 'bn' has \d blobs"),
        ("", 1, r"layer 'bn' has \d blobs"),
    ],
)
def test_batch_norm_with_a_scale_needs_all_its_blobs(missing, says, more, has, model, tmp_path):
    (tmp_path / "net.prototxt").write_text(SCALED_NORM.replace("SAYS", says))
    blobs = [None if number == missing else np.ones(3, np.float32) for number in range(5 + more)]
    if missing + 1 == len(blobs):
        blobs.append(np.ones(3, np.float32))  # a last blob that is not there is no gap
    with pytest.raises(InputError, match=has):
        caffe64.load_caffe(tmp_path / "net.prototxt", model({"bn": blobs}))
