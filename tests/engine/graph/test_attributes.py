"""Attributes of layers: read once, changed by passes, written back; windows with a padding per side."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from reference.caffe_graphs import conv, data, graph_of, layer
from reference.executor import Executor
from reference.one_layer import one_layer
from support import SHARED, assert_close, needs_shared

import caffe64
from caffe64.engine.graph.execution.required_kernels import kernels_of
from caffe64.engine.graph.frontends.caffe.attributes import READERS
from caffe64.engine.graph.frontends.caffe.build import build_graph
from caffe64.engine.graph.frontends.caffe.write import graph_message
from caffe64.engine.graph.ops import OPS
from caffe64.engine.graph.ops.interp import Interp
from caffe64.engine.graph.ops.piecewise import Clip
from caffe64.engine.graph.ops.reductions import ArgMax
from caffe64.engine.graph.ops.upsample import Upsample
from caffe64.engine.graph.plan import Plan
from caffe64.errors import InputError


@needs_shared
@pytest.mark.parametrize(("name", "convolutions"), [("resnet18_deploy", 21), ("mobilenet_v1_deploy", 28)])
def test_each_convolution_is_read_once(monkeypatch, name, convolutions):
    read = []

    def counting(reader):
        return replace(reader, read=lambda node, layer: read.append(node.name) or reader.read(node, layer))

    for kind in ("Convolution", "ConvolutionDepthwise", "DepthwiseConvolution"):
        monkeypatch.setitem(READERS, kind, counting(READERS[kind]))
    net = caffe64.load_caffe(SHARED / "caffe" / "nets" / f"{name}.prototxt", force_backward=True)
    net.forward()
    net.backward()
    assert len(read) == len(set(read)) == convolutions


def test_a_graph_that_nothing_changed_is_written_as_it_was_read():
    text = conv("c", "data", more="pad_h: 1 pad_w: 0 bias_term: true group: 1") + layer(
        "p", "Pooling", "c", more="pooling_param { pool: MAX kernel_size: 2 stride: 1 }"
    )
    graph = graph_of(data(), text)
    for node in graph.nodes:
        node.attributes = replace(node.attributes)  # equal, another object
    written = graph_message(graph).layer
    assert [each.SerializeToString() for each in written] == [node.origin.SerializeToString() for node in graph.nodes]


def test_changed_attributes_are_said_in_the_message():
    graph = graph_of(data(), conv("c", "data", more="bias_term: false group: 1"))
    graph.nodes[1].attributes = replace(graph.nodes[1].attributes, bias_term=True)
    (_, written) = graph_message(graph).layer
    assert not written.convolution_param.HasField("bias_term")  # the default is true
    assert written.convolution_param.HasField("group")


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [
        ("ArgMax", ArgMax(axis=0)),
        ("Clip", Clip(0.0, 6.0)),
        ("Interp", Interp(height=5, width=7, zoom_factor=1)),
        ("Upsample", Upsample(scale=2)),
    ],
)
def test_a_default_is_said_where_to_say_nothing_means_another_thing(kind, attributes):
    graph = one_layer(kind, attributes, (2, 3, 4, 4))
    assert build_graph(graph_message(graph)).nodes[-1].attributes == attributes


def test_what_the_format_cannot_say_is_refused():
    graph = graph_of(data(), conv("c", "data"))
    graph.nodes[1].attributes = replace(graph.nodes[1].attributes, pads_after=(1,))
    with pytest.raises(InputError, match=r"'c' .*has pads_after \(1,\), which Caffe's format has no field for"):
        graph_message(graph)


def padded_by_hand(x, before, after):
    return np.pad(x, [(0, 0), (0, 0), *zip(before, after, strict=True)])


PADS = [((0, 0), (1, 1)), ((1, 0), (0, 2)), ((2, 1), (0, 0)), ((0, 2), (2, 1))]


@pytest.mark.parametrize(("before", "after"), PADS)
@pytest.mark.parametrize(("channels", "outputs", "group"), [(3, 4, 1), (32, 32, 1), (32, 32, 32), (4, 4, 2)])
@pytest.mark.parametrize("stride", [1, 2])
def test_each_side_has_its_own_padding(before, after, channels, outputs, group, stride):
    """A convolution with four pads is the one without, of a picture padded by hand: forward and backward, by a plan and
    by the layer's own code."""
    more = f"bias_term: true group: {group} stride: {stride}"
    own = graph_of(data(f"2 {channels} 9 7"), conv("c", "data", outputs=outputs, more=more))
    own.nodes[1].attributes = replace(own.nodes[1].attributes, pads_before=before, pads_after=after)
    sizes = [9 + before[0] + after[0], 7 + before[1] + after[1]]
    plain = graph_of(data(f"2 {channels} {sizes[0]} {sizes[1]}"), conv("c", "data", outputs=outputs, more=more))
    np.testing.assert_array_equal(own.nodes[1].weights[0], plain.nodes[1].weights[0])
    x = np.random.default_rng(5).standard_normal((2, channels, 9, 7), np.float32)
    values = [x, padded_by_hand(x, before, after)]
    plans, runtimes = [Plan(graph, threads=1) for graph in (own, plain)], []
    for plan, value in zip(plans, values, strict=True):
        plan.inputs[plan.graph.inputs[0]][...] = value
        plan.forward()
    found, expected = (plan.outputs[plan.graph.outputs[0]] for plan in plans)
    assert_close("plan", found, expected, 1e-5 * np.abs(expected).max())
    (top,) = OPS["Convolution"].shapes(own.nodes[1], [x.shape])
    by_itself = np.empty(top, np.float32)
    OPS["Convolution"].prepare(own.nodes[1], [x.shape], [top])([x], [by_itself])
    assert_close("layer", by_itself, expected, 1e-5 * np.abs(expected).max())
    dy = np.random.default_rng(6).standard_normal(top, np.float32)
    for graph, value in zip((own, plain), values, strict=True):
        graph.force_backward = True
        runtime = Executor(graph, gradients=True, threads=1)
        runtime.arrays[graph.inputs[0]][...] = value
        runtime.forward()
        runtimes.append((runtime, runtime.backward({graph.outputs[0]: dy})))
    dx, whole = (gradients[each.graph.inputs[0]] for each, gradients in runtimes)
    inside = whole[:, :, before[0] : before[0] + 9, before[1] : before[1] + 7]
    assert_close("dx", dx, inside, 1e-5 * np.abs(whole).max())
    for mine, other in zip(*(each.weights[each.graph.nodes[1]] for each, _ in runtimes), strict=True):
        assert_close("weights", mine, other, 1e-5 * np.abs(other).max())


@pytest.mark.parametrize(("before", "after"), PADS)
def test_pooling_has_four_pads_too(before, after):
    graph = graph_of(data("1 2 9 7"), layer("p", "Pooling", "data", more="pooling_param { kernel_size: 3 stride: 2 }"))
    node = graph.nodes[1]
    node.attributes = replace(node.attributes, pads_before=before, pads_after=after, round_mode="down")
    x = np.random.default_rng(0).standard_normal((1, 2, 9, 7), np.float32)
    padded = np.pad(x, [(0, 0), (0, 0), *zip(before, after, strict=True)], constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (2, 3))[:, :, ::2, ::2].max(axis=(4, 5))
    (top,) = OPS["Pooling"].shapes(node, [x.shape])
    found = np.empty(top, np.float32)
    OPS["Pooling"].prepare(node, [x.shape], [top])([x], [found])
    np.testing.assert_array_equal(found, windows[:, :, : top[2], : top[3]])
    plan = Plan(graph)
    plan.inputs[graph.inputs[0]][...] = x
    plan.forward()
    np.testing.assert_array_equal(plan.outputs[graph.outputs[0]], found)


def test_inference_compiles_no_kernels_of_gradients():
    net = (
        data()
        + conv("c", "data")
        + layer("r", "ReLU", "c")
        + layer("p", "Pooling", "r", more="pooling_param { kernel_size: 2 }")
    )
    net += layer("t", "TanH", "p") + layer("ip", "InnerProduct", "t", more="inner_product_param { num_output: 3 }")
    graph = graph_of(net)
    backward = {kernel for op in OPS.values() if op.gradient for kernel in op.gradient.kernels}
    backward -= {kernel for op in OPS.values() for kernel in op.kernels}
    assert len(backward) > 8
    assert backward.isdisjoint(kernels_of(graph, layers=True))
    names = {kernel.__name__ for kernel in backward.intersection(kernels_of(graph, gradients=True))}
    assert names == {
        *("add_filter_sums", "add_filter_sums_directly", "add_product", "smooth_activation_gradient", "channel_sums"),
        *("maximum_gradient", "mean_gradient", "relu_gradient", "mirror_filters"),
    }
