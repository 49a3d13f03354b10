"""Gradients of convolutions by the plan's steps, as plain sums, against float64 over shapes at the edges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from reference.backward_harness import BackwardRun, run_backward, same_on_all_threads
from reference.caffe_graphs import data, graph_of, layer
from reference.convolutions import convolution_gradients
from support import assert_close

from caffe64.engine.compiler.cpu import LANES
from caffe64.engine.graph.analysis.shapes import infer_shapes
from caffe64.engine.products.filter_tile import FILTER_ROWS
from caffe64.engine.products.pixel_tile import PANEL
from caffe64.errors import InputError

TOLERANCE = 5e-6  # of the largest gradient
CHANNELS = st.sampled_from([1, 2, 3, LANES - 1, LANES, LANES + 1, 2 * LANES, PANEL * LANES + 1])
PLAIN = {"pictures": 2, "stride": (1, 1), "pad": (0, 0), "dilation": (1, 1), "group": 1, "bias": True, "relu": False}


def pair(values):
    return st.tuples(values, values)


windows = st.fixed_dictionaries(
    {
        "pictures": st.integers(1, 4),
        "size": pair(st.integers(1, 11)),
        "kernel": pair(st.integers(1, 5)),
        "stride": pair(st.integers(1, 3)),
        "pad": pair(st.integers(0, 5)),
        "dilation": pair(st.integers(1, 2)),
        "group": st.just(1),
        "bias": st.booleans(),
        "relu": st.booleans(),
    }
)


def net(channels, outputs, window):
    sides = [
        f"{name}_{side}: {value}"
        for name in ("kernel", "stride", "pad")
        for side, value in zip("hw", window[name], strict=True)
    ]
    more = f"num_output: {outputs} group: {window['group']} bias_term: {str(window['bias']).lower()} " + " ".join(sides)
    more += "".join(f" dilation: {value}" for value in window["dilation"])
    layers = [layer("c", "Convolution", "data", more=f"convolution_param {{ {more} }}")]
    if window["relu"]:
        layers.append(layer("r", "ReLU", "c"))
    height, width = window["size"]
    return graph_of(data(f"{window['pictures']} {channels} {height} {width}"), *layers)


def draw(graph, seed):
    source, shapes = np.random.default_rng(seed), infer_shapes(graph)
    x, dy = (source.standard_normal(shapes[blob]).astype(np.float32) for blob in (*graph.inputs, *graph.outputs))
    return x, dy


def check(channels, outputs, window, run=run_backward, seed=0, **options):
    try:
        graph = net(channels, outputs, window)
    except InputError:
        assume(False)  # the window is larger than the padded picture
    x, dy = draw(graph, seed)
    found = run(graph, {"data": x}, [dy], **options)
    (weights,) = found.weights.values()
    if window["relu"]:
        dy = np.where(found.tops[0] > 0, dy, 0)
    dx, *expected = convolution_gradients(
        x, graph.nodes[1].weights[0], dy, **{name: window[name] for name in ("stride", "pad", "dilation", "group")}
    )
    for name, actual, exact in zip(("dx", "dW", "db"), (*found.bottoms, *weights), (dx, *expected), strict=False):
        if actual is not None:
            assert_close(name, actual, exact, TOLERANCE * max(np.abs(exact).max(), 1e-6))
    return found


@settings(max_examples=60)
@given(channels=CHANNELS, outputs=CHANNELS, window=windows, seed=st.integers(0, 99))
@example(channels=LANES, outputs=3, window={**PLAIN, "size": (2, 2), "kernel": (3, 3), "stride": (2, 2)}, seed=0)
@example(channels=LANES, outputs=3, window={**PLAIN, "size": (5, 5), "kernel": (1, 1), "stride": (2, 3)}, seed=0)
@example(channels=LANES, outputs=5, window={**PLAIN, "size": (1, 1), "kernel": (1, 1), "pad": (5, 5)}, seed=0)
def test_gradients(channels, outputs, window, seed):
    assume(channels * outputs > 1)  # which would be depthwise
    check(channels, outputs, window, seed=seed)


@pytest.mark.parametrize("group", [2, 3])
@pytest.mark.parametrize("stride", [(1, 1), (2, 1)])
def test_groups_of_whole_blocks(group, stride):
    window = {**PLAIN, "size": (7, 9), "kernel": (3, 2), "pad": (1, 0), "group": group, "stride": stride}
    check(group * LANES, group * (PANEL + 1) * LANES, window)


@pytest.mark.parametrize(("channels", "outputs"), [(3, LANES), (LANES, LANES), (3 * LANES, 5), (FILTER_ROWS + 1, 70)])
@pytest.mark.parametrize("size", [(5, 4), (40, 33)])
def test_any_number_of_threads_gives_the_same_bits(channels, outputs, size):
    window = {**PLAIN, "pictures": 5, "size": size, "kernel": (3, 3), "pad": (1, 1), "relu": True}
    check(channels, outputs, window, same_on_all_threads)


def test_many_filters_need_no_parts():
    window = {**PLAIN, "size": (6, 6), "kernel": (3, 3)}
    outputs = 4 * PANEL * LANES
    run = BackwardRun(net(4 * LANES, outputs, window), None)
    assert [step.kernel.__name__ for step in run.steps[run.middle :]] == ["sum_filter_parts", "convolve"]
    check(4 * LANES, outputs, window, same_on_all_threads)


@pytest.mark.parametrize(
    ("wanted", "weights"),
    [([False], [True, True]), ([False], [False, True]), ([False], [True, False]), ([True], [False, False])],
)
@pytest.mark.parametrize("channels", [3, LANES])
def test_what_is_not_wanted_is_not_computed(channels, wanted, weights):
    window = {**PLAIN, "size": (9, 8), "kernel": (3, 3)}
    found = check(channels, LANES + 1, window, bottoms=wanted, weights=weights)
    assert [each is not None for each in found.bottoms] == wanted
    assert [each is not None for each in found.weights["c"]] == weights


@settings(max_examples=40)
@given(channels=CHANNELS, window=windows, seed=st.integers(0, 99))
@example(channels=LANES, window={**PLAIN, "size": (7, 7), "kernel": (1, 1), "stride": (2, 2)}, seed=0)
def test_depthwise(channels, window, seed):
    check(channels, channels, {**window, "group": channels}, seed=seed)


@pytest.mark.parametrize(("channels", "size"), [(LANES + 1, (9, 7)), (3 * LANES, (40, 33))])
def test_depthwise_has_the_same_bits_on_any_number_of_threads(channels, size):
    window = {**PLAIN, "pictures": 5, "size": size, "kernel": (3, 3), "pad": (1, 1), "group": channels, "relu": True}
    check(channels, channels, window, same_on_all_threads)
