"""BatchNorm, Scale and Bias go into the layers before them, where that is right; everywhere else they stay."""

from __future__ import annotations

import numpy as np
import pytest
from reference.caffe_graphs import conv, data, graph_of, layer, names, optimised, types

SCALE = "scale_param { bias_term: true }"
SHARED = 'param { name: "w" } convolution_param { num_output: 4 kernel_size: 3 bias_term: false }'
FOLD, MERGE = "fold BatchNorm and Scale", "merge BatchNorm and Scale"


def deconv(more):
    return layer("c", "Deconvolution", "data", "c", f"convolution_param {{ {more} }}")


def inner(more):
    return layer("c", "InnerProduct", "data", "c", f"inner_product_param {{ {more} }}")


def left(reports):
    return " ".join(reports[FOLD].left + reports["fold into the next layer"].left)


@pytest.mark.parametrize(
    "producer",
    [
        conv("c", "data"),
        conv("c", "data", more="bias_term: true pad: 1 stride: 2"),
        conv("c", "data", outputs=6, more="group: 3"),
        conv("c", "data", outputs=3, more="group: 3 bias_term: false"),
        layer(
            "c", "Deconvolution", "data", "c", "convolution_param { num_output: 6 kernel_size: 2 stride: 2 group: 3 }"
        ),
        layer("c", "Deconvolution", "data", "c", "convolution_param { num_output: 5 kernel_size: 3 bias_term: false }"),
        layer("c", "InnerProduct", "data", "c", "inner_product_param { num_output: 5 }"),
        layer(
            "c", "InnerProduct", "data", "c", "inner_product_param { num_output: 5 transpose: true bias_term: false }"
        ),
    ],
)
def test_into_each_kind_of_producer(producer):
    chain = layer("b", "BatchNorm", "c", "b", "batch_norm_param { eps: 0.1 }"), layer("s", "Scale", "b", "s", SCALE)
    smaller, reports = optimised(graph_of(data(), producer, *chain, layer("r", "ReLU", "s")))
    assert names(smaller) == ["data", "c", "r"]
    assert reports[FOLD].changes == [f"BatchNorm 'b', Scale 's' into {smaller.nodes[1].type} 'c'"]
    assert len(smaller.nodes[1].weights) == 2


@pytest.mark.parametrize(
    "chain",
    [
        [layer("b", "BatchNorm", "c", "c")],
        [layer("b", "BatchNorm", "c", "c"), layer("s", "Scale", "c", "c", SCALE)],
        [layer("s", "Scale", "c", "c")],
        [layer("s", "Bias", "c", "c")],
        [layer("s", "Scale", "c", "c", "scale_param { axis: 1 num_axes: 0 bias_term: true }")],
        [layer("s", "Scale", "c", "c", "scale_param { axis: -3 }")],
        [layer("p", "Power", "c", "d", "power_param { scale: 2 shift: 3 }"), layer("b", "BatchNorm", "d", "e")],
        [layer("s", "Bias", "c", "d"), layer("b", "BatchNorm", "d", "e"), layer("t", "Scale", "e", "e", SCALE)],
        [layer("d", "Dropout", "c", "c"), layer("b", "BatchNorm", "c", "e")],
    ],
)
def test_each_chain_in_place_or_not(chain):
    smaller, _ = optimised(graph_of(data(), conv("c", "data"), *chain))
    assert types(smaller) == ["Input", "Convolution"]


def test_the_output_keeps_its_name():
    smaller, _ = optimised(graph_of(data(), conv("c", "data"), layer("b", "BatchNorm", "c", "wanted")))
    assert [blob.name for blob in smaller.outputs] == ["wanted"]


def test_a_scale_factor_of_zero_means_no_mean_and_no_variance():
    graph = graph_of(data(), conv("c", "data"), layer("b", "BatchNorm", "c", "b", "batch_norm_param { eps: 0.04 }"))
    graph.nodes[2].weights[2] = np.zeros(1, np.float32)
    before = graph.nodes[1].weights[0]
    smaller, _ = optimised(graph)
    np.testing.assert_allclose(smaller.nodes[1].weights[0], before / 0.2, rtol=1e-6)
    np.testing.assert_array_equal(smaller.nodes[1].weights[1], 0)


def test_a_new_bias_does_not_come_from_its_filler():
    more = 'bias_term: false bias_filler { type: "constant" value: 0.7 }'
    graph = graph_of(data(), conv("c", "data", more=more), layer("s", "Scale", "c"))
    smaller, _ = optimised(graph)
    np.testing.assert_array_equal(smaller.nodes[1].weights[1], 0)


def test_weights_are_rounded_once():
    graph = graph_of(data(), conv("c", "data"), layer("b", "BatchNorm", "c"), layer("s", "Scale", "b", "s", SCALE))
    weights, (mean, variance, factor), (gamma, _) = (node.weights for node in graph.nodes[1:])
    smaller, _ = optimised(graph)
    mean, variance = mean.astype(float) / float(factor[0]), variance.astype(float) / float(factor[0])
    expected = weights[0].astype(float) * (gamma / np.sqrt(variance + np.float64(np.float32(1e-5)))).reshape(
        -1, 1, 1, 1
    )
    np.testing.assert_array_equal(smaller.nodes[1].weights[0], expected.astype(np.float32))


def test_edges_count_not_the_order_of_the_file():
    graph = graph_of(data(), conv("c1", "data"), conv("c2", "data"), layer("b", "BatchNorm", "c1"))
    untouched = graph.nodes[2].weights[0]
    smaller, _ = optimised(graph)
    assert names(smaller) == ["data", "c1", "c2"]
    np.testing.assert_array_equal(smaller.nodes[2].weights[0], untouched)
    assert not np.may_share_memory(smaller.nodes[2].weights[0], untouched)


def test_phase_copies_are_one_layer_after_filtering():
    train = layer("b", "BatchNorm", "c", "c", "include { phase: TRAIN }")
    test = layer("b", "BatchNorm", "c", "c", "include { phase: TEST }")
    smaller, reports = optimised(graph_of(data(), conv("c", "data"), train, test))
    assert types(smaller) == ["Input", "Convolution"]
    assert reports[FOLD].changes == ["BatchNorm 'b' into Convolution 'c'"]


# ------------------------------------------------------------------------------------- what is left alone, and why
@pytest.mark.parametrize(
    ("layers", "kept", "reason"),
    [
        (
            [conv("c", "data"), layer("b", "BatchNorm", "c"), layer("e", "Eltwise", "c b")],
            ["BatchNorm"],
            "'c' is also read by 'e'",
        ),
        (
            [conv("c", "data"), layer("s", "Scale", "c c", "s", "scale_param { axis: 0 }")],
            ["Scale"],
            "'s' takes its factors from a second bottom",
        ),
        (
            [
                layer("c", "Convolution", "data", "c", SHARED),
                layer("d", "Convolution", "data", "d", SHARED),
                layer("b", "BatchNorm", "c"),
            ],
            ["BatchNorm"],
            "'c' shares weights with 'd'",
        ),
        (
            [conv("c", "data"), layer("s", "Scale", "c", "s", "scale_param { axis: 2 }")],
            ["Scale"],
            "does not scale channels, but the shape [5] from axis 2 on",
        ),
        (
            [conv("c", "data"), layer("s", "Scale", "c", "s", "scale_param { num_axes: -1 }")],
            ["Scale"],
            "does not scale channels, but the shape [4, 5, 4]",
        ),
        (
            [conv("c", "data"), layer("b", "BatchNorm", "c", "b", "batch_norm_param { use_global_stats: false }")],
            ["BatchNorm"],
            "normalises by the statistics of each batch",
        ),
        ([layer("r", "ReLU", "data"), layer("b", "BatchNorm", "r")], ["BatchNorm"], "comes after ReLU 'r'"),
        ([layer("b", "BatchNorm", "data")], ["BatchNorm"], "comes after Input 'data'"),
        (
            [
                layer("c", "InnerProduct", "data", "c", "inner_product_param { num_output: 5 axis: 3 }"),
                layer("b", "BatchNorm", "c"),
            ],
            ["BatchNorm"],
            "the channels of 'c' are axis 3, not axis 1",
        ),
        (
            [
                layer("c", "Convolution", "data data2", "c d", "convolution_param { num_output: 4 kernel_size: 3 }"),
                layer("b", "BatchNorm", "c"),
            ],
            ["BatchNorm"],
            "'c' has 2 bottoms",
        ),
    ],
)
def test_what_is_left_alone(layers, kept, reason):
    text = [data(), data(name="data2")] if "data2" in "".join(layers) else [data()]
    smaller, reports = optimised(graph_of(*text, *layers))
    assert [kind for kind in types(smaller) if kind in ("BatchNorm", "Scale")] == kept
    assert reason in left(reports)


def test_a_scale_with_two_bottoms_ends_the_chain():
    layers = conv("c", "data"), layer("s", "Scale", "c factors", "s"), layer("b", "BatchNorm", "s")
    smaller, reports = optimised(graph_of(data(), data("4", "factors"), *layers))
    assert "BatchNorm" in types(smaller)
    assert "takes its factors from a second bottom" in left(reports)


def test_training_graphs_keep_their_batchnorm():
    graph = graph_of(data(), conv("c", "data"), layer("b", "BatchNorm", "c"), phase="TRAIN")
    smaller, reports = optimised(graph)
    assert types(smaller) == types(graph)
    assert "normalises by the statistics of each batch" in left(reports)


# -------------------------------------------------------------------------------------------- what cannot be folded
def test_batchnorm_and_scale_after_a_pooling_become_one_scale():
    pool = layer("p", "Pooling", "data", "p", "pooling_param { kernel_size: 2 }")
    chain = layer("b", "BatchNorm", "p", "p"), layer("s", "Scale", "p", "p", SCALE)
    smaller, reports = optimised(graph_of(data(), pool, *chain))
    assert names(smaller) == ["data", "p", "s"]
    assert types(smaller)[-1] == "Scale"
    assert reports[MERGE].changes == ["'b', 's' are one Scale 's'"]


def test_they_are_not_merged_across_another_reader():
    chain = layer("b", "BatchNorm", "data"), layer("s", "Scale", "b", "s", SCALE), layer("r", "ReLU", "b")
    smaller, _ = optimised(graph_of(data(), *chain))
    assert sorted(types(smaller)) == ["BatchNorm", "Input", "ReLU", "Scale"]
