"""A graph's weights have one owner: held arrays stay live, shared ones stay shared, writes are seen."""

from __future__ import annotations

import numpy as np
import pytest
from reference.caffe_graphs import data, graph_of, layer

import caffe64
from caffe64.caffe.net import CaffeNet
from caffe64.engine.graph.ir.ownership import assign_weights
from caffe64.engine.graph.passes.optimize import Passes, optimize_graph
from caffe64.engine.graph.plan import Plan

NORM = 'layer {{ name: "{}" type: "BatchNorm" bottom: "{}" top: "{}" {} batch_norm_param {{ {} }} }}\n'
SHARED = " ".join(f'param {{ name: "{name}" lr_mult: 0 }}' for name in ("mean", "variance", "factor"))


def net_of(text, phase="TRAIN", shape="4 3 5 6"):
    return CaffeNet(graph_of(data(shape), text, phase=phase))


def pictures(seed=0, shape=(4, 3, 5, 6)):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def test_arrays_of_batch_norm_that_a_caller_holds_are_those_that_training_moves():
    net = net_of(NORM.format("b", "data", "b", "", ""))
    held, plain = net.params["b"], net.params["b"][2].data
    for array in held:
        array.data[...] = 0
    net.forward(data=pictures())
    assert plain[0] == held[2].data[0] == net.params["b"][2].data[0] == 1
    np.testing.assert_allclose(held[0].data, pictures().mean(axis=(0, 2, 3)), atol=1e-6)
    held[2].data[0] = 3
    net.forward(data=pictures())
    assert plain[0] == np.float32(0.999) * 3 + 1


def test_a_write_to_statistics_is_used_by_the_next_forward():
    net = net_of(NORM.format("b", "data", "b", "", ""), phase="TEST")
    mean, variance, factor = net.params["b"]
    for value in (0, 5):
        mean.data[...], variance.data[...], factor.data[...] = value, 1 - 1e-5, 1
        np.testing.assert_allclose(net.forward(data=pictures())["b"], pictures() - value, atol=1e-5)


def test_statistics_that_layers_share_by_name_stay_shared_in_training():
    text = NORM.format("b", "data", "b", SHARED, "moving_average_fraction: 0.999")
    text += NORM.format("c", "b", "c", SHARED, "moving_average_fraction: 0.999")
    net = net_of(text)
    for array in net.params["b"]:
        array.data[...] = 0
    net.forward(data=pictures())
    first, second = net.params["b"], net.params["c"]
    assert first[2].data[0] == second[2].data[0] == pytest.approx(1.999, abs=2e-7)
    for one, other in zip(first, second, strict=True):
        assert np.may_share_memory(one.data, other.data)
        np.testing.assert_array_equal(one.data, other.data)


def test_weights_that_are_given_again_go_into_the_arrays_that_are_there():
    graph = graph_of(data("1 3 5 6"), 'layer { name: "s" type: "Scale" bottom: "data" top: "s" }')
    net, held = CaffeNet(graph), CaffeNet(graph).params["s"][0].data
    before = net.forward(data=pictures(shape=(1, 3, 5, 6)))["s"]
    assign_weights(graph, [[], [2 * held]])
    np.testing.assert_allclose(net.forward(data=pictures(shape=(1, 3, 5, 6)))["s"], 2 * before, rtol=1e-6)
    assert graph.nodes[1].weights[0] is held or np.may_share_memory(graph.nodes[1].weights[0], held)


def test_all_parameters_lie_in_one_vector_with_their_multipliers():
    param = "param { lr_mult: 2 decay_mult: 0.5 } param { lr_mult: 3 decay_mult: 0 }"
    more = f"{param} convolution_param {{ num_output: 5 kernel_size: 3 }}"
    graph = graph_of(data(), layer("c", "Convolution", "data", more=more), layer("p", "PReLU", "c"))
    owner = graph.nodes[1].held.owner
    assert graph.nodes[2].held.owner is owner
    assert [(each.layer, each.number, each.lr_mult, each.decay_mult) for each in owner.slices] == [
        ("c", 0, 2, 0.5), ("c", 1, 3, 0), ("p", 0, 1, 1)
    ]  # fmt: skip
    for node in graph.nodes[1:]:
        for blob in node.weights:
            assert np.may_share_memory(blob, owner.vector)


def test_an_optimised_net_has_weights_of_its_own():
    graph = graph_of(data(), layer("p", "PReLU", "data"))
    smaller, _ = optimize_graph(graph, Passes())
    smaller.nodes[1].weights[0][...] = 7
    assert (graph.nodes[1].weights[0] != 7).all()
    assert smaller.nodes[1].held.owner is not graph.nodes[1].held.owner


@pytest.mark.parametrize("threads", [1, 2])
def test_training_sees_edits_in_forward_and_backward(threads, tmp_path):
    """A convolution's gradient runs on filters that are made of the weights."""
    (tmp_path / "net.prototxt").write_text(
        'input: "data" input_shape { dim: 2 dim: 3 dim: 9 dim: 8 } force_backward: true\n'
        'layer { name: "c" type: "Convolution" bottom: "data" top: "c"'
        "        convolution_param { num_output: 4 kernel_size: 3 } }"
    )
    x, found = pictures(shape=(2, 3, 9, 8)), []
    net = caffe64.load_caffe(tmp_path / "net.prototxt", threads=threads)
    for factor in (1, 3):
        net.params["c"][0].data[...] = factor * pictures(1, (4, 3, 3, 3))
        y = net.forward(data=x)["c"]
        found.append((y - net.params["c"][1].data[:, None, None], net.backward(c=np.ones_like(y))["data"]))
    for one, three in zip(*found, strict=True):
        np.testing.assert_allclose(three, 3 * one, rtol=1e-4, atol=1e-4)


def dropout_outputs(seed, forwards=3, reshape=False):
    net = CaffeNet(graph_of(data("1 400"), layer("d", "Dropout", "data"), phase="TRAIN"))
    net.graph.streams.seed, found = seed, []
    for number in range(forwards):
        if reshape:
            net.reshape(data=(1, 400))
        found.append(net.forward(data=np.ones((1, 400)))["d"])
        if reshape and number == 0:
            assert net.blobs["data"].shape == (1, 400)
    return found


def test_two_runs_of_a_net_with_the_same_seed_drop_the_same_and_others_do_not():
    for one, other in zip(dropout_outputs(5), dropout_outputs(5, reshape=True), strict=True):
        np.testing.assert_array_equal(one, other)
    assert (dropout_outputs(5)[0] != dropout_outputs(6)[0]).any()
    first, second, _ = dropout_outputs(5)
    assert (first != second).any()


def test_a_net_that_goes_on_at_an_iteration_drops_what_it_would_have():
    net = CaffeNet(graph_of(data("1 400"), layer("d", "Dropout", "data"), phase="TRAIN"))
    net.graph.streams.seed, net.graph.streams.iteration = 5, 2
    np.testing.assert_array_equal(net.forward(data=np.ones((1, 400)))["d"], dropout_outputs(5)[2])


def test_arrays_that_are_assigned_in_place_of_held_ones_are_those_that_a_plan_reads():
    graph = graph_of(data("2 3"), layer("d", "InnerProduct", "data", more="inner_product_param { num_output: 4 }"))
    Plan(graph).forward()
    (node,) = graph.nodes[1:]
    assert node.held is not None
    node.weights = [np.ones((4, 3), np.float32), np.full(4, 5, np.float32)]
    assert node.held is None
    plan = Plan(graph)
    plan.inputs[graph.inputs[0]][...] = 2
    plan.forward()
    assert (plan.outputs[node.tops[0]] == 11).all()
