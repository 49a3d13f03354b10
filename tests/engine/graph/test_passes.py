"""The other passes: the input's mean and scale, Dropout and what changes nothing, dead layers, running in place."""

from __future__ import annotations

import numpy as np
import pytest
from reference.caffe_graphs import conv, data, give_weights, graph_of, layer, names, optimised, types

from caffe64.engine.graph.frontends.caffe.build import build_graph
from caffe64.engine.graph.frontends.caffe.write import graph_message
from caffe64.engine.graph.passes.optimize import Passes
from caffe64.engine.graph.passes.preparation import Preparation
from caffe64.errors import InputError, UsageError

BIAS = "bias_term: true"
MEAN = Preparation((104.0, 117.0, 123.0), 0.017)
IN_PLACE = "run in place"


# -------------------------------------------------------------------------------------------- input mean and scale
@pytest.mark.parametrize(
    "first",
    [
        conv("c", "data"),
        conv("c", "data", more=BIAS),
        conv("c", "data", more=BIAS + " stride: 2 dilation: 2"),
        layer("c", "Convolution", "data", "c", "convolution_param { num_output: 6 kernel_size: 2 group: 3 }"),
        layer("c", "InnerProduct", "data", "c", "inner_product_param { num_output: 5 }"),
        layer("c", "InnerProduct", "data", "c", "inner_product_param { num_output: 5 transpose: true }"),
    ],
)
def test_mean_and_scale_go_into_the_first_layer(first):
    smaller, reports = optimised(graph_of(data("2 3 7 6"), first), prepared={"data": MEAN})
    assert len(smaller.nodes) == 2
    assert reports["fold input"].inputs == ["'data': raw values; (x - mean) * scale is done by the net from now on"]


def test_the_bias_is_counted_once():
    graph = graph_of(data(), conv("c", "data", more=BIAS))
    weights, bias = (blob.astype(float) for blob in graph.nodes[1].weights)
    smaller, _ = optimised(graph, prepared={"data": MEAN})
    expected = bias - 0.017 * np.einsum("ocij,c->o", weights, MEAN.mean)
    np.testing.assert_allclose(smaller.nodes[1].weights[1], expected, rtol=1e-6)


@pytest.mark.parametrize("pad", ["pad: 1", "pad_h: 0 pad_w: 2"])
def test_with_padding_the_mean_becomes_a_bias_layer(pad):
    smaller, reports = optimised(graph_of(data(), conv("c", "data", more=pad)), prepared={"data": MEAN})
    assert types(smaller) == ["Input", "Bias", "Convolution"]
    assert "since 'c' pads its input" in reports["fold input"].changes[0]


def test_a_scale_alone_folds_with_any_padding():
    graph = graph_of(data(), conv("c", "data", more="pad: 1"))
    smaller, _ = optimised(graph, prepared={"data": Preparation((), 0.017)})
    assert types(smaller) == ["Input", "Convolution"]


def test_all_first_layers_are_folded():
    smaller, _ = optimised(graph_of(data(), conv("c", "data"), conv("d", "data")), prepared={"data": MEAN})
    assert types(smaller) == ["Input", "Convolution", "Convolution"]


SHARED = 'param { name: "w" } convolution_param { num_output: 3 kernel_size: 1 bias_term: false }'


@pytest.mark.parametrize(
    ("layers", "reason"),
    [
        ([conv("c", "data"), layer("r", "ReLU", "data")], "'r' (ReLU) has no weights to take it"),
        ([layer("p", "Power", "data", "p", "power_param { power: 2 }")], "'p' (Power) has no weights to take it"),
        (
            [layer("c", "Convolution", "data", "c", SHARED), layer("d", "Convolution", "data", "d", SHARED)],
            "'c' shares weights with 'd'",
        ),
    ],
)
def test_readers_that_cannot_take_it_see_a_scale_layer(layers, reason):
    smaller, reports = optimised(graph_of(data(), *layers), prepared={"data": MEAN})
    assert types(smaller)[:2] == ["Input", "Scale"]
    assert reason in reports["fold input"].left[0]


def test_one_channel_and_one_mean_for_all():
    for shape, mean in (("2 1 5 5", (33.0,)), ("2 4 5 5", (33.0,))):
        smaller, _ = optimised(graph_of(data(shape), conv("c", "data")), prepared={"data": Preparation(mean, 0.5)})
        assert len(smaller.nodes) == 2


def test_folded_values_leave_the_nets_transform_parameters():
    more = "transform_param { scale: 0.017 mean_value: 104 crop_size: 6 } data_param { batch_size: 2 }"
    graph = graph_of(
        layer("data", "Data", "", "data label", more), conv("c", "data"), layer("s", "Silence", "label", "")
    )
    smaller, _ = optimised(
        graph, Passes(inputs={"data": Preparation((104.0,), 0.017)}), prepared=None, tolerance=np.inf
    )
    transform = graph_message(smaller).layer[0].transform_param
    assert (transform.crop_size, transform.HasField("scale"), len(transform.mean_value)) == (6, False, 0)


def test_wrong_means_and_inputs_are_refused():
    graph = graph_of(data(), conv("c", "data"))
    with pytest.raises(UsageError, match=r"the mean has 2 numbers, and the input 'data'.* one for each of 3 channels"):
        optimised(graph, prepared={"data": Preparation((1.0, 2.0))})
    with pytest.raises(InputError, match="has no input 'image', expected 'data'"):
        optimised(graph, Passes(inputs={"image": MEAN}))


# ------------------------------------------------------------------------------------------------- what does nothing
@pytest.mark.parametrize(
    "layers",
    [
        [layer("x", "Dropout", "c", "c")],
        [layer("x", "Dropout", "c", "d"), layer("r", "ReLU", "d")],
        [layer("x", "Dropout", "c", "d"), layer("r", "ReLU", "d", "r"), layer("t", "TanH", "c")],
        [layer("x", "Split", "c", "d e"), layer("r", "ReLU", "d", "r"), layer("t", "TanH", "e")],
        [
            layer("x", "Reshape", "c", "d", "reshape_param { shape { dim: 0 dim: -1 dim: 5 dim: 4 } }"),
            layer("r", "ReLU", "d"),
        ],
        [layer("x", "Power", "c", "d"), layer("r", "ReLU", "d")],
        [layer("x", "Concat", "c", "d"), layer("r", "ReLU", "d")],
    ],
)
def test_layers_that_change_nothing_go(layers):
    smaller, _ = optimised(graph_of(data(), conv("c", "data"), *layers))
    assert "x" not in names(smaller)


def test_scale_by_one_goes():
    graph = graph_of(
        data(), layer("s", "Scale", "data", "s", "scale_param { bias_term: true }"), layer("r", "ReLU", "s")
    )
    graph.nodes[1].weights = [np.ones(3, np.float32), np.zeros(3, np.float32)]
    assert types(optimised(graph)[0]) == ["Input", "ReLU"]


def test_a_second_top_of_its_producer_keeps_its_position():
    slices = layer("s", "Slice", "data", "a b", "slice_param { axis: 2 slice_point: 3 }")
    smaller, _ = optimised(
        graph_of(data(), slices, layer("x", "Dropout", "b", "d"), layer("r", "ReLU", "d"), layer("t", "TanH", "a"))
    )
    assert sorted(blob.name for blob in smaller.outputs) == ["r", "t"]


def test_outputs_keep_their_names():
    smaller, _ = optimised(graph_of(data(), conv("c", "data"), layer("x", "Dropout", "c", "wanted")))
    assert types(smaller) == ["Input", "Convolution"]
    assert [blob.name for blob in smaller.outputs] == ["wanted"]
    smaller, reports = optimised(graph_of(data(), layer("x", "Dropout", "data", "wanted")))
    assert types(smaller) == ["Input", "Dropout"]
    assert "its output 'wanted' is one of the net's" in reports["drop Dropout"].left[0]


def test_training_keeps_dropout():
    smaller, reports = optimised(
        graph_of(data(), conv("c", "data"), layer("x", "Dropout", "c", "d"), phase="TRAIN"), tolerance=np.inf
    )
    assert "Dropout" in types(smaller)
    assert "drops at random" in reports["drop Dropout"].left[0]


def test_dead_layers_go():
    layers = conv("c", "data"), conv("d", "data"), layer("q", "Silence", "d", ""), layer("r", "ReLU", "c")
    smaller, _ = optimised(graph_of(data(), *layers))
    assert names(smaller) == ["data", "c", "r"]


def test_a_silence_stays_for_a_top_of_a_layer_that_stays():
    parts = layer("s", "Slice", "data", "a b", "slice_param { axis: 1 slice_point: 1 }")
    graph = graph_of(data(), parts, conv("c", "b"), conv("d", "data"), layer("q", "Silence", "a d", ""))
    smaller, _ = optimised(graph)
    assert names(smaller) == ["data", "s", "c", "q"]
    assert [blob.name for blob in smaller.outputs] == ["c"]


INPUTS = layer(
    "in", "Input", "", "label data", "input_param { shape { dim: 7 } shape { dim: 2 dim: 3 dim: 7 dim: 6 } }"
)


@pytest.mark.parametrize("kind", ["Silence", "HDF5Output"])
def test_a_net_without_outputs_is_refused(kind):
    graph = graph_of(data(), conv("c", "data"), layer("q", kind, "c data", ""))
    with pytest.raises(InputError, match="has no output, so that nothing of it is needed, expected a blob that no"):
        optimised(graph)


@pytest.mark.parametrize("reader", ["", layer("q", "Silence", "label", "")])
def test_inputs_that_nothing_reads_go(reader):
    smaller, reports = optimised(graph_of(INPUTS, conv("c", "data"), reader))
    assert [blob.name for blob in (*smaller.inputs, *smaller.outputs)] == ["data", "c"]
    assert [list(shape.dim) for shape in graph_message(smaller).layer[0].input_param.shape] == [[2, 3, 7, 6]]
    assert reports["drop dead layers"].changes[-1] == "the input 'label', which nothing reads"
    again = build_graph(graph_message(smaller))
    assert [blob.name for blob in again.inputs] == ["data"]


def test_a_given_shape_of_an_input_that_goes_is_accepted():
    graph = graph_of(data("7", "label"), data(), conv("c", "data"))
    smaller, _ = optimised(graph, inputs={"label": (9,), "data": (1, 3, 8, 8)})
    assert types(smaller) == ["Input", "Convolution"]


def test_inputs_that_something_reads_stay_and_so_do_those_of_a_net_without_anything_else():
    twice = layer("e", "Eltwise", "data other", "e")
    assert names(optimised(graph_of(data(), data(name="other"), twice))[0]) == ["data", "other", "e"]
    assert names(optimised(graph_of(data()))[0]) == ["data"]


def test_labels_of_a_data_layer_stay():
    """Its tops go by their places."""
    more = "data_param { batch_size: 2 } transform_param { crop_size: 6 }"
    smaller, _ = optimised(graph_of(layer("d", "Data", "", "data label", more), conv("c", "data")))
    assert [blob.name for blob in smaller.inputs] == ["data", "label"]


def test_wanted_outputs_decide_what_is_dead():
    graph = graph_of(data(), conv("c", "data"), layer("r", "ReLU", "c"), layer("t", "TanH", "r"))
    from caffe64.engine.graph.passes.optimize import optimize_graph

    smaller, _ = optimize_graph(graph, Passes(outputs=["r"]))
    assert names(smaller) == ["data", "c", "r"]
    both = graph_of(data(), data(name="e"), conv("c", "data"), conv("d", "e"))
    assert names(optimize_graph(both, Passes(outputs=["d"]))[0]) == ["e", "d"]
    assert names(
        optimize_graph(graph_of(data("7", "label"), data(), conv("c", "data")), Passes(outputs=["c", "label"]))[0]
    ) == ["label", "data", "c"]
    with pytest.raises(InputError, match="has no blob 'nowhere'"):
        optimize_graph(graph, Passes(outputs=["nowhere"]))


# ---------------------------------------------------------------------------------------------------------- in place
@pytest.mark.parametrize(
    "kind", ["ReLU", "TanH", "Sigmoid", "PReLU", "ELU", "Softmax", "BatchNorm", "Scale", "Exp", "BNLL", "Swish", "Bias"]
)
def test_layers_run_in_place(kind):
    pool = layer("p", "Pooling", "data", "p", "pooling_param { kernel_size: 2 }")
    smaller, _ = optimised(graph_of(data(), pool, layer("x", kind, "p", "x"), layer("q", "Concat", "x x", "q")))
    x = smaller.nodes[2]
    assert x.bottoms[0].name == x.tops[0].name == "p"


def test_an_output_passes_its_name_up():
    graph = graph_of(data(), conv("c", "data"), layer("r", "ReLU", "c", "c"), layer("s", "Softmax", "c", "prob"))
    smaller, _ = optimised(graph)
    assert [blob.name for blob in smaller.outputs] == ["prob"]
    assert [node.tops[0].name for node in smaller.nodes] == ["data", "prob", "prob", "prob"]


def test_a_convolution_does_not_give_a_blob_of_another_layers_name():
    """Caffe would take it, OpenCV's reader does not."""
    smaller, reports = optimised(graph_of(data(), conv("c", "data"), layer("prob", "Softmax", "c")))
    assert [node.tops[0].name for node in smaller.nodes] == ["data", "c", "prob"]
    assert reports[IN_PLACE].left == ["Softmax 'prob': 'c' would give 'prob', which is the name of a layer"]


@pytest.mark.parametrize(
    ("layers", "reason"),
    [
        ([layer("r", "ReLU", "data")], "reads the input 'data'"),
        ([conv("c", "data"), layer("r", "TanH", "c"), layer("e", "Eltwise", "c r")], "'c' is also read by 'e'"),
        (
            [
                conv("c", "data"),
                layer("f", "Flatten", "c"),
                layer("r", "TanH", "f"),
                layer("e", "Power", "c", "e", "power_param { power: 2 }"),
            ],
            "'f' shares its memory",
        ),
    ],
)
def test_what_does_not_run_in_place(layers, reason):
    _, reports = optimised(graph_of(data(), *layers))
    assert any(reason in line for line in reports[IN_PLACE].left), reports[IN_PLACE].left


def test_not_when_training():
    _, reports = optimised(graph_of(data(), conv("c", "data"), layer("r", "ReLU", "c"), phase="TRAIN"))
    assert reports[IN_PLACE].left == ["ReLU 'r': gradients may need what it would overwrite"]


# ------------------------------------------------------------------------------------------- from and to messages
def test_a_graph_survives_its_message():
    layers = (
        conv("c", "data"),
        layer("r", "ReLU", "c", "c"),
        layer("d", "Dropout", "c", "d"),
        layer("s", "Softmax", "d"),
    )
    graph = graph_of(data(), *layers)
    again = build_graph(graph_message(graph))
    give_weights(again)
    assert names(again) == names(graph)
    assert graph_message(again) == graph_message(graph)


def test_ambiguous_names_are_numbered():
    graph = graph_of(data(), conv("c", "data"), layer("r", "ReLU", "c"), layer("t", "TanH", "c"))
    graph.nodes[3].tops[0].name = "r"
    message = graph_message(graph)
    assert [list(each.top) for each in message.layer] == [["data"], ["c"], ["r"], ["r_2"]]
    build_graph(message)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([layer("r", "ReLU", "x")], "reads the blob 'x', expected one that an earlier layer gives (no layer gives it)"),
        ([layer("r", "ReLU", "t"), layer("t", "TanH", "data")], "'t' gives it, but stands later in the file"),
        (
            [layer("r", "ReLU", "data", "t"), layer("t", "TanH", "data")],
            "gives the blob 't', which another layer gives",
        ),
        (
            [layer("r", "ReLU", "data", "r"), layer("t", "TanH", "data", "data")],
            "overwrites 'data', which 'r' reads too",
        ),
        ([layer("r", "Nonsense", "data")], "layers of types that are not supported: 'r' (Nonsense)"),
        ([layer("r", "ReLU", "data data", "r")], "has 2 bottoms, expected 1"),
    ],
)
def test_nets_that_caffe_refuses(layers, message):
    with pytest.raises(InputError) as caught:
        graph_of(data(), *layers)
    assert message in str(caught.value)
