"""Runs of some layers of a CaffeNet, of all rows in batches, and what a pickle of it keeps."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from reference.caffe_graphs import conv, data, graph_of, layer
from reference.pycaffe_net import NET, X, values

import caffe64 as caffe
from caffe64.engine.graph.plan import KeptPlan

MEMORY = """layer { name: "rows" type: "MemoryData" top: "data" top: "label"
  memory_data_param { batch_size: 2 channels: 1 height: 2 width: 1 } }
"""


@pytest.fixture
def net():
    return caffe.CaffeNet(graph_of(*NET))


def test_a_run_ends_with_a_layer_and_gives_what_that_gives(net):
    whole = net.forward(data=X, blobs=["fc", "data"])
    assert sorted(whole) == ["data", "fc", "prob"]
    part = caffe.CaffeNet(net.graph).forward(data=X, end="fc")
    assert list(part) == ["fc"]
    np.testing.assert_allclose(part["fc"], whole["fc"], atol=1e-5)


def test_a_run_ends_before_a_layer_that_works_in_place(net):
    before = net.forward(data=X, end="c")["c"]
    assert before.min() < 0
    np.testing.assert_array_equal(net.blobs["c"].data, before)
    np.testing.assert_array_equal(net.forward(start="relu", end="relu")["c"], np.maximum(before, 0))
    np.testing.assert_array_equal(net.blobs["c"].data, np.maximum(before, 0))


@pytest.mark.parametrize("force", [False, True])
def test_a_run_starts_with_what_the_blobs_hold(force):
    net = caffe.CaffeNet(graph_of(*NET))
    if force:
        net.forward(data=X)
        _ = net.blobs["c"].diff
    net.forward(data=X)
    edited = values((2, 4, 7, 6), 3)
    net.blobs["c"].data[...] = edited
    weights, bias = (blob.data for blob in net.params["fc"])
    found = net.forward(start="fc", blobs=["fc"])
    np.testing.assert_allclose(found["fc"], edited.reshape(2, -1) @ weights.T + bias, atol=1e-5)
    np.testing.assert_allclose(found["prob"].sum(axis=1), 1, atol=1e-6)
    assert net.blobs["prob"].data.tolist() == found["prob"].tolist()
    net.blobs["c"].data[...] = edited
    found = net.forward(start="relu", blobs=["fc"])
    np.testing.assert_allclose(found["fc"], np.maximum(edited, 0).reshape(2, -1) @ weights.T + bias, atol=1e-5)


def test_whole_runs_stay_on_the_plan_until_a_part_is_asked_for(net):
    net.forward(data=X)
    net.blobs["data"].data[...] = X
    net.forward()
    _ = net.blobs["c"].shape, net.layers, net.top_names, net.params["c"][0].data
    assert not isinstance(net.session._plan, KeptPlan)
    net.forward(end="c")
    assert isinstance(net.session._plan, KeptPlan)


def test_all_rows_run_in_batches_of_the_nets_size(net):
    rows = values((5, 3, 9, 8), 4)
    found = net.forward_all(data=rows, blobs=["c"])
    assert net.blobs["data"].shape == (2, 3, 9, 8)
    assert {name: array.shape for name, array in found.items()} == {"c": (5, 4, 7, 6), "prob": (5, 5)}
    np.testing.assert_allclose(found["prob"], net.forward(data=rows)["prob"], atol=1e-6)
    assert net.blobs["data"].shape == (5, 3, 9, 8)


def test_rows_of_a_blob_without_a_batch_cannot_be_put_together():
    net = caffe.CaffeNet(graph_of(data("2 3"), layer("sum", "Reduction", "data")))
    with pytest.raises(caffe.UsageError, match=r"'sum' has the shape \[\]: no row for each of a batch of 2"):
        net.forward_all(data=values((4, 3)))
    two = caffe.CaffeNet(graph_of(data("2 3"), data("2 3", "other"), layer("sum", "Eltwise", "data other")))
    with pytest.raises(caffe.UsageError, match=r"was given \[3, 4\] rows"):
        two.forward_all(data=values((4, 3)), other=values((3, 3)))


def test_rows_of_a_memory_layer_go_round():
    net = caffe.CaffeNet(graph_of(MEMORY, layer("twice", "Power", "data", more="power_param { scale: 2 }")))
    rows = np.arange(8, dtype=np.float32).reshape(4, 1, 2, 1)
    net.set_input_arrays(rows, np.arange(4))
    found = [net.forward() for _ in range(3)]
    assert [each["twice"].reshape(-1).tolist() for each in found] == [[0, 2, 4, 6], [8, 10, 12, 14], [0, 2, 4, 6]]
    assert [each["label"].tolist() for each in found] == [[0, 1], [2, 3], [0, 1]]
    with pytest.raises(caffe.UsageError, match="3 rows of data and 3 labels, expected as many, a multiple"):
        net.set_input_arrays(rows[:3], np.arange(3))
    with pytest.raises(caffe.UsageError, match=r"shape \[4, 2\], expected \[N, 1, 2, 1\]"):
        net.set_input_arrays(rows.reshape(4, 2), np.arange(4))


def test_a_pickle_keeps_the_shapes_and_the_weights(net):
    net.blobs["data"].reshape(1, 3, 9, 8)
    again = pickle.loads(pickle.dumps(net))
    assert again.blobs["data"].shape == (1, 3, 9, 8)
    assert not again.blobs["data"].data.any()
    np.testing.assert_array_equal(again.forward(data=X)["prob"], net.forward(data=X)["prob"])


CROPPED = """
    layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ dim: 1 dim: 1 dim: 9 dim: 9 }} }} }}
    layer {{ name: "conv" type: "Convolution" bottom: "data" top: "conv"
            convolution_param {{ num_output: 1 kernel_size: 3 pad: {pad} }} }}
    layer {{ name: "crop" type: "Crop" bottom: "conv" bottom: "data" top: "crop" {offset} }}
"""


@pytest.mark.parametrize(
    ("pad", "offset", "noticed"),
    [(5, "", True), (5, "crop_param { axis: 2 offset: 4 }", False), (1, "", False), (2, "", False)],
)
def test_crops_that_undo_padding_without_an_offset_are_noticed(pad, offset, noticed, tmp_path):
    """HED's, which mean the middle; Caffe takes the upper left corner."""
    path = tmp_path / "net.prototxt"
    path.write_text(CROPPED.format(pad=pad, offset=offset))
    net = caffe.load_caffe(path)
    assert any("'crop' keep the upper left corner" in notice for notice in net.notices) == noticed


def caffe_net(*layers):
    return caffe.CaffeNet(graph_of(*layers))


LOSS = "loss_weight: 1"
DENSE = "inner_product_param { num_output: 3 }"


def test_a_run_of_one_layer_gives_its_output_however_it_is_stored():
    """The move to Caffe's layout of an output, or of what another layer reads so, is not that layer's own."""
    net = caffe_net(data("2 3 9 8"), conv("c", "data"), conv("d", "c"))
    whole = net.forward(data=X, blobs=["c"])
    edited = values(whole["c"].shape, 3)
    net.blobs["c"].data[...] = edited
    found = net.forward(start="d", end="d")["d"]
    assert np.abs(found - whole["d"]).max() > 0.1
    np.testing.assert_array_equal(net.blobs["d"].data, found)
    net.blobs["c"].data[...] = whole["c"]
    np.testing.assert_allclose(net.forward(start="d")["d"], whole["d"], atol=1e-5)


def test_a_run_of_some_layers_reads_what_those_before_it_have_given():
    one, other = layer("one", "InnerProduct", "c", more=DENSE), layer("other", "InnerProduct", "c", more=DENSE)
    net = caffe_net(data("2 3 9 8"), conv("c", "data"), one, other)
    net.forward(data=X)
    expected = net.forward(data=2 * X)["other"]
    net.forward(data=X)
    net.forward(data=2 * X, end="c")
    np.testing.assert_allclose(net.forward(start="other")["other"], expected, atol=1e-5)


def test_a_flattened_blob_is_the_memory_of_its_bottom():
    flat, dense = layer("f", "Flatten", "c"), layer("ip", "InnerProduct", "f", more=DENSE)
    net = caffe_net(data("2 3 9 8"), conv("c", "data"), flat, dense)
    net.forward(data=X)
    edited = values(net.blobs["c"].shape, 3)
    net.blobs["f"].data[...] = edited.reshape(2, -1)
    np.testing.assert_array_equal(net.blobs["c"].data, edited)
    weights, bias = (blob.data for blob in net.params["ip"])
    expected = edited.reshape(2, -1) @ weights.T + bias
    np.testing.assert_allclose(net.forward(start="ip")["ip"], expected, atol=1e-4)


@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
def test_a_part_of_the_loss_is_not_inside_a_group(phase):
    part = layer("c", "Convolution", "data", more="loss_weight: 2 convolution_param { num_output: 4 kernel_size: 3 }")
    net = caffe.load_caffe((data("2 3 9 8") + part + layer("r", "ReLU", "c", "c")).encode(), phase=phase, seed=0)
    assert net.forward(data=X)["c"].min() == 0


def test_values_that_are_written_stay_when_gradients_are_looked_at(net):
    net.forward(data=X)
    edited = values((2, 4, 7, 6), 3)
    net.blobs["c"].data[...] = edited
    net.blobs["fc"].diff[...] = ones = np.ones((2, 5), np.float32)
    np.testing.assert_array_equal(net.blobs["c"].data, edited)
    net.backward(start="fc")
    np.testing.assert_allclose(net.params["fc"][0].diff, ones.T @ edited.reshape(2, -1), atol=1e-4)


@pytest.mark.parametrize("looked", [False, True])
def test_a_run_backward_reads_the_present_weights(looked):
    """Those that are packed for the gradient of a bottom, though the run forward packed them before."""
    text = data("2 3 9 8") + conv("c", "data") + conv("d", "c", outputs=8) + layer("s", "Reduction", "d", more=LOSS)
    net = caffe.load_caffe(text.encode(), phase="TRAIN", seed=1)
    weights = net.params["d"][0].data
    weights[...] = values(weights.shape, 2)
    net.forward(data=X)
    if looked:
        _ = net.blobs["c"].diff
        net.forward(data=X)
    net.backward()
    once = net.params["c"][0].diff.copy()
    net.clear_param_diffs()
    net.forward(data=X)
    weights *= 2
    net.backward()
    np.testing.assert_allclose(net.params["c"][0].diff, 2 * once, rtol=1e-3, atol=1e-4 * np.abs(once).max())
