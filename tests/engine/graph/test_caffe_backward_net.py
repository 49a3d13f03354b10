"""Gradients through whole nets: branches, shared weights, losses, what is needed, and the Python interface."""

from __future__ import annotations

import numpy as np
import pytest
from reference.caffe_graphs import conv, data, graph_of, layer

from caffe64 import CaffeNet, UsageError, load_caffe
from caffe64.engine.graph.analysis.need_backward import find_needs
from caffe64.errors import InputError

FORCE = "force_backward: true\n"
INPUT = data("4 3 7 6")
LABEL = data("4", "label")
FROZEN = "param { lr_mult: 0 } param { lr_mult: 0 }"


def dense(name, bottom, outputs=5, more=""):
    return layer(name, "InnerProduct", bottom, more=f"inner_product_param {{ num_output: {outputs} }} {more}")


def loss(bottom, name="loss", more=""):
    return layer(name, "SoftmaxWithLoss", f"{bottom} label", more=more)


def net_of(*layers, phase="TRAIN"):
    return CaffeNet(graph_of(*layers, phase=phase))


def values(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


X, LABELS = values((4, 3, 7, 6)), np.float32([0, 3, 1, 3])


def run(net):
    """The gradients of the inputs after a run forward and backward, and those of all weights."""
    given = {"data": X, "label": LABELS}
    net.forward(**{name: given[name] for name in net.inputs})
    inputs = net.backward()
    return inputs, {name: [blob.diff.copy() for blob in blobs] for name, blobs in net.params.items()}


def node_names(net, *seeds):
    blobs = {blob.name: blob for blob in net.graph.outputs}
    return [node.name for node in find_needs(net.graph, [blobs[seed] for seed in seeds])]


def close(actual, expected, tolerance=1e-5):
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * np.abs(expected).max())


# ----------------------------------------------------------------------------------------- branches, shared weights
BRANCHES = (
    layer("once", "Power", "data", more="power_param { scale: 2 }"),
    layer("twice", "Power", "data", more="power_param { scale: 3 }"),
)


def test_readers_of_a_blob_add_up_their_gradients():
    net = net_of(FORCE, INPUT, *BRANCHES, layer("sum", "Eltwise", "once twice data data"))
    net.forward(data=X)
    top = values(X.shape, 1)
    close(net.backward(sum=top)["data"], 7 * top)
    close(net.backward(sum=top)["data"], 7 * top)


def test_views_of_a_blob_that_others_read_have_gradients_of_their_own():
    flat, more = layer("flat", "Flatten", "data"), layer("more", "Flatten", "once")
    net = net_of(FORCE, INPUT, flat, *BRANCHES, more, layer("sum", "Eltwise", "flat more"))
    net.forward(data=X)
    top, twice = values((4, 126), 1), values(X.shape, 2)
    close(net.backward(sum=top, twice=twice)["data"], 3 * top.reshape(X.shape) + 3 * twice)


def test_layers_that_share_weights_share_the_gradient():
    shared = 'param { name: "w" } param { name: "b" }'
    layers = dense("one", "data", 126), dense("two", "one", 126), loss("two")
    apart = net_of(INPUT, LABEL, *layers)
    texts = dense("one", "data", 126, shared), dense("two", "one", 126, shared), loss("two")
    together = net_of(INPUT, LABEL, *texts)
    for ours, theirs in zip(apart.graph.nodes, together.graph.nodes, strict=True):
        ours.weights = [blob.copy() for blob in theirs.weights]
    _, expected = run(apart)
    _, found = run(together)
    for number in (0, 1):
        close(found["one"][number], expected["one"][number] + expected["two"][number])
    assert np.shares_memory(together.params["one"][0].diff, together.params["two"][0].diff)


def test_in_place_layers_give_the_gradients_of_layers_that_are_not():
    def net(names):
        tops = iter(names.split())
        chain, bottom = [conv("c", "data")], "c"
        for kind in ("BatchNorm", "Scale", "ReLU", "TanH", "Dropout", "Power"):
            more = "power_param { power: 2 }" if kind == "Power" else ""
            top = next(tops)
            chain.append(layer(kind, kind, bottom, top, more))
            bottom = top
        made = net_of(FORCE, INPUT, LABEL, *chain, dense("ip", bottom), loss("ip"))
        return run(made)

    inputs, weights = net("c c c c c c")
    expected_inputs, expected_weights = net("b s r t d p")
    np.testing.assert_array_equal(inputs["data"], expected_inputs["data"])
    for name, arrays in expected_weights.items():
        for actual, expected in zip(weights[name], arrays, strict=True):
            np.testing.assert_array_equal(actual, expected)
    assert np.abs(inputs["data"]).max() > 0


# ---------------------------------------------------------------------------------------------------------- losses
def test_weight_gradients_add_up_and_others_do_not():
    net = net_of(FORCE, INPUT, LABEL, dense("ip", "data"), loss("ip"))
    inputs, once = run(net)
    again = net.backward()
    np.testing.assert_array_equal(again["data"], inputs["data"])
    close(net.params["ip"][0].diff, 2 * once["ip"][0])
    net.clear_param_diffs()
    assert not net.params["ip"][0].diff.any()
    net.backward()
    np.testing.assert_array_equal(net.params["ip"][0].diff, once["ip"][0])
    net.reshape(data=(2, 3, 7, 6), label=(2,))
    np.testing.assert_array_equal(net.params["ip"][0].diff, once["ip"][0])


def test_losses_are_weighted():
    one, other = dense("one", "data"), dense("other", "data")
    _, plain = run(net_of(INPUT, LABEL, one, other, loss("one", "a"), loss("other", "b")))
    texts = one, other, loss("one", "a", "loss_weight: 0.5"), loss("other", "b", "loss_weight: -2")
    _, weighted = run(net_of(INPUT, LABEL, *texts))
    close(weighted["one"][0], 0.5 * plain["one"][0])
    close(weighted["other"][0], -2 * plain["other"][0])


def test_any_top_may_be_a_loss_also_one_that_is_read():
    total = layer("total", "Reduction", "data", more="loss_weight: 3")
    net = net_of(FORCE, INPUT, total, layer("double", "Power", "total", more="power_param { scale: 2 } loss_weight: 1"))
    net.forward(data=X)
    for _ in range(2):
        close(net.backward()["data"], np.full(X.shape, 5))


def test_a_loss_without_a_top_is_a_loss():
    text = 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" }'
    _, named = run(net_of(INPUT, LABEL, dense("ip", "data"), loss("ip")))
    _, found = run(net_of(INPUT, LABEL, dense("ip", "data"), text))
    assert found["ip"][0].any()
    np.testing.assert_array_equal(found["ip"][0], named["ip"][0])


def test_a_wrong_number_of_loss_weights_is_refused():
    with pytest.raises(
        InputError, match=r"layer 'loss' .* has 2 loss_weight for 1 tops, expected none, or one per top"
    ):
        find_needs(graph_of(INPUT, LABEL, dense("ip", "data"), loss("ip", more="loss_weight: 1 loss_weight: 1")))


# ------------------------------------------------------------------------------------------------- what is needed
TWO = (INPUT, LABEL, dense("one", "data"), layer("relu", "ReLU", "one"))


def test_nothing_runs_backward_that_leads_to_no_loss_or_has_nothing_to_learn():
    extra = dense("extra", "data"), layer("accuracy", "Accuracy", "two label")
    net = net_of(*TWO, dense("two", "relu"), *extra, loss("two"))
    assert node_names(net) == ["one", "relu", "two", "loss"]
    assert node_names(net, "extra") == ["one", "relu", "two", "extra", "loss"]
    frozen = net_of(
        INPUT, LABEL, dense("one", "data", more=FROZEN), layer("relu", "ReLU", "one"), dense("two", "relu"), loss("two")
    )
    assert node_names(frozen) == ["two", "loss"]
    forced = net_of(FORCE, INPUT, LABEL, dense("one", "data", more=FROZEN), layer("top", "ArgMax", "one"), loss("one"))
    assert node_names(forced) == ["one", "loss"]


def test_only_weights_that_learn_get_a_gradient():
    rates = "param { lr_mult: 0 } param { lr_mult: 2 }"
    _, weights = run(net_of(INPUT, LABEL, dense("ip", "data", more=rates), loss("ip")))
    assert not weights["ip"][0].any()
    assert weights["ip"][1].any()


def test_propagate_down_stops_a_gradient():
    net = net_of(*TWO, dense("two", "relu", more="propagate_down: false"), loss("two"))
    assert node_names(net) == ["two", "loss"]
    assert not run(net)[1]["one"][0].any()
    net = net_of(*TWO, dense("two", "relu", more="propagate_down: false propagate_down: true"), loss("two"))
    with pytest.raises(
        InputError, match=r"'two' .* has 2 propagate_down for 1 bottoms, expected none, or one per bottom"
    ):
        node_names(net)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([layer("t", "Threshold", "one"), loss("t")], "layer 't' .* has no gradient, and one is asked for through it"),
        ([loss("relu"), layer("l", "ArgMax", "one", more="loss_weight: 1")], "layer 'l' .* has no gradient"),
        (
            [layer("n", "Normalize", "data"), dense("ip", "n"), loss("ip")],
            "layer 'n' .* has no gradient, and one is asked for of its weights, expected a layer .* or lr_mult: 0",
        ),
        (
            [layer("max", "Reduction", "one", more="reduction_param { axis: 1 }"), 'layer { name: "x" type: '
             '"SoftmaxWithLoss" bottom: "relu" bottom: "max" top: "x" }'],
            "layer 'x' .* gives no gradient to 'max', and one is asked for, expected propagate_down: false",
        ),
    ],
)  # fmt: skip
def test_a_gradient_that_there_is_not_is_refused(layers, message):
    with pytest.raises(InputError, match=message):
        find_needs(graph_of(*TWO, *layers))


def test_a_parameter_layer_learns():
    parameter = layer("p", "Parameter", "", "p", "parameter_param { shape { dim: 3 } }")
    graph = graph_of(FORCE, INPUT, parameter, layer("y", "Bias", "data p"))
    net = CaffeNet(graph)
    net.forward(data=X)
    top = values(X.shape, 1)
    net.backward(y=top)
    close(net.params["p"][0].diff, top.sum(axis=(0, 2, 3)))


# ------------------------------------------------------------------------------------------- the Python interface
def test_diffs_may_be_given_or_written():
    net = net_of(FORCE, INPUT, dense("ip", "data"))
    net.forward(data=X)
    top = values((4, 5))
    given = net.backward(ip=top)["data"]
    close(given, (top @ net.params["ip"][0].data).reshape(X.shape))
    net.blobs["ip"].diff[...] = 2 * top
    close(net.backward()["data"], 2 * given)
    np.testing.assert_array_equal(net.blobs["data"].diff, net.backward()["data"])


def test_the_gradient_of_a_maximum_goes_where_it_was_in_the_run_forward():
    net = net_of(FORCE, INPUT, layer("y", "Pooling", "data", more="pooling_param { kernel_size: 3 stride: 2 }"))
    net.forward(data=X)
    ones = np.ones(net.blobs["y"].shape)
    expected = net.backward(y=ones)["data"]
    net.forward(data=X)
    net.blobs["data"].data[...] = 1e9
    np.testing.assert_array_equal(net.backward(y=ones)["data"], expected)


def test_a_maximum_of_a_region_that_was_written_over_has_no_gradient():
    more = "roi_pooling_param { pooled_h: 2 pooled_w: 3 }"
    net = net_of(FORCE, INPUT, data("2 5", "rois"), layer("y", "ROIPooling", "data rois", more=more))
    net.forward(data=X, rois=values((2, 5), 1) ** 2)
    net.blobs["data"].data[...] = 1e9
    assert not net.backward(y=np.ones(net.blobs["y"].shape))["data"].any()


def test_places_of_a_pooling_that_were_written_over_have_no_gradient():
    pool = layer("max", "Pooling", "data", "max places", "pooling_param { kernel_size: 2 stride: 2 }")
    net = net_of(FORCE, data("4 3 8 6"), pool, layer("y", "Upsample", "max places"))
    net.forward(data=values((4, 3, 8, 6)))
    net.blobs["places"].data[:2] = 1e9
    found = net.backward(y=np.ones((4, 3, 8, 6)))["data"]
    assert not found[:2].any()
    assert found[2:].any()


def test_places_that_were_written_over_are_refused():
    net = net_of(FORCE, data("4 3 4 3", "max"), data("4 3 4 3", "places"), layer("y", "Upsample", "max places"))
    net.forward(max=values((4, 3, 4, 3)), places=np.zeros((4, 3, 4, 3)))
    net.blobs["places"].data[...] = 1e9
    with pytest.raises(InputError, match=r"'places' holds 1e\+09 at position 0, expected an index of the 48 pixels"):
        net.backward(y=np.ones((4, 3, 8, 6)))


def test_gradients_that_cannot_be_had():
    net = net_of(INPUT, LABEL, dense("ip", "data"), loss("ip"))
    with pytest.raises(UsageError, match="backward needs a forward before it"):
        net.backward()
    net.forward(data=X, label=LABELS)
    with pytest.raises(UsageError, match=r"a diff of 'ip', the net's outputs are \['loss'\]"):
        net.backward(ip=values((4, 5)))
    with pytest.raises(UsageError, match=r"the diff of 'loss' has the shape \(2,\), the output \(\)"):
        net.backward(loss=[1, 2])
    with pytest.raises(UsageError, match="'data' has no gradient: nothing that leads to a loss needs one"):
        _ = net.blobs["data"].diff


def test_force_backward_as_an_option(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(INPUT + dense("ip", "data"))
    net = load_caffe(path, force_backward=True)
    net.forward(data=X)
    assert net.backward(ip=np.ones((4, 5)))["data"].shape == X.shape
    assert load_caffe(path).graph.force_backward is False


def test_gradients_of_a_training_net_lead_downhill():
    """A net with batch statistics, a residual and dropout learns four rows by plain steps down its gradient."""
    net = net_of(
        INPUT, LABEL, conv("c", "data"), layer("bn", "BatchNorm", "c"), layer("s", "Scale", "bn"),
        layer("r", "ReLU", "s", "s"), conv("d", "s", more="pad: 1"), layer("sum", "Eltwise", "s d"),
        layer("pool", "Pooling", "sum", more="pooling_param { kernel_size: 2 stride: 2 }"),
        layer("drop", "Dropout", "pool", "pool", "dropout_param { dropout_ratio: 0.1 }"),
        dense("ip", "pool"), loss("ip"),
    )  # fmt: skip
    losses = []
    for _ in range(40):
        losses.append(float(net.forward(data=X, label=LABELS)["loss"]))
        net.clear_param_diffs()
        net.backward()
        for blobs in net.params.values():
            for blob in blobs:
                blob.data[...] -= 0.05 * blob.diff
    assert losses[-1] < 0.1 * losses[0]
    assert net.params["bn"][2].data > 30  # its running statistics went on as well
