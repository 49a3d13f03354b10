"""Activations that a file spells out, in the order of every exporter, and what only looks like one."""

from __future__ import annotations

import numpy as np
import pytest
from reference.caffe_graphs import data, graph_of, layer, optimised, types

from caffe64.engine.graph.frontends.caffe.spell_out import spell_out
from caffe64.engine.graph.ir.graph import Node
from caffe64.engine.graph.ops.piecewise import HardSigmoid
from caffe64.engine.graph.passes.optimize import Passes
from caffe64.engine.graph.verification.verify import run_graph

ACTIVATIONS = "recognise activations"
X = np.linspace(-8, 8, 2 * 3 * 7 * 6, dtype=np.float32).reshape(2, 3, 7, 6)


def power(name, bottom, scale=1.0, shift=0.0, exponent=1):
    return layer(name, "Power", bottom, name, f"power_param {{ power: {exponent} scale: {scale} shift: {shift} }}")


def clip(name, bottom, least, most):
    return layer(name, "Clip", bottom, name, f"clip_param {{ min: {least} max: {most} }}")


def product(name, bottoms):
    return layer(name, "Eltwise", bottoms, name, "eltwise_param { operation: PROD }")


SIXTH = 0.16666667
SPELLED = {
    "swish": ([layer("s", "Sigmoid", "data"), product("y", "data s")], ["Swish"]),
    "swish, the other way round": ([layer("s", "Sigmoid", "data"), product("y", "s data")], ["Swish"]),
    "hard sigmoid": ([power("a", "data", shift=3), clip("b", "a", 0, 6), power("y", "b", SIXTH)], ["HardSigmoid"]),
    "hard sigmoid of 0 to 1": ([power("a", "data", 0.2, 0.5), clip("y", "a", 0, 1)], ["HardSigmoid"]),
    "hard sigmoid without a shift": ([clip("b", "data", -3, 3), power("y", "b", SIXTH, 0.5)], ["HardSigmoid"]),
    "hard swish": (
        [power("a", "data", shift=3), clip("b", "a", 0, 6), power("c", "b", SIXTH), product("y", "data c")],
        ["HardSwish"],
    ),
    "hard swish, divided behind": (
        [power("a", "data", shift=3), clip("b", "a", 0, 6), product("c", "b data"), power("y", "c", SIXTH)],
        ["HardSwish"],
    ),
    "mish": ([layer("s", "BNLL", "data"), layer("t", "TanH", "s"), product("y", "data t")], ["Mish"]),
    "relu6": ([layer("r", "ReLU", "data"), clip("y", "r", -1, 6)], ["Clip"]),
}
OTHERS = {
    "another factor": [layer("s", "Sigmoid", "data"), power("w", "data", 2), product("y", "w s")],
    "tanh of tanh": [layer("s", "TanH", "data"), layer("t", "TanH", "s"), product("y", "data t")],
    "mish of another": [
        power("w", "data", 2), layer("s", "BNLL", "w"), layer("t", "TanH", "s"), product("y", "data t"),
    ],
    "another reader": [layer("s", "Sigmoid", "data"), layer("r", "AbsVal", "s"), product("y", "data s")],
    "another slope": [
        power("a", "data", shift=3), clip("b", "a", 0, 6), product("c", "b data"), power("y", "c", 0.25),
    ],
    "not up to 1": [power("a", "data", shift=3), clip("b", "a", 0, 5), power("y", "b", SIXTH)],
    "a square": [power("a", "data", shift=3), clip("b", "a", 0, 6), power("y", "b", 1, 0, 2)],
    "a leaky relu": [layer("r", "ReLU", "data", "r", "relu_param { negative_slope: 0.1 }"), clip("y", "r", -1, 6)],
    "below 0": [layer("r", "ReLU", "data"), clip("y", "r", -3, -1)],
}  # fmt: skip


@pytest.mark.parametrize("name", SPELLED)
def test_a_spelled_out_activation_is_one_layer(name):
    layers, expected = SPELLED[name]
    smaller, reports = optimised(graph_of(data(), *layers))
    assert types(smaller) == ["Input", *expected]
    assert [blob.name for blob in smaller.outputs] == ["y"]
    assert reports[ACTIVATIONS].changes[-1].endswith(f"are one {expected[0]}")


@pytest.mark.parametrize("name", OTHERS)
def test_what_only_looks_like_one_stays(name):
    _, reports = optimised(graph_of(data(), *OTHERS[name]), Passes(fold_bn=False))
    assert not reports[ACTIVATIONS].changes


@pytest.mark.parametrize(
    ("kind", "attributes"), [("HardSigmoid", HardSigmoid(0.3, 0.4)), ("HardSwish", None), ("Mish", None)]
)
def test_caffe_has_it_in_several_layers(kind, attributes):
    graph = graph_of(data(), layer("y", "AbsVal", "data"))
    old = graph.nodes[1]
    graph.nodes[1] = Node("y", kind, old.bottoms, old.tops, attributes)
    spelled = spell_out(graph)
    assert kind not in types(spelled)
    found, expected = (run_graph(each, {"data": X})["y"] for each in (spelled, graph))
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
    assert types(optimised(spelled)[0]) == ["Input", kind]


def test_a_graph_without_them_is_itself():
    graph = graph_of(data(), layer("y", "AbsVal", "data"))
    assert spell_out(graph) is graph
