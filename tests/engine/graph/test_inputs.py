"""Layers without bottoms: what they say of the shapes of a net's inputs, and what has to be said for them."""

from __future__ import annotations

import pytest
from reference.caffe_graphs import layer

from caffe64.engine.graph.analysis.shapes import infer_shapes
from caffe64.engine.graph.frontends.caffe.build import build_graph
from caffe64.errors import InputError
from caffe64.formats.caffe import parse_prototxt

CROP = "transform_param { crop_size: 7 }"


def shapes(text, inputs=None):
    """The shapes of all blobs by name."""
    found = infer_shapes(build_graph(parse_prototxt(text, "net.prototxt").message), inputs)
    return {blob.name: shape for blob, shape in found.items()}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (layer("i", "Input", "", "a b", "input_param { shape { dim: 2 dim: 3 } }"), {"a": (2, 3), "b": (2, 3)}),
        (
            layer("i", "Input", "", "a b", "input_param { shape { dim: 2 } shape { dim: 4 } }"),
            {"a": (2,), "b": (4,)},
        ),
        (
            layer("i", "DummyData", "", "a", "dummy_data_param { num: 2 channels: 3 height: 4 width: 5 }"),
            {"a": (2, 3, 4, 5)},
        ),
        (
            layer("i", "Data", "", "a b", f"data_param {{ batch_size: 2 }} {CROP}"),
            {"a": (2, 3, 7, 7), "b": (2,)},
        ),
        (
            layer(
                "i",
                "ImageData",
                "",
                "a",
                "image_data_param { batch_size: 2 } transform_param { crop_size: 7 force_gray: true }",
            ),
            {"a": (2, 1, 7, 7)},
        ),
        (
            layer("i", "MemoryData", "", "a b", "memory_data_param { batch_size: 2 channels: 3 height: 4 width: 5 }"),
            {"a": (2, 3, 4, 5), "b": (2,)},
        ),
    ],
)
def test_what_layers_say(text, expected):
    assert shapes(text) == expected


@pytest.mark.parametrize("kind", ["Input", "Data", "HDF5Data", "ImageData", "MemoryData", "WindowData"])
def test_what_is_given_wins(kind):
    text = layer("i", kind, "", "data label")
    assert shapes(text, {"data": (5, 3, 2, 2), "label": (5,)}) == {"data": (5, 3, 2, 2), "label": (5,)}


def test_labels_are_one_per_row():
    assert shapes(layer("i", "Data", "", "data label"), {"data": (5, 3, 2, 2)})["label"] == (5,)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("Input", "has 0 shapes for 2 tops, expected one shape, or one per top (--input-shape gives it)"),
        ("Data", "does not say the shape of 'a', expected batch size and crop size"),
        ("HDF5Data", "does not say the shapes of 'a', 'b', expected a shape for each"),
    ],
)
def test_what_is_missing_is_said(kind, message):
    with pytest.raises(InputError) as caught:
        shapes(layer("i", kind, "", "a b"))
    assert message in str(caught.value)
