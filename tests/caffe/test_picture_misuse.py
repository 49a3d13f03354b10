"""Public calls for pictures, messages and the files of nets refuse what they would misuse, naming the argument."""

from __future__ import annotations

import numpy as np
import pytest
from reference.small_caffe_net import write_net

import caffe64
from caffe64 import UsageError, io

PICTURE = np.zeros((8, 6, 3), np.float32)


@pytest.fixture(autouse=True)
def net(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return write_net(tmp_path)


def classifier(**changed):
    return caffe64.Classifier("small.prototxt", "small.caffemodel", **changed)


def transformer():
    return io.Transformer({"data": (1, 3, 8, 6)})


def tensors(net, metadata):
    return caffe64.export_safetensors(net, "small.safetensors", metadata=metadata)


CASES = {  # the call -> what its message says
    # Classifier
    "one side": (lambda net: classifier(image_dims=8), "image_dims is 8, expected a list of 2 whole numbers from 1"),
    "three sides": (lambda net: classifier(image_dims=(8, 6, 3)), r"image_dims is \[8, 6, 3\]"),
    "half a pixel": (lambda net: classifier(image_dims=(8.5, 6.0)), r"image_dims is \[8\.5, 6\.0\]"),
    "a file as a mean": (lambda net: classifier(mean="mean.npy"), "the mean of 'data' has the type"),
    "a mean with nan": (lambda net: classifier(mean=np.array([1, 2, np.nan])), "the mean of 'data' holds numbers that"),
    "a mean [H, W, C]": (lambda net: classifier(mean=PICTURE), r"a mean of the shape \[8, 6, 3\]"),
    "a scale of words": (lambda net: classifier(input_scale="1"), "the scale of 'data' is '1'"),
    "two scales": (lambda net: classifier(input_scale=[1, 2]), "the scale of 'data' has 2 numbers"),
    "a scale that is true": (lambda net: classifier(raw_scale=True), "the scale of 'data' is True"),
    "a complex scale": (lambda net: classifier(raw_scale=1j), "the scale of 'data' is 1j"),
    "an order of floats": (lambda net: classifier(channel_swap=(2.0, 1.0, 0.0)), "the order of 'data'"),
    "names of pictures": (lambda net: classifier().predict(["a.png"]), r"inputs\[0\] has the type"),
    "one picture alone": (lambda net: classifier().predict(PICTURE), r"inputs\[0\] has the shape \(6, 3\)"),
    "a picture [C, H, W]": (lambda net: classifier().predict([PICTURE.T]), r"expected a picture \[height, width, 3\]"),
    "no pictures": (lambda net: classifier().predict([]), "inputs is empty"),
    "crops of words": (lambda net: classifier().predict([PICTURE], oversample="no"), "oversample is 'no'"),
    # io
    "a name to resize": (lambda net: io.resize_image("a.png", (2, 2)), "im has the type"),
    "a size of floats": (lambda net: io.resize_image(PICTURE, (2.7, 2.2)), r"new_dims is \[2\.7, 2\.2\]"),
    "a crop of nothing": (lambda net: io.oversample([PICTURE], (0, 3)), r"crop_dims is \[0, 3\]"),
    "crops of no pictures": (lambda net: io.oversample([], (3, 3)), "images is empty"),
    "a list of shapes": (lambda net: io.Transformer([1, 3, 8, 6]), "inputs is of the type list"),
    "a shape of words": (lambda net: io.Transformer({"data": "1386"}), "the shape of 'data' is '1386'"),
    "a complex picture": (lambda net: transformer().preprocess("data", PICTURE * 1j), "data has the type complex64"),
    "one axis": (lambda net: transformer().set_transpose("data", 2), "the order of 'data' is 2"),
    "words as a blob": (lambda net: io.array_to_blobproto("abc"), "arr has the type"),
    "a number as a blob": (lambda net: io.blobproto_to_array(3), "blob is of the type int, expected a BlobProto"),
    "bytes as a datum": (lambda net: io.datum_to_array(b"x"), "datum is of the type bytes, expected a Datum"),
    "half a label": (lambda net: io.array_to_datum(np.zeros((1, 2, 2)), label=1.5), "label is 1.5"),
    # nets
    "more than memory": (
        lambda net: net.blobs["data"].reshape(10**6, 10**6),
        "the shape of 'data'.* at most 2147483647",
    ),
    "no numbers": (lambda net: net.forward(data=None), "data is a NoneType, expected an array of numbers"),
    "a number as weights": (lambda net: net.copy_from(0), "the path is 0"),
    "a prototxt as a net": (lambda net: caffe64.CaffeNet("small.prototxt"), "the graph is 'small.prototxt'"),
    "a number as metadata": (lambda net: tensors(net, {"a": 1}), r"metadata\['a'\] is 1, expected a text"),
    "a number as a key": (lambda net: tensors(net, {1: "a"}), "a key of metadata is 1, expected a text"),
    "a list as metadata": (lambda net: tensors(net, ["a"]), "metadata is of the type list"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_misused_argument_is_a_usage_error_that_names_it(net, name, tmp_path):
    call, message = CASES[name]
    with pytest.raises(UsageError, match=message):
        call(net)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["small.caffemodel", "small.prototxt"]


def test_a_transformer_takes_a_scale_for_each_channel():
    made, picture = transformer(), np.random.default_rng(0).random((8, 6, 3)).astype(np.float32)
    made.set_transpose("data", (2, 0, 1))
    made.set_mean("data", np.array([0.485, 0.456, 0.406]))
    made.set_input_scale("data", (1 / 0.229, 1 / 0.224, 1 / 0.225))
    found = made.preprocess("data", picture)
    expected = (picture.astype(float) - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(found, expected.transpose(2, 0, 1), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(made.deprocess("data", found), picture, rtol=1e-5, atol=1e-6)
