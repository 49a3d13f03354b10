"""BatchNorm, Scale, Bias and Power before layers with weights: folded into them, or left with the reason."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.caffe_graphs import conv, data, graph_of, layer, names, optimised, types

FORWARD = "fold into the next layer"
POOL = layer("pool", "Pooling", "data", "pool", "pooling_param { kernel_size: 2 }")
SCALE = "scale_param { bias_term: true }"
POWER = "power_param { scale: 0.0078125 shift: -1 }"
NEXT = {
    "Convolution": lambda pad: conv("c", "last", more=f"pad: {pad}"),
    "grouped": lambda pad: layer(
        "c", "Convolution", "last", "c", f"convolution_param {{ num_output: 6 kernel_size: 3 group: 3 pad: {pad} }}"
    ),
    "depthwise": lambda pad: layer(
        "c", "ConvolutionDepthwise", "last", "c", f"convolution_param {{ num_output: 3 kernel_size: 3 pad: {pad} }}"
    ),
    "InnerProduct": lambda pad: layer("c", "InnerProduct", "last", "c", "inner_product_param { num_output: 5 }"),
}
AFFINE = {
    "BatchNorm": ("BatchNorm", ""),
    "Scale": ("Scale", SCALE),
    "Bias": ("Bias", ""),
    "Power": ("Power", POWER),
}
chains = st.lists(st.sampled_from(sorted(AFFINE)), min_size=1, max_size=4)


def chain_of(kinds, bottom):
    """Layers of these kinds one after another, the last one with the top `last`."""
    text = ""
    for number, kind in enumerate(kinds):
        top = "last" if number == len(kinds) - 1 else f"a{number}"
        text += layer(f"{kind}{number}", AFFINE[kind][0], bottom, top, AFFINE[kind][1])
        bottom = top
    return text


@settings(max_examples=40, deadline=None)
@given(kinds=chains, after=st.sampled_from(sorted(NEXT)), pooled=st.booleans(), seed=st.integers(0, 99))
def test_without_padding_all_of_a_chain_goes_into_the_weights(kinds, after, pooled, seed):
    before = [data(), POOL] if pooled else [data()]
    graph = graph_of(*before, chain_of(kinds, "pool" if pooled else "data"), NEXT[after](0), seed=seed)
    smaller, reports = optimised(graph)
    assert len(smaller.nodes) == len(before) + 1
    assert reports[FORWARD].changes[0].startswith(f"{kinds[0]} '{kinds[0]}0'")
    assert not reports[FORWARD].left


@pytest.mark.parametrize("after", ["Convolution", "grouped", "depthwise"])
def test_with_padding_an_input_keeps_a_bias_of_raw_values(after):
    graph = graph_of(data(), chain_of(["Power", "BatchNorm", "Scale"], "data"), NEXT[after](1))
    smaller, reports = optimised(graph)
    assert types(smaller)[:2] == ["Input", "Bias"]
    assert len(smaller.nodes) == 3
    assert reports[FORWARD].changes[0].endswith("the offset is a Bias, since 'c' pads")


def test_a_bias_that_is_alone_on_an_input_stays_without_a_word():
    smaller, reports = optimised(graph_of(data(), chain_of(["Bias"], "data"), NEXT["Convolution"](1)))
    assert types(smaller) == ["Input", "Bias", "Convolution"]
    assert not reports[FORWARD].left


def test_with_padding_a_chain_inside_the_net_is_left():
    graph = graph_of(data(), POOL, chain_of(["Scale"], "pool"), NEXT["Convolution"](1))
    smaller, reports = optimised(graph)
    assert types(smaller) == ["Input", "Pooling", "Scale", "Convolution"]
    assert reports[FORWARD].left == [
        "Scale 'Scale0' before Convolution 'c': 'c' pads its input with zeros, which stand for values behind the offset"
    ]


def test_with_padding_a_factor_alone_goes_into_the_weights():
    scale = layer("s", "Scale", "pool", "last")
    smaller, _ = optimised(graph_of(data(), POOL, scale, NEXT["Convolution"](1)))
    assert types(smaller) == ["Input", "Pooling", "Convolution"]


def test_a_factor_of_zero_keeps_the_offset_where_it_is():
    graph = graph_of(data(), chain_of(["Scale"], "data"), NEXT["Convolution"](1))
    graph.nodes[1].weights[0][1] = 0
    smaller, reports = optimised(graph)
    assert types(smaller) == ["Input", "Scale", "Convolution"]
    assert reports[FORWARD].left == ["Scale 'Scale0' before Convolution 'c': a factor is 0"]


def test_all_readers_take_it():
    graph = graph_of(data(), chain_of(["Scale"], "data"), NEXT["Convolution"](0), conv("d", "last"))
    smaller, _ = optimised(graph)
    assert types(smaller) == ["Input", "Convolution", "Convolution"]


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (layer("r", "ReLU", "last"), "'r' (ReLU) has no weights to take it"),
        (
            layer("d", "Deconvolution", "last", "d", "convolution_param { num_output: 4 kernel_size: 3 }"),
            "'d' (Deconvolution) adds up fewer of its inputs at the edges",
        ),
        (
            layer("i", "InnerProduct", "last", "i", "inner_product_param { num_output: 4 axis: 2 }"),
            "the inputs of 'i' begin at axis 2",
        ),
    ],
)
def test_one_reader_that_cannot_take_it_is_enough(other, reason):
    graph = graph_of(data(), chain_of(["Scale"], "data"), NEXT["Convolution"](0), other)
    smaller, reports = optimised(graph)
    assert types(smaller)[1] == "Scale"
    assert reason in reports[FORWARD].left[0]


def test_shared_weights_are_left_alone():
    shared = 'param { name: "w" }'
    text = f"{shared} convolution_param {{ num_output: 3 kernel_size: 1 bias_term: false }}"
    layers = [layer(name, "Convolution", bottom, name, text) for name, bottom in (("c", "last"), ("d", "data"))]
    smaller, reports = optimised(graph_of(data(), chain_of(["Scale"], "data"), *layers))
    assert names(smaller) == ["data", "Scale0", "c", "d"]
    assert "'c' shares weights with 'd'" in reports[FORWARD].left[0]


def test_weights_are_rounded_once():
    graph = graph_of(data(), chain_of(["Scale", "Scale", "Scale"], "data"), NEXT["Convolution"](0), seed=3)
    factors = [graph.nodes[number].weights[0].astype(float) for number in (1, 2, 3)]
    weights = graph.nodes[4].weights[0].astype(float)
    smaller, _ = optimised(graph)
    exact = weights * np.prod(factors, axis=0).reshape(1, -1, 1, 1)
    assert np.array_equal(smaller.nodes[1].weights[0], exact.astype(np.float32))
