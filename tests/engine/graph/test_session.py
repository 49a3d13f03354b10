"""A net that runs again and again: shared memory until a blob is read, arrays that stay, weights that change."""

from __future__ import annotations

import numpy as np
import pytest
from reference.caffe_graphs import conv, data, give_weights, graph_of, layer

from caffe64 import CaffeNet
from caffe64.engine.graph.execution.runtime import Runtime
from caffe64.engine.graph.plan import Plan


@pytest.fixture
def net():
    graph = graph_of(data("2 3 9 8"), conv("c", "data"), layer("r", "ReLU", "c", "c"), layer("p", "TanH", "c"))
    give_weights(graph)
    return CaffeNet(graph)


def pictures(seed=0):
    return np.random.default_rng(seed).standard_normal((2, 3, 9, 8), np.float32)


def runner(net):
    return net.session._plan or net.session._runtime


def test_a_look_at_an_inner_blob_keeps_all_of_them_and_shows_the_last_run(net):
    out = net.forward(data=pictures())["p"]
    assert isinstance(runner(net), Plan)
    inner = net.blobs["c"].data
    assert isinstance(runner(net), Runtime)
    np.testing.assert_allclose(np.tanh(inner), out, atol=1e-6)
    again = net.forward(data=pictures(1))["p"]
    np.testing.assert_allclose(np.tanh(inner), again, atol=1e-6)  # the same array shows the next run


def test_inputs_and_outputs_are_the_same_arrays_from_run_to_run_and_after_a_look(net):
    given, found = net.blobs["data"].data, net.blobs["p"].data
    given[...] = pictures()
    first = net.forward()["p"]
    np.testing.assert_array_equal(found, first)
    assert isinstance(runner(net), Plan)
    net.blobs["c"].data.sum()
    given[...] = pictures(1)
    net.forward()
    assert net.blobs["data"].data is given
    assert net.blobs["p"].data is found
    np.testing.assert_allclose(found, net.forward(data=pictures(1))["p"], atol=1e-6)
    assert abs(found - first).max() > 0.01


def test_bytes_are_planned_until_all_blobs_are_kept(net):
    assert net.session.bytes is runner(net).bytes
    assert net.session.bytes.arena >= 4 * 2 * 3 * 9 * 8
    net.blobs["c"].data.sum()
    assert net.session.bytes is None


def test_shapes_are_known_without_a_run(net):
    assert net.blobs["c"].shape == (2, 4, 7, 6)
    net.reshape(data=(1, 3, 5, 5))
    assert net.blobs["p"].shape == net.blobs["p"].data.shape == (1, 4, 3, 3)


def test_an_edit_of_a_held_weight_is_seen(net):
    weights = net.params["c"][0]
    array = weights.data
    array /= 8  # small sums, so that TanH does not lose their digits
    one = net.forward(data=pictures())["p"]
    array *= 2
    two = net.forward(data=pictures())["p"]
    np.testing.assert_allclose(np.arctanh(two), 2 * np.arctanh(one), atol=1e-5)
    weights.data[...] /= 2
    np.testing.assert_array_equal(net.forward(data=pictures())["p"], one)


@pytest.mark.parametrize("options", [{"threads": 1}, {"threads": 2}, {"exact": True}])
def test_options_reach_the_plan(net, options):
    other = CaffeNet(net.graph, **options)
    found = other.forward(data=pictures())["p"]
    np.testing.assert_allclose(found, net.forward(data=pictures())["p"], atol=1e-6)
    assert runner(other).threads == options.get("threads", 1)
