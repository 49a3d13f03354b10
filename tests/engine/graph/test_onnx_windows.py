"""Convolution, Deconvolution and Pooling with four pads and ONNX's pooling rules, against onnxruntime."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from reference.one_layer import gradient_of, one_layer, outputs_of, slope_of

from caffe64.engine.compiler.cpu import LANES
from caffe64.engine.graph.analysis.shapes import infer_shapes
from caffe64.engine.graph.frontends.caffe.write import graph_message
from caffe64.engine.graph.ops.pooling import POOL_AVE, POOL_MAX, Pooling
from caffe64.engine.graph.ops.windows import Convolution
from caffe64.errors import InputError

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx import helper  # noqa: E402

from caffe64.engine.graph.frontends.onnx.compare import compare_with_onnxruntime, run_model  # noqa: E402
from caffe64.engine.graph.frontends.onnx.write.model import onnx_model  # noqa: E402


def run_node(kind, arrays, **attributes):
    """onnxruntime's output of one node, of which all inputs but the first are constants."""
    names = [f"x{number}" for number in range(len(arrays))]
    graph = helper.make_graph(
        [helper.make_node(kind, names, ["y"], **attributes)], "g",
        [helper.make_tensor_value_info("x0", 1, arrays[0].shape)],
        [helper.make_tensor_value_info("y", 1, [None] * arrays[0].ndim)],
        [onnx.numpy_helper.from_array(each, name) for each, name in zip(arrays[1:], names[1:], strict=True)],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)
    return next(iter(run_model(model, {"x0": arrays[0]})[0].values()))


def check_export(graph):
    model = onnx_model(graph, infer_shapes(graph), "1")
    assert max(each.relative for each in compare_with_onnxruntime(model, graph, infer_shapes(graph))) < 1e-5


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_pooling_has_onnxs_sizes_and_divisors(data):
    pair = lambda low, high: tuple(data.draw(st.integers(low, high)) for _ in range(2))  # noqa: E731
    sizes, kernel, stride = pair(1, 9), pair(1, 4), pair(1, 5)
    before, after = (tuple(data.draw(st.integers(0, k - 1)) for k in kernel) for _ in range(2))
    assume(all(n + b + a >= k for n, b, a, k in zip(sizes, before, after, kernel, strict=True)))
    ceil, kind = data.draw(st.booleans()), data.draw(st.sampled_from(["MaxPool", "AveragePool"]))
    divisor = data.draw(st.sampled_from(["picture", "padded"])) if kind == "AveragePool" else "padded"
    pool = POOL_MAX if kind == "MaxPool" else POOL_AVE
    attributes = Pooling(pool, kernel, stride, before, after, "up_inside" if ceil else "down", divisor)
    x = (
        np.random.default_rng(0).standard_normal((1, LANES + 1, *sizes), np.float32) - 3
    )  # no padding of 0 is the maximum
    words = {"kernel_shape": kernel, "strides": stride, "pads": [*before, *after], "ceil_mode": int(ceil)}
    if kind == "AveragePool":
        words["count_include_pad"] = int(divisor == "padded")
    graph = one_layer("Pooling", attributes, x.shape)
    expected = run_node(kind, [x], **words)
    np.testing.assert_allclose(outputs_of(graph, x), expected, rtol=1e-5, atol=1e-5)
    check_export(graph)


def test_a_window_may_not_start_behind_the_picture():
    """Without padding Caffe lets it; the case of onnx's tests `maxpool_2d_ceil_output_size_reduce_by_one`."""
    shapes = {
        mode: infer_shapes(one_layer("Pooling", Pooling(POOL_MAX, (1, 1), (2, 2), round_mode=mode), (1, 1, 2, 2)))
        for mode in ("up", "up_inside", "down")
    }
    assert [list(each.values())[-1][2:] for each in shapes.values()] == [(2, 2), (1, 1), (1, 1)]


@pytest.mark.parametrize("pool", [POOL_MAX, POOL_AVE])
def test_the_gradient_of_pooling_is_that_of_its_windows(pool):
    attributes = Pooling(pool, (3, 2), (2, 1), (1, 0), (2, 1), "up_inside", "picture")
    x = np.random.default_rng(0).permutation(2 * 5 * 4).reshape(1, 2, 5, 4).astype(np.float32)
    graph = one_layer("Pooling", attributes, x.shape)
    dy = np.random.default_rng(1).standard_normal(infer_shapes(graph)[graph.outputs[0]])
    padded = np.pad(x.astype(float), [(0, 0), (0, 0), (1, 2), (0, 1)], constant_values=np.nan)

    def pooled(values):
        padded[:, :, 1:6, :4] = values
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 2), (2, 3))[:, :, ::2]
        return (np.nanmax if pool == POOL_MAX else np.nanmean)(windows, axis=(4, 5))

    np.testing.assert_allclose(gradient_of(graph, dy, x)[0], slope_of(pooled, dy, x), atol=1e-4)


CHANNELS = [(1, 1, 1), (3, 2 * LANES, 1), (2 * LANES, LANES + 1, 1), (LANES, LANES, LANES), (2 * LANES, 2 * LANES, 2)]


@pytest.mark.parametrize(("channels", "outputs", "group"), CHANNELS)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("pads", [(0, 0, 1, 1), (1, 0, 0, 2), (2, 1, 0, 0), (1, 1, 1, 1)])
def test_a_convolution_has_four_pads(channels, outputs, group, stride, pads):
    """By all lowerings: Winograd, direct, depthwise; on 1 x 1 pixels too."""
    source = np.random.default_rng(0)
    w = source.standard_normal((outputs, channels // group, 3, 3), np.float32) / 3
    bias = source.standard_normal(outputs, np.float32)
    for size in ((7, 12), (3, 3), (1, 2)):
        if any(n + pads[i] + pads[i + 2] < 3 for i, n in enumerate(size)):
            continue
        x = source.standard_normal((2, channels, *size), np.float32)
        attributes = Convolution(outputs, (3, 3), (stride, stride), pads[:2], pads[2:], group=group)
        graph = one_layer("Convolution", attributes, x.shape, weights=(w, bias))
        expected = run_node("Conv", [x, w, bias], pads=pads, strides=[stride] * 2, group=group)
        np.testing.assert_allclose(outputs_of(graph, x), expected, atol=1e-4 * np.sqrt(channels))
        check_export(graph)


@pytest.mark.parametrize("pads", [(0, 0, 1, 1), (1, 0, 0, 2), (2, 1, 0, 0)])
@pytest.mark.parametrize("channels", [1, 4 * LANES])
def test_a_deconvolution_has_four_pads(channels, pads):
    source = np.random.default_rng(0)
    x = source.standard_normal((2, channels, 4, 3), np.float32)
    w = source.standard_normal((channels, 5, 3, 3), np.float32)
    attributes = Convolution(5, (3, 3), (2, 2), pads[:2], pads[2:], bias_term=False)
    graph = one_layer("Deconvolution", attributes, x.shape, weights=(w,))
    expected = run_node("ConvTranspose", [x, w], pads=pads, strides=[2, 2])
    np.testing.assert_allclose(outputs_of(graph, x), expected, atol=1e-4 * np.sqrt(channels))
    check_export(graph)


@pytest.mark.parametrize("before", [0, 2])
def test_a_convolution_along_one_axis(before):
    source = np.random.default_rng(0)
    x, w = source.standard_normal((2, 6, 11), np.float32), source.standard_normal((4, 3, 3), np.float32)
    attributes = Convolution(4, (3,), (2,), (before,), (1,), (2,), 2, bias_term=False)
    graph = one_layer("Convolution", attributes, x.shape, weights=(w,))
    expected = run_node("Conv", [x, w], pads=[before, 1], strides=[2], dilations=[2], group=2)
    np.testing.assert_allclose(outputs_of(graph, x), expected, atol=1e-5)
    check_export(graph)


# ---------------------------------------------------------------------------------------------------- Caffe's files
def pooling_param(*arguments):
    """The fields of the message of a Pooling."""
    graph = one_layer("Pooling", Pooling(*arguments), (1, 2, 8, 8))
    fields = graph_message(graph).layer[1].pooling_param.ListFields()
    return {field.name: value for field, value in fields}


def test_what_onnx_and_caffe_both_say_is_written_for_caffe():
    means, window = (POOL_AVE, (3, 3), (2, 2)), {"pool": POOL_AVE, "kernel_size": 3, "stride": 2}
    assert pooling_param(*means, (0, 0), (0, 0), "up_inside", "picture") == window
    assert pooling_param(*means, (1, 1), (1, 1), "down") == {**window, "pad": 1, "round_mode": 1}
    sides = {"kernel_h": 3, "kernel_w": 2, "pad_h": 1, "pad_w": 0, "stride": 2}
    assert pooling_param(POOL_MAX, (3, 2), (2, 2), (1, 0), (1, 0), "up_inside", "picture") == sides
    assert pooling_param(POOL_AVE) == {"pool": POOL_AVE, "global_pooling": True}
    convolution = Convolution(4, (3, 2), (1, 2), (1, 0), (1, 0), (1, 1), 2, bias_term=False)
    graph = one_layer("Convolution", convolution, (1, 2, 8, 8), weights=(np.ones((4, 1, 3, 2)),))
    (_, layer) = graph_message(graph).layer
    said = layer.convolution_param
    assert (said.num_output, said.group, said.bias_term) == (4, 2, False)
    assert (list(said.kernel_size), list(said.stride), list(said.pad)) == ([3, 2], [1, 2], [1, 0])


@pytest.mark.parametrize(
    ("kind", "attributes", "message"),
    [
        ("Pooling", Pooling(POOL_AVE, (3, 3), (1, 1), (1, 1), (1, 1), divisor="picture"), "divisor picture"),
        ("Pooling", Pooling(POOL_MAX, (1, 1), (2, 2), round_mode="up_inside"), "round_mode up_inside"),
        ("Pooling", Pooling(POOL_MAX, (3, 3), (1, 1), (0, 0), (1, 1)), r"pads_after \(1, 1\)"),
        ("Convolution", Convolution(4, (3, 3), pads_before=(1, 1), pads_after=(0, 0)), r"pads_after \(0, 0\)"),
    ],
)
def test_what_caffe_cannot_say_is_refused_by_name(kind, attributes, message):
    weights = (np.ones((4, 2, 3, 3)), np.ones(4)) if kind == "Convolution" else ()
    graph = one_layer(kind, attributes, (1, 2, 8, 8), weights=weights)
    with pytest.raises(
        InputError, match=rf"layer 'y' \({kind}\): has {message}, which Caffe's format has no field for"
    ):
        graph_message(graph)
