"""A net that runs again and again: shared memory until a blob is read, arrays that stay, weights that change."""

from __future__ import annotations

import numpy as np
import pytest
from reference.caffe_graphs import conv, data, give_weights, graph_of, layer

from caffe64 import CaffeNet


@pytest.fixture
def net():
    graph = graph_of(data("2 3 9 8"), conv("c", "data"), layer("r", "ReLU", "c", "c"), layer("p", "TanH", "c"))
    give_weights(graph)
    return CaffeNet(graph)


def pictures(seed=0):
    return np.random.default_rng(seed).standard_normal((2, 3, 9, 8), np.float32)


def test_a_look_at_an_inner_blob_keeps_all_of_them_and_shows_the_last_run(net):
    out, before = net.forward(data=pictures())["p"], net.session._plan
    inner = net.blobs["c"].data
    assert net.session._plan is not before
    np.testing.assert_allclose(np.tanh(inner), out, atol=1e-6)
    again, before = net.forward(data=pictures(1))["p"], net.session._plan
    np.testing.assert_allclose(np.tanh(inner), again, atol=1e-6)  # the same array shows the next run
    assert net.blobs["c"].data is inner
    assert net.session._plan is before


def test_a_look_does_not_take_groups_apart_that_have_no_name_inside(net):
    def groups():
        return [[node.name for node in group.nodes] for group in net.session._plan.groups]

    net.forward(data=pictures())
    before = groups()
    assert ["c", "r"] in before
    net.blobs["c"].data.sum()
    assert groups() == before


def test_arrays_of_blobs_are_brought_up_to_date_as_long_as_they_are_held(net):
    net.forward(data=pictures())
    row, whole = net.blobs["c"].data[1], net.blobs["c"].data
    assert len(list(net.session._shown)) == 1
    del whole
    net.forward(data=pictures(1))
    np.testing.assert_array_equal(row, net.blobs["c"].data[1])
    del row
    net.forward(data=pictures())
    assert not list(net.session._shown)


def test_inputs_and_outputs_are_the_same_arrays_from_run_to_run_and_after_a_look(net):
    given, found = net.blobs["data"].data, net.blobs["p"].data
    given[...] = pictures()
    first = net.forward()["p"]
    np.testing.assert_array_equal(found, first)
    net.blobs["c"].data.sum()
    given[...] = pictures(1)
    net.forward()
    assert net.blobs["data"].data is given
    assert net.blobs["p"].data is found
    np.testing.assert_allclose(found, net.forward(data=pictures(1))["p"], atol=1e-6)
    assert abs(found - first).max() > 0.01


def test_blobs_share_memory_until_they_are_looked_at(net):
    net.forward(data=pictures())
    shared = net.session.bytes.arena
    assert shared >= 4 * 2 * 3 * 9 * 8
    net.blobs["c"].data.sum()
    kept = net.session.bytes.arena
    net.forward(end="c")
    assert shared <= kept < net.session.bytes.arena


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
    assert other.session._plan.threads == options.get("threads", 1)
