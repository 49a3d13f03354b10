"""Blobs of a CaffeNet: their sizes, and inputs that are reshaped."""

from __future__ import annotations

import numpy as np
import pytest
from reference.caffe_graphs import data, graph_of, layer
from reference.pycaffe_net import FORCE, NET, X, values

import caffe64 as caffe


@pytest.fixture
def net():
    return caffe.CaffeNet(graph_of(*NET))


def test_the_old_four_sizes_and_the_count_of_a_blob(net):
    blob, fc, bias = net.blobs["c"], net.blobs["fc"], net.params["c"][0]
    assert (blob.num, blob.channels, blob.height, blob.width, blob.count) == (2, 4, 7, 6, 336)
    assert (fc.num, fc.channels, fc.height, fc.width, fc.count) == (2, 5, 1, 1, 10)
    assert (bias.num, bias.channels, bias.height, bias.width, bias.count) == (4, 3, 3, 3, 108)
    assert repr(blob) == "Array('c', (2, 4, 7, 6))"
    deep = caffe.CaffeNet(graph_of(data("1 2 3 4 5")))
    assert deep.blobs["data"].count == 120
    with pytest.raises(caffe.UsageError, match="num, channels, height and width are of at most 4 axes, use shape"):
        _ = deep.blobs["data"].num


def test_a_reshaped_input_has_its_shape_at_once_and_the_others_in_the_next_run():
    net = caffe.CaffeNet(graph_of(*NET[:3]))
    blob = net.blobs["data"]
    blob.data[...] = X
    blob.reshape(5, 3, 6, 4)
    assert blob.shape == blob.data.shape == (5, 3, 6, 4)
    np.testing.assert_array_equal(blob.data.reshape(-1)[: X.size], X.reshape(-1)[: blob.count])
    blob.data[...] = values((5, 3, 6, 4), 1)
    found = net.forward()["c"]
    assert found.shape == net.blobs["c"].shape == (5, 4, 4, 2)
    np.testing.assert_array_equal(found, net.forward(data=values((5, 3, 6, 4), 1))["c"])


def test_a_value_put_in_before_the_net_is_reshaped_is_the_one_that_it_runs_on():
    net = caffe.CaffeNet(graph_of(*NET[:3]))
    expected = net.forward(data=values((4, 3, 5, 5), 2))["c"]
    net.reshape(data=(2, 3, 9, 8))
    net.blobs["data"].reshape(4, 3, 5, 5)
    held = net.blobs["data"].data
    held[...] = values((4, 3, 5, 5), 2)
    net.reshape()
    assert net.blobs["data"].data is held
    np.testing.assert_array_equal(net.forward()["c"], expected)


@pytest.mark.parametrize("force", [False, True])
def test_inputs_keep_their_memory_while_others_are_reshaped(force):
    both = layer("sum", "Concat", "data extra", more="concat_param { axis: 0 }")
    net = caffe.CaffeNet(graph_of(FORCE if force else "", data("2 3"), data("1 3", "extra"), both))
    held = net.blobs["data"].data
    held[...] = 7
    net.blobs["extra"].reshape(4, 3)
    net.blobs["extra"].data[...] = 5
    assert net.forward()["sum"].tolist() == [[7] * 3] * 2 + [[5] * 3] * 4
    assert net.blobs["data"].data is held
    net.reshape(extra=(1, 3))
    held[...] = 9
    assert net.forward()["sum"].tolist() == [[9] * 3] * 2 + [[5] * 3]


def test_two_inputs_may_not_fit_each_other_until_both_are_reshaped():
    net = caffe.CaffeNet(graph_of(data("2 3"), data("2 3", "other"), layer("sum", "Eltwise", "data other")))
    net.forward()
    net.blobs["data"].reshape(4, 3)
    with pytest.raises(caffe.InputError, match="'sum'"):
        net.forward()
    net.blobs["other"].reshape(4, 3)
    net.blobs["data"].data[...] = net.blobs["other"].data[...] = 1
    assert (net.forward()["sum"] == 2).all()
    assert net.blobs["sum"].shape == (4, 3)


def test_a_reshape_to_the_same_shape_changes_nothing(net):
    expected, session = net.forward(data=X)["prob"], net.session
    held = net.blobs["prob"].data
    net.blobs["data"].reshape(2, 3, 9, 8)
    net.reshape()
    net.reshape(data=(2, 3, 9, 8))
    assert net.session is session
    assert net.blobs["prob"].data is held
    np.testing.assert_array_equal(held, expected)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda net: net.blobs["c"].reshape(1, 2), "'c' has the shape that its layer gives it: reshape an input"),
        (lambda net: net.params["c"][0].reshape(1, 2), r"'c\[0\]' has the shape that its layer gives it"),
        (lambda net: net.blobs["data"].reshape(1, 3, -1, 5), r"'data' is \[1, 3, -1, 5\], expected whole numbers"),
        (lambda net: net.blobs["data"].reshape(1.5, 3), r"'data' is \[1.5, 3\], expected whole numbers"),
        (lambda net: net.reshape(data=(1, 3, 9, "x")), r"'data' is \[1, 3, 9, 'x'\], expected whole numbers"),
        (lambda net: net.forward(end="none"), "there is no layer 'none' to start or end with"),
        (lambda net: net.forward(start="fc", end="c"), "the layer 'fc' runs after 'c'"),
        (lambda net: net.forward(blobs=["none"]), "there is no blob 'none': net.blobs names them"),
        (lambda net: net.forward(blobs="fc"), "blobs is 'fc', expected a list of names of blobs"),
        (lambda net: net.forward(X), "expected a list of names of blobs"),
        (lambda net: net.forward(image=X), r"was given the inputs \['image'\], the net has \['data'\]"),
        (lambda net: net.forward_all(), r"was given \[\] rows"),
        (lambda net: net.set_input_arrays(X, X), "whose first layer is MemoryData, not Input"),
    ],
)
def test_what_does_not_fit_is_a_usage_error(net, call, message):
    with pytest.raises(caffe.UsageError, match=message):
        call(net)


def test_a_sequence_serves_as_a_shape(net):
    net.blobs["data"].reshape((1, 3, 9, 8))
    assert net.blobs["data"].shape == (1, 3, 9, 8)
    net.blobs["data"].reshape(*X.shape)
    assert net.blobs["data"].shape == X.shape


def test_an_input_that_a_layer_overwrites_is_still_the_one_to_fill():
    shift = layer("shift", "Power", "data", "data", "power_param { shift: 1 }")
    net = caffe.CaffeNet(graph_of(data("2 3"), shift, layer("twice", "Power", "data", more="power_param { scale: 2 }")))
    net.blobs["data"].data[...] = 3
    assert (net.forward()["twice"] == 8).all()
    assert (net.forward()["twice"] == 8).all()
    assert (net.forward(end="shift")["data"] == 4).all()
    assert (net.forward(start="twice")["twice"] == 8).all()
