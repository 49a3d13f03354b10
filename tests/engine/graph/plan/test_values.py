"""NaN and infinities, and weights that change between runs."""

from __future__ import annotations

import numpy as np
import pytest
from reference.caffe_graphs import conv, data, graph_of, layer
from reference.exact_net import exact_blobs
from reference.plans import draw_inputs, run_again, run_plan, same_bits
from support import assert_close

from caffe64.engine.compiler.cpu import LANES
from caffe64.engine.graph.plan import Plan
from caffe64.engine.graph.reference import Interpreter

WIDE = 2 * LANES + 3
LAYERS = {  # by a name: layer type and parameters
    "direct": ("Convolution", "convolution_param { num_output: 9 kernel_size: 3 pad: 1 }"),
    "winograd": ("Convolution", "convolution_param { num_output: 20 kernel_size: 3 pad: 1 }"),
    "depthwise": ("ConvolutionDepthwise", f"convolution_param {{ num_output: {WIDE} kernel_size: 3 pad: 1 }}"),
    "product": ("InnerProduct", "inner_product_param { num_output: 5 }"),
    "mean": ("Pooling", "pooling_param { pool: AVE kernel_size: 2 stride: 2 }"),
    "scale": ("Scale", "scale_param { bias_term: true }"),
    "norm": ("BatchNorm", ""),
    "bn": ("BN", ""),
    "segnet": ("BN", "bn_param { bn_mode: INFERENCE }"),
    "relu": ("ReLU", ""),
    "leaky": ("ReLU", "relu_param { negative_slope: 0.5 }"),
    "prelu": ("PReLU", ""),
    "softmax": ("Softmax", ""),
}
RELU = layer("r", "ReLU", "it")
WEIGHTED = [name for name in LAYERS if name not in ("mean", "relu", "leaky", "softmax")]
each_layer = pytest.mark.parametrize("name", LAYERS)


def net(name, behind="", shape=f"2 {WIDE} 8 9"):
    kind, more = LAYERS[name]
    return graph_of(data(shape), layer("it", kind, "data", more=more), behind)


def spoilt_inputs(graph, value):
    """One row of one channel of the second picture is not finite."""
    inputs = draw_inputs(graph)
    (x,) = inputs.values()
    x[1, LANES, 3] = value
    return inputs


def run_reference(graph, inputs):
    interpreter = Interpreter(graph)
    for blob, x in inputs.items():
        interpreter.arrays[blob][...] = x
    interpreter.forward()
    return {blob: interpreter.arrays[blob] for blob in graph.outputs}


@each_layer
@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_inf_appear_exactly_where_the_definition_puts_them(name, behind, value):
    """Plain sums: NaN and inf are where the definition has them, in the one picture, and nothing else is off."""
    graph = net(name, RELU if behind else "")
    inputs, plan = spoilt_inputs(graph, value), Plan(graph, exact=True, fuse=False)
    ((blob, found),) = run_plan(plan, inputs).items()
    expected = exact_blobs(graph, inputs)[blob][0]
    assert not np.isfinite(found[1]).all()
    np.testing.assert_array_equal(np.isfinite(found), np.isfinite(expected))
    np.testing.assert_array_equal(np.isnan(found), np.isnan(run_reference(graph, inputs)[blob]))


@pytest.mark.parametrize("name", ["direct", "winograd", "depthwise", "product"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_relu_inside_a_product_keeps_nan_and_cuts_minus_infinity(name, value):
    """max(0, -inf) is 0, where a ReLU by itself, max(0, x) + 0 * min(0, x), gives NaN."""
    graph = net(name, RELU)
    inputs = spoilt_inputs(graph, value)
    (found,) = run_plan(Plan(graph, exact=True), inputs).values()
    expected = np.maximum(exact_blobs(graph, inputs)[graph.nodes[1].tops[0]][0], 0)
    assert not np.isfinite(found[1]).all()
    for test in (np.isnan, np.isposinf):
        np.testing.assert_array_equal(test(found), test(expected))
    assert (found[np.isfinite(found)] >= 0).all()


@pytest.mark.parametrize("name", ["winograd", "direct"])
def test_a_nan_surfaces_from_quick_products(name):
    """At the least where it belongs, in no other picture; and it is gone in the next run."""
    graph = net(name)
    inputs, plan = draw_inputs(graph), Plan(graph)
    expected = run_plan(plan, inputs)
    (blob,) = graph.outputs
    (x,) = inputs.values()
    kept, x[1, LANES, 3, 4] = x[1, LANES, 3, 4], np.nan
    spoilt = run_again(plan, inputs)[blob]
    assert np.isnan(spoilt[1, :, 2:5, 3:6]).all()
    np.testing.assert_array_equal(spoilt[0], expected[blob][0])
    x[1, LANES, 3, 4] = kept
    assert same_bits(run_again(plan, inputs), expected)


def test_nan_is_not_the_largest_of_a_window():
    """As in Caffe, where NaN > x is false: a window of NaN gives the least float."""
    graph = graph_of(
        data(f"1 {WIDE} 4 4"), layer("p", "Pooling", "data", more="pooling_param { kernel_size: 2 stride: 2 }")
    )
    inputs = draw_inputs(graph)
    (x,) = inputs.values()
    x[0, 3, 0, 0] = np.nan
    x[0, 5, :2, :2] = np.nan
    (found,) = run_plan(Plan(graph), inputs).values()
    assert found[0, 3, 0, 0] == np.nanmax(x[0, 3, :2, :2])
    assert found[0, 5, 0, 0] == np.finfo(np.float32).min
    np.testing.assert_array_equal(found, next(iter(run_reference(graph, inputs).values())))


@pytest.mark.parametrize("kind", ["MAX", "SUM", "PROD"])
@pytest.mark.parametrize("bottoms", ["a b", "a b c", "b c a"])
def test_nan_in_eltwise_is_where_the_reference_has_it(kind, bottoms):
    names = bottoms.split()
    more = f"eltwise_param {{ operation: {kind} }}"
    graph = graph_of(
        *(data(f"1 {WIDE} 2 2", name) for name in sorted(names)), layer("e", "Eltwise", bottoms, more=more)
    )
    inputs = draw_inputs(graph)
    for number, x in enumerate(inputs.values()):
        x[0, number] = np.nan
        x[0, 7] = np.nan
    (blob,) = graph.outputs
    found, expected = run_plan(Plan(graph), inputs)[blob], run_reference(graph, inputs)[blob]
    assert np.isnan(found[0, 7]).all()
    np.testing.assert_array_equal(found, expected)


def test_a_nan_weight_surfaces():
    graph = net("direct")
    graph.nodes[1].weights[0][3, 4, 1, 1] = np.nan
    (found,) = run_plan(Plan(graph), draw_inputs(graph)).values()
    np.testing.assert_array_equal(np.isnan(found).all(axis=(0, 2, 3)), np.arange(9) == 3)


# ---------------------------------------------------------------------------------------------- weights that change
def check_values(graph, plan, inputs):
    """The outputs are those of a plan that is made now, and of float64, loosely."""
    found = run_again(plan, inputs)
    assert same_bits(found, run_plan(Plan(graph), inputs))
    for blob, values in found.items():
        expected = exact_blobs(graph, inputs)[blob][0]
        assert_close(blob.name, values, expected, 2e-5 * np.abs(expected).max())


@pytest.mark.parametrize("name", WEIGHTED)
def test_weights_that_change_are_seen_by_the_next_run(name):
    graph = net(name, RELU)
    node, inputs, plan = graph.nodes[1], draw_inputs(graph), Plan(graph)
    before = run_plan(plan, inputs)
    for blob in node.weights:
        blob *= np.float32(1.5)
        node.held.written()
        check_values(graph, plan, inputs)
    assert not same_bits(run_again(plan, inputs), before)
    node.held.expose()
    for blob in node.weights:
        blob += np.float32(0.25)  # by a caller, without written()
        check_values(graph, plan, inputs)


def test_all_weights_may_change_at_once():
    graph = graph_of(data("1 3 8 8"), conv("c", "data"), layer("n", "BatchNorm", "c"), layer("p", "PReLU", "n"))
    inputs, plan = draw_inputs(graph), Plan(graph)
    run_plan(plan, inputs)
    owner = graph.nodes[1].held.owner
    owner.vector *= np.float32(0.75)
    owner.written(range(len(owner.slices)))
    check_values(graph, plan, inputs)
