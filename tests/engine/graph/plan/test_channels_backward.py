"""Gradients of Scale, Bias, and of normalisations by stored statistics, against float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from reference.backward_harness import BackwardRun, run_backward, same_on_all_threads
from reference.caffe_graphs import data, graph_of, layer

from caffe64.engine.compiler.cpu import LANES
from caffe64.engine.graph.analysis.shapes import infer_shapes
from caffe64.engine.graph.plan.groups import single
from caffe64.engine.graph.plan.lowering import Context, lower
from caffe64.engine.graph.plan.lowering.lines import PART_VECTORS
from caffe64.engine.graph.plan.storage import NO_HALO

CHANNELS = st.sampled_from([1, LANES - 1, LANES, LANES + 1, 2 * LANES])
SHAPES = st.tuples(st.integers(1, 3), CHANNELS, st.integers(1, 9), st.integers(1, 9))
MANY = (3, LANES + 1, 61, PART_VECTORS // 61 + 1)
RIM = (1, 2, 1, 1)
KINDS = {
    "Scale": "",
    "Scale with beta": "scale_param { bias_term: true }",
    "Bias": "",
    "BatchNorm": "batch_norm_param { use_global_stats: true }",
    "BN": "bn_param { frozen: true }",
    "BN of SegNet": "bn_param { bn_mode: INFERENCE }",
}
TOLERANCE = 2e-6  # of what is added up, in stretches of some hundred numbers
few = settings(max_examples=25)


def drawn(shape, seed=0):
    source = np.random.default_rng(seed)
    return [source.standard_normal(shape).astype(np.float32) for _ in range(2)]


def close(found, expected, terms):
    """`terms`: the values whose sum it is, on the last axis."""
    scale = np.abs(terms).sum(axis=-1)
    np.testing.assert_array_less(np.abs(found - expected), TOLERANCE * scale + 1e-30)


def factor_of(node):
    """float64 [C]."""
    weights = [blob.reshape(-1).astype(np.float64) for blob in node.weights]
    if node.type == "BatchNorm":
        return 1 / np.sqrt(weights[1] / weights[2] + 1e-5)
    if node.type == "BN" and len(weights) == 4:
        return weights[0] / np.sqrt(weights[3] + 1e-5)
    return weights[0] if node.type != "Bias" else np.ones(weights[0].size)


def per_channel(values):
    """[channels, all others]."""
    return np.moveaxis(values.astype(np.float64), 1, 0).reshape(values.shape[1], -1)


@pytest.mark.parametrize("key", KINDS)
@few
@given(shape=SHAPES, axes=st.integers(2, 4), rim=st.booleans())
@example(shape=MANY, axes=4, rim=False)
@example(shape=MANY, axes=4, rim=True)
def test_of_weights(key, shape, axes, rim):
    shape, kind = shape[:axes], key.split()[0]
    graph = graph_of(data(" ".join(map(str, shape))), layer("it", kind, "data", more=KINDS[key]), phase="TRAIN")
    x, dy = drawn(shape)
    found = run_backward(graph, {"data": x}, [dy], threads=2, rim=RIM if rim else NO_HALO)
    node = graph.nodes[1]
    dx = dy * factor_of(node).reshape(1, -1, *[1] * (axes - 2))
    close(found.bottoms[0], dx, dx[..., np.newaxis])
    weights = [each.reshape(-1) for each in found.weights["it"]]
    products, sums = per_channel(dy) * per_channel(x), per_channel(dy)
    expected = {"Scale": [products], "Bias": [sums], "BN of SegNet": [products, sums]}.get(key, [])
    expected = [products, sums] if key == "Scale with beta" else expected
    for gradient, terms in zip(weights, expected, strict=False):
        close(gradient, terms.sum(axis=1), np.concatenate([terms, np.ones((len(terms), 1))], axis=1))
    for gradient in weights[len(expected) :]:
        assert not gradient.any()


@pytest.mark.parametrize("kind", ["Scale", "Bias"])
@few
@given(shape=SHAPES, rim=st.booleans(), needed=st.tuples(st.booleans(), st.booleans()))
def test_of_a_second_bottom(kind, shape, rim, needed):
    more = f"{kind.lower()}_param {{ axis: 0 }}"
    texts = [data(" ".join(map(str, shape))), data(f"{shape[0]} {shape[1]}", "other")]
    graph = graph_of(*texts, layer("it", kind, "data other", more=more))
    x, dy = drawn(shape)
    operand = np.random.default_rng(1).standard_normal(shape[:2]).astype(np.float32)
    inputs = {"data": x, "other": operand}
    found = run_backward(graph, inputs, [dy], rim=RIM if rim else NO_HALO, bottoms=list(needed))
    assert [each is not None for each in found.bottoms] == list(needed)
    if needed[0]:
        expected = dy * operand[..., np.newaxis, np.newaxis] if kind == "Scale" else dy
        np.testing.assert_array_equal(found.bottoms[0], expected)
    if needed[1]:
        terms = (dy.astype(np.float64) * (x if kind == "Scale" else 1)).reshape(*shape[:2], -1)
        close(found.bottoms[1], terms.sum(axis=2), terms)


@pytest.mark.parametrize("key", ["Scale with beta", "Bias", "BN of SegNet"])
def test_the_same_bits_for_any_number_of_threads(key):
    graph = graph_of(data(" ".join(map(str, MANY))), layer("it", key.split()[0], "data", more=KINDS[key]))
    x, dy = drawn(MANY)
    same_on_all_threads(graph, {"data": x}, [dy])


@pytest.mark.parametrize(
    ("key", "bottom", "weights", "steps"),
    [
        ("Scale with beta", True, [False, False], ["scale_channels"]),
        ("Scale with beta", False, [False, True], ["sum_channels", "add_channel_sums"]),
        ("Scale with beta", False, [True, True], ["sum_channels", "add_channel_sums", "add_channel_sums"]),
        ("Scale with beta", False, [False, False], []),
        ("BatchNorm", True, [False] * 3, ["scale_channels"]),
        ("BatchNorm", False, [False] * 3, []),
        ("BN", True, [True] * 4, ["scale_channels"]),
    ],
)
def test_only_steps_whose_results_are_needed(key, bottom, weights, steps):
    texts = data("2 5 4 4"), layer("it", key.split()[0], "data", more=KINDS[key])
    x, dy = drawn((2, 5, 4, 4))
    run = BackwardRun(graph_of(*texts, phase="TRAIN"), {"data": x}, bottoms=[bottom], weights=weights)
    assert [step.kernel.__name__ for step in run.steps[run.middle :]] == steps
    run.forward()
    run.backward([dy])


def test_what_learns_with_stored_statistics_is_left_to_the_layer():
    graph = graph_of(data("2 5 4 4"), layer("it", "BN", "data"), phase="TEST")
    shape = infer_shapes(graph)[graph.nodes[1].tops[0]]
    how = lower(Context(single(graph.nodes[1]), [shape], [shape]))
    assert how
    assert how.backward is None
