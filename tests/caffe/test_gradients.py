"""Gradients of a CaffeNet from any layer to any other, and the diffs that blobs hold."""

from __future__ import annotations

import numpy as np
import pytest
from reference.caffe_graphs import data, graph_of, layer
from reference.pycaffe_net import FORCE, NET, X, values

import caffe64 as caffe


def test_a_gradient_starts_with_a_layer_and_its_written_diff():
    net = caffe.CaffeNet(graph_of(FORCE, *NET))
    top = values((2, 5), 5)
    net.forward(data=X, end="fc")
    net.blobs["fc"].diff[...] = top
    found = net.backward(start="fc")
    weights, c = net.params["fc"][0].data, net.blobs["c"].data
    through = (top @ weights).reshape(c.shape) * (c > 0)
    np.testing.assert_allclose(net.blobs["c"].diff, through, atol=1e-5)
    np.testing.assert_allclose(net.params["fc"][0].diff, top.T @ c.reshape(2, -1), atol=1e-4)
    np.testing.assert_array_equal(found["data"], net.blobs["data"].diff)
    whole = caffe.CaffeNet(graph_of(FORCE, *NET[:-1]))
    whole.forward(data=X)
    np.testing.assert_allclose(found["data"], whole.backward(fc=top)["data"], atol=1e-5)


def test_a_gradient_starts_within_a_chain_that_works_in_place():
    net = caffe.CaffeNet(graph_of(FORCE, *NET))
    top = values((2, 4, 7, 6), 6)
    net.forward(data=X, end="c")
    net.blobs["c"].diff[...] = top
    raw = net.backward(start="c")["data"]
    net.forward(data=X)
    net.blobs["c"].diff[...] = top
    masked = net.backward(start="relu")["data"]
    other = caffe.CaffeNet(graph_of(FORCE, *NET[:2]))
    before = other.forward(data=X)["c"]
    np.testing.assert_allclose(raw, other.backward(c=top)["data"], atol=1e-5)
    np.testing.assert_allclose(masked, other.backward(c=top * (before > 0))["data"], atol=1e-5)


def test_a_gradient_ends_with_a_layer_and_gives_what_that_reads_and_what_is_asked_for():
    net = caffe.CaffeNet(graph_of(FORCE, *NET))
    net.forward(data=X)
    top = np.eye(5, dtype=np.float32)[:2]
    found = net.backward(prob=top, end="fc", diffs=["fc"])
    assert sorted(found) == ["c", "fc"]
    assert not net.blobs["data"].diff.any()
    prob = net.blobs["prob"].data
    np.testing.assert_allclose(found["fc"], prob * (top - (prob * top).sum(axis=1, keepdims=True)), atol=1e-6)
    assert net.params["fc"][0].diff.any()
    assert not net.params["c"][0].diff.any()


def test_a_net_for_testing_has_the_gradients_of_what_leads_to_weights():
    net = caffe.CaffeNet(graph_of(*NET))
    prob = net.forward(data=X)["prob"]
    net.blobs["prob"].diff[...] = top = values((2, 5), 7)
    assert net.backward() == {}
    np.testing.assert_allclose(net.blobs["fc"].diff, prob * (top - (prob * top).sum(axis=1, keepdims=True)), atol=1e-6)
    np.testing.assert_allclose(net.params["fc"][1].diff, net.blobs["fc"].diff.sum(axis=0), atol=1e-6)
    with pytest.raises(caffe.UsageError, match="with force_backward: true in the net, inputs have one"):
        _ = net.blobs["data"].diff
    np.testing.assert_allclose(net.forward(data=X)["prob"], prob, atol=1e-6)


def test_a_diff_that_is_held_stays_what_backward_starts_from():
    net = caffe.CaffeNet(graph_of(FORCE, data("2 3"), layer("a", "Power", "data"), layer("b", "Power", "data")))
    net.forward(data=values((2, 3)))
    held = net.blobs["a"].diff
    held[...] = 1
    net.backward(b=np.full((2, 3), 2))
    assert net.blobs["a"].diff.base is held.base
    assert (net.blobs["data"].diff == 3).all()
    held[...] = 5
    assert (net.backward()["data"] == 7).all()


def test_gradients_that_do_not_fit_are_usage_errors():
    net = caffe.CaffeNet(graph_of(FORCE, *NET))
    net.forward(data=X)
    with pytest.raises(caffe.UsageError, match=r"a diff of 'fc', the net's outputs are \['prob'\]"):
        net.backward(fc=values((2, 5)))
    with pytest.raises(caffe.UsageError, match=r"a diff of 'prob', 'fc' gives \['fc'\]"):
        net.backward(start="fc", prob=values((2, 5)))
    with pytest.raises(caffe.UsageError, match="the layer 'fc' runs after 'c'"):
        net.backward(start="c", end="fc")
    net.blobs["data"].reshape(1, 3, 9, 8)
    with pytest.raises(caffe.UsageError, match="backward needs a forward before it"):
        net.backward()


def test_a_second_backward_adds_the_same():
    text = """
layer { name: "in" type: "Input" top: "d" top: "l"
  input_param { shape { dim: 4 dim: 3 dim: 8 dim: 8 } shape { dim: 4 } } }
layer { name: "c" type: "Convolution" bottom: "d" top: "c" convolution_param { num_output: 16 kernel_size: 3
  weight_filler { type: "xavier" } } }
layer { name: "p" type: "Pooling" bottom: "c" top: "p" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "e" type: "Convolution" bottom: "p" top: "e" convolution_param { num_output: 16 kernel_size: 3
  weight_filler { type: "xavier" } } }
layer { name: "i" type: "InnerProduct" bottom: "e" top: "i" inner_product_param { num_output: 5
  weight_filler { type: "xavier" } } }
layer { name: "s" type: "SoftmaxWithLoss" bottom: "i" bottom: "l" top: "s" }"""
    net = caffe.load_caffe(text.encode(), phase="TRAIN", seed=1)
    net.forward(d=values((4, 3, 8, 8), 1), l=[0, 4, 2, 1])
    net.backward()
    once = {name: [blob.diff.copy() for blob in blobs] for name, blobs in net.params.items()}
    net.backward()
    for name, blobs in net.params.items():
        for blob, expected in zip(blobs, once[name], strict=True):
            assert expected.any()
            np.testing.assert_allclose(blob.diff, 2 * expected, atol=1e-5 * np.abs(expected).max())


def test_without_a_loss_nothing_is_added_however_often():
    net = caffe.CaffeNet(graph_of(*NET))
    net.graph.phase = "TRAIN"
    for node in net.graph.nodes:
        node.phase = "TRAIN"
    trained = caffe.CaffeNet(net.graph)
    for _ in range(3):
        trained.forward(data=X)
        trained.backward()
        assert not any(blob.diff.any() for blobs in trained.params.values() for blob in blobs)
