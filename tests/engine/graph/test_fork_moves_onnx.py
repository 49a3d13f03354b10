"""Layers of forks that resize pictures and move values, as ONNX: equal in onnxruntime, for any batch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.caffe_graphs import data, graph_of, layer
from reference.caffe_layers import built, net_text
from reference.one_layer import one_layer
from reference.wild_cases import CASES, read_wild_case
from support import assert_close, needs_shared

from caffe64.engine.graph.analysis.shapes import infer_shapes
from caffe64.engine.graph.ops.interp import Interp

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from caffe64.engine.graph.frontends.onnx.compare import compare_with_onnxruntime, run_model  # noqa: E402
from caffe64.engine.graph.frontends.onnx.write.model import onnx_model  # noqa: E402

TYPES = {"CropCenter", "Interp", "Reorg", "Reverse", "ReverseTime", "ShuffleChannel", "Transpose", "Upsample"}
WILD = [name for name in CASES if read_wild_case(name).type in TYPES] if CASES else []
P = (2, 8, 4, 6)
ANY_BATCH = [
    ("Interp", "interp_param { height: 7 width: 5 pad_beg: -1 }"),
    ("Interp", "interp_param { shrink_factor: 2 }"),
    ("Interp", "interp_param { zoom_factor: 1 pad_end: -1 }"),
    ("Upsample", "upsample_param { scale: 3 }"),
    ("ShuffleChannel", "shuffle_channel_param { group: 2 }"),
    ("Reorg", "reorg_param { stride: 2 }"),
    ("Reorg", "reorg_param { stride: 2 reverse: true }"),
    ("Reverse", ""),
    ("Reverse", "reverse_param { axis: 3 }"),
    ("CropCenter", "crop_center_param { crop_size: 0 crop_size: 2 crop_size: 1 crop_size: 0 }"),
    ("Transpose", "transpose_param { dim: 3 dim: 0 dim: 2 dim: 1 }"),
]


def check(graph):
    model = onnx_model(graph, infer_shapes(graph), "1")
    assert max(each.relative for each in compare_with_onnxruntime(model, graph, infer_shapes(graph))) < 1e-5
    return model, model.graph.input[0].type.tensor_type.shape.dim[0].dim_param


@needs_shared
@pytest.mark.parametrize("name", WILD)
def test_a_layer_gives_the_forks_top(name):
    case = read_wild_case(name)
    graph = built(case.text)
    model = onnx_model(graph, infer_shapes(graph), "1")
    inputs = {blob.name: values for blob, values in zip(graph.inputs, case.arrays["bottom"], strict=True)}
    (found,) = run_model(model, inputs)[0].values()
    (expected,) = case.arrays["top"]
    assert_close(name, found, expected, 1e-5 * np.abs(expected).max())


@pytest.mark.parametrize(("kind", "parameters"), ANY_BATCH)
def test_it_takes_any_batch(kind, parameters):
    assert check(built(net_text(kind, [P], parameters)))[1] == "N"


@pytest.mark.parametrize("kernel", [2, 3])
def test_maxima_go_back_to_their_places(kernel):
    more = f"pooling_param {{ kernel_size: {kernel} stride: 2 }}"
    places = layer("p", "Pooling", "data", "p m", more) + layer("n", "TanH", "p")
    up = layer("u", "Upsample", "n m", more="upsample_param { upsample_h: 7 upsample_w: 9 }")
    assert check(graph_of(data("2 3 7 9"), places, up))[1] == "N"


def test_a_window_without_a_number_goes_nowhere():
    graph = built(net_text("Upsample", [(1, 1, 1, 2)] * 2, "upsample_param { upsample_h: 2 upsample_w: 2 }"))
    model = onnx_model(graph, infer_shapes(graph), "1")
    (found,) = run_model(model, {"b0": np.float32([[[[5, 7]]]]), "b1": np.float32([[[[-1, 2]]]])})[0].values()
    assert found.ravel().tolist() == [0, 0, 7, 0]


@pytest.mark.parametrize("copies", ["true", "false"])
def test_streams_are_reversed(copies):
    graph = built(net_text("ReverseTime", [(5, 3, 2), (3,)], f"reverse_time_param {{ copy_remaining: {copies} }}"))
    model = onnx_model(graph, infer_shapes(graph), "1")
    x, lengths = np.arange(30, dtype=np.float32).reshape(5, 3, 2) + 1, np.array([0, 3, 5], np.float32)
    (found,) = run_model(model, {"b0": x, "b1": lengths})[0].values()
    for n, length in enumerate([0, 3, 5]):
        np.testing.assert_array_equal(found[:length, n], x[:length, n][::-1])
        np.testing.assert_array_equal(found[length:, n], x[length:, n] * (copies == "true"))


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 700), m=st.integers(1, 700))
def test_interp_is_equal_also_where_pictures_are_large(n, m):
    """Whose places differ by more than onnxruntime's: rows are gathered there."""
    check(one_layer("Interp", Interp(m, 2), (1, 2, n, 3)))


def test_usual_factors_need_one_node():
    for n, m in ((60, 473), (41, 321), (6, 60), (2, 90), (90, 713), (65, 513)):
        model, _ = check(one_layer("Interp", Interp(m, m), (1, 1, n, n)))
        assert [node.op_type for node in model.graph.node][-1] == "Resize"
        assert "Gather" not in [node.op_type for node in model.graph.node]


def test_the_size_is_also_what_onnx_infers():
    """48 * float32(377 / 48) is 377 in float32, and less in float64."""
    model, _ = check(one_layer("Interp", Interp(zoom_factor=8), (1, 1, 48, 48)))
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    assert [dim.dim_value for dim in inferred.graph.output[0].type.tensor_type.shape.dim[2:]] == [377, 377]
