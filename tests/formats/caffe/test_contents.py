"""Contents of files in memory, as bytes, in the place of their names."""

from __future__ import annotations

import numpy as np
import pytest
from reference.dnn_nets import classifier, write_net
from support import SHARED, needs_shared

import caffe64
from caffe64.errors import InputError, UsageError
from caffe64.formats.caffe import deploy_net, is_for_training, parse_prototxt


def test_a_net_of_bytes_is_that_of_the_files(tmp_path):
    files = write_net(tmp_path, classifier(3))
    contents = [open(path, "rb").read() for path in files]  # noqa: SIM115
    x = np.random.default_rng(0).standard_normal((1, 3, 32, 32), np.float32)
    expected = caffe64.load_caffe(*files).forward(data=x)["prob"]
    for kind in (bytes, bytearray, memoryview):
        net = caffe64.load_caffe(*map(kind, contents))
        assert net.path == "<net>"
        np.testing.assert_array_equal(net.forward(data=x)["prob"], expected)


@needs_shared
def test_an_hdf5_model_of_bytes():
    pytest.importorskip("h5py")
    files = [SHARED / "caffe" / "wild" / f"hdf5_weights.{suffix}" for suffix in ("prototxt", "caffemodel.h5")]
    net, other = caffe64.load_caffe(*files), caffe64.load_caffe(*(path.read_bytes() for path in files))
    for name, arrays in net.params.items():
        for each, its in zip(arrays, other.params[name], strict=True):
            np.testing.assert_array_equal(each.data, its.data)


@pytest.mark.parametrize(
    ("net", "model", "message"),
    [
        (b"", None, "<net>: is empty"),
        (b"layer {", None, "<net>:1:"),
        (b"<!doctype html>", None, "web page"),
        (b"\x89PNG\r\n\x1a\n" + bytes(20), None, "picture"),
        (b"name: 'n'", b"", "<model>: is empty"),
        (b"name: 'n'", b"\x00\x01\x02", "<model>"),
        (b"name: 'n'", b"version https://git-lfs.github.com/spec/v1", "LFS"),
    ],
)
def test_wrong_contents_are_refused_as_files_are(net, model, message):
    with pytest.raises(InputError, match=message):
        caffe64.load_caffe(net, model)


@pytest.mark.parametrize("wrong", [3, None, ["net.prototxt"]])
def test_other_things_are_refused(wrong):
    with pytest.raises(UsageError):
        caffe64.load_caffe(wrong)


DATA = 'layer { name: "d" type: "Data" top: "data" top: "label" }\n'
LOSS = 'layer { name: "l" type: "SoftmaxWithLoss" bottom: "data" bottom: "label" top: "l" }\n'
PLAIN = 'layer { name: "i" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 } } }\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [(DATA + LOSS, True), (DATA, True), (PLAIN, False), (PLAIN.replace("data", "label") + LOSS, True), ("", False)],
)
def test_nets_for_training_are_recognised(text, expected):
    assert is_for_training(parse_prototxt(text).message) == expected


def test_a_deployed_net_may_have_inputs_of_unknown_shapes():
    message = parse_prototxt(DATA + LOSS).message
    with pytest.raises(InputError, match="does not say the shape"):
        deploy_net(message)
    first, last = deploy_net(message, need_shapes=False).layer
    assert (first.type, list(first.top), len(first.input_param.shape)) == ("Input", ["data"], 0)
    assert last.type == "Softmax"
