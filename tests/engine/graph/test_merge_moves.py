"""Permute, Reshape and Flatten that meet, or that meet when they pass element-wise layers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from reference.caffe_graphs import conv, data, graph_of, layer, optimised, types

from caffe64.engine.graph.analysis.shapes import infer_shapes
from caffe64.engine.graph.verification.verify import run_graph

MOVES = "merge moves"
FLATTENED = layer("f", "Flatten", "r") + layer("a", "AbsVal", "f")
POOL = layer("pool", "Pooling", "data", "pool", "pooling_param { kernel_size: 2 }")
ORDERS = list(itertools.permutations(range(4)))


def permute(name, bottom, order, top=None):
    text = " ".join(f"order: {axis}" for axis in order)
    return layer(name, "Permute", bottom, top or name, f"permute_param {{ {text} }}")


def reshape(name, bottom, *dims):
    text = " ".join(f"dim: {dim}" for dim in dims)
    return layer(name, "Reshape", bottom, name, f"reshape_param {{ shape {{ {text} }} }}")


@pytest.mark.parametrize("first", ORDERS[::5])
def test_two_permutes_are_one_or_none(first):
    for second in ORDERS:
        graph = graph_of(data(), permute("p", "data", first), permute("q", "p", second), layer("a", "AbsVal", "q"))
        smaller, reports = optimised(graph)
        order = [first[axis] for axis in second]
        assert types(smaller) == ["Input", *(["Permute"] if order != sorted(order) else []), "AbsVal"]
        assert len(reports[MOVES].changes) or sorted(first) == list(first) or sorted(second) == list(second)


def test_a_permute_that_another_layer_reads_stays():
    graph = graph_of(
        data(), permute("p", "data", (0, 2, 3, 1)), permute("q", "p", (0, 3, 1, 2)), layer("a", "AbsVal", "p")
    )
    assert types(optimised(graph)[0]) == ["Input", "Permute", "Permute", "AbsVal"]


def test_views_become_one_that_keeps_the_batch_free():
    graph = graph_of(
        data("2 3 4 5"), reshape("r", "data", 2, 12, 5), layer("f", "Flatten", "r"), layer("a", "AbsVal", "f")
    )
    smaller, _ = optimised(graph)
    assert types(smaller) == ["Input", "Reshape", "AbsVal"]
    larger = infer_shapes(smaller, {"data": (7, 3, 4, 5)})
    assert larger[smaller.nodes[1].tops[0]] == (7, 60)


def test_views_that_put_pictures_together_are_left():
    graph = graph_of(
        data("2 3 4 5"), reshape("r", "data", 6, 4, 5), layer("f", "Flatten", "r"), layer("a", "AbsVal", "f")
    )
    assert types(optimised(graph)[0]) == ["Input", "Reshape", "Flatten", "AbsVal"]


@pytest.mark.parametrize("order", [(0, 2, 3, 1), (0, 3, 2, 1), (1, 0, 2, 3)])
def test_permutes_around_element_wise_layers_meet(order):
    """Scale's axis is that of other values then."""
    back = [order.index(axis) for axis in range(4)]
    for axis in range(4):
        graph = graph_of(
            data(), POOL, permute("p", "pool", order), layer("r", "ReLU", "p"),
            layer("s", "Scale", "r", "s", f"scale_param {{ axis: {axis} bias_term: true }}"),
            layer("w", "Power", "s", "w", "power_param { power: 2 }"), permute("q", "w", back),
            conv("c", "q", more="pad: 1"),
        )  # fmt: skip
        smaller, reports = optimised(graph)
        assert types(smaller) == ["Input", "Pooling", "ReLU", "Scale", "Power", "Convolution"]
        assert reports[MOVES].changes[0] == "Permute 'p' behind Power 'w'"


def test_the_preparation_of_pictures_with_channels_last_goes_into_the_weights():
    last = "scale_param { axis: 3 bias_term: true }"
    graph = graph_of(
        data("2 7 6 3"), layer("w", "Power", "data", "w", "power_param { scale: 0.5 shift: -1 }"),
        layer("s", "Scale", "w", "s", last), permute("p", "s", (0, 3, 1, 2)), conv("c", "p"),
    )  # fmt: skip
    smaller, _ = optimised(graph)
    assert types(smaller) == ["Input", "Permute", "Convolution"]


def test_with_padding_a_bias_stays_behind_the_permute():
    scale = layer("s", "Scale", "data", "s", "scale_param { axis: 3 bias_term: true }")
    graph = graph_of(data("2 7 6 3"), scale, permute("p", "s", (0, 3, 1, 2)), conv("c", "p", more="pad: 1"))
    assert types(optimised(graph)[0]) == ["Input", "Permute", "Bias", "Convolution"]


def test_a_net_whose_output_is_the_last_permute_keeps_its_name():
    graph = graph_of(
        data(), permute("p", "data", (0, 2, 3, 1)), layer("r", "ReLU", "p"), permute("q", "r", (0, 3, 1, 2), "out")
    )
    smaller, _ = optimised(graph)
    assert [blob.name for blob in smaller.outputs] == ["out"]
    x = np.random.default_rng(0).standard_normal((2, 3, 7, 6), np.float32)
    assert np.array_equal(run_graph(smaller, {"data": x})["out"], np.maximum(x, 0))
