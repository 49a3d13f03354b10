"""Deconvolutions and their gradients by the plan's steps, against float64 over shapes at the edges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from reference.backward_harness import BackwardRun, run_backward, same_on_all_threads
from reference.caffe_graphs import data, graph_of, layer
from reference.convolutions import deconvolution as exact_deconvolution
from support import assert_close

from caffe64.engine.compiler.cpu import LANES
from caffe64.engine.graph.analysis.shapes import infer_shapes
from caffe64.engine.graph.plan.lowering import deconvolution
from caffe64.engine.graph.plan.lowering.winograd import backward
from caffe64.engine.graph.plan.lowering.winograd.tilings import TILINGS
from caffe64.engine.products.pixel_tile import PANEL
from caffe64.errors import InputError

FEWEST_OUTPUTS = deconvolution.FEWEST_OUTPUTS
TOLERANCE = 5e-6  # of the largest number
WINOGRAD_TOLERANCE = 2e-5
CHANNELS = st.sampled_from([1, 2, 3, LANES - 1, LANES, LANES + 1, 2 * LANES, PANEL * LANES + 1])
PLAIN = {"pictures": 2, "stride": (1, 1), "pad": (0, 0), "dilation": (1, 1), "group": 1, "bias": True, "relu": False}
NAMES = [f"F({tiling.m}x{tiling.m}, {tiling.r}x{tiling.r})" for tiling in TILINGS]


def pair(values):
    return st.tuples(values, values)


windows = st.fixed_dictionaries(
    {
        "pictures": st.sampled_from([1, 3]),
        "size": pair(st.integers(1, 7)),
        "kernel": pair(st.sampled_from([1, 2, 3, 4, 5, 16])),
        "stride": pair(st.integers(1, 8)),
        "pad": pair(st.integers(0, 5)),
        "dilation": pair(st.integers(1, 3)),
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
    layers = [layer("c", "Deconvolution", "data", more=f"convolution_param {{ {more} }}")]
    if window["relu"]:
        layers.append(layer("r", "ReLU", "c"))
    height, width = window["size"]
    return graph_of(data(f"{window['pictures']} {channels} {height} {width}"), *layers)


def draw(graph, seed):
    source, shapes = np.random.default_rng(seed), infer_shapes(graph)
    x, dy = (source.standard_normal(shapes[blob]).astype(np.float32) for blob in (*graph.inputs, *graph.outputs))
    return x, dy


@pytest.fixture(autouse=True, scope="module")
def any_number_of_outputs():
    """Also few, for which plans take the layer's own code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deconvolution, "FEWEST_OUTPUTS", 1)
        yield


def check(channels, outputs, window, run=run_backward, seed=0, tolerance=TOLERANCE, **options):
    try:
        graph = net(channels, outputs, window)
    except InputError:
        assume(False)  # padding leaves no pixels
    x, dy = draw(graph, seed)
    found = run(graph, {"data": x}, [dy], **options)
    (weights,) = found.weights.values()
    filters, bias = (*graph.nodes[1].weights, None)[:2]
    if window["relu"]:
        dy = np.where(found.tops[0] > 0, dy, 0)
    sizes = {name: window[name] for name in ("stride", "pad", "dilation", "group")}
    y, dx, *expected = exact_deconvolution(x, filters, bias, dy, **sizes)
    y = np.maximum(y, 0) if window["relu"] else y
    pairs = zip(("y", "dx", "dW", "db"), (*found.tops, *found.bottoms, *weights), (y, dx, *expected), strict=False)
    for name, actual, exact in pairs:
        if actual is not None:
            assert_close(name, actual, exact, tolerance * max(np.abs(exact).max(), 1e-6))
    return found


@settings(max_examples=150)
@given(channels=CHANNELS, outputs=CHANNELS, window=windows, seed=st.integers(0, 99))
@example(channels=3, outputs=LANES, window={**PLAIN, "size": (1, 1), "kernel": (1, 1), "stride": (8, 3)}, seed=0)
@example(channels=LANES, outputs=5, window={**PLAIN, "size": (2, 3), "kernel": (3, 3), "pad": (3, 3)}, seed=0)
@example(channels=21, outputs=21, window={**PLAIN, "size": (5, 4), "kernel": (16, 16), "stride": (8, 8)}, seed=0)
def test_values_and_gradients(channels, outputs, window, seed):
    check(channels, outputs, window, seed=seed)


@settings(max_examples=100)
@given(channels=CHANNELS, window=windows, seed=st.integers(0, 99))
@example(channels=21, window={**PLAIN, "size": (5, 4), "kernel": (16, 16), "stride": (8, 8), "pad": (4, 4)}, seed=0)
@example(channels=LANES, window={**PLAIN, "size": (9, 9), "kernel": (3, 3), "pad": (1, 1)}, seed=0)
def test_depthwise(channels, window, seed):
    check(channels, channels, {**window, "group": channels}, seed=seed)


@pytest.mark.parametrize("group", [2, 3])
@pytest.mark.parametrize("stride", [(1, 1), (2, 1)])
def test_groups_of_whole_blocks(group, stride):
    window = {**PLAIN, "size": (7, 9), "kernel": (3, 2), "pad": (1, 0), "group": group, "stride": stride}
    check(group * LANES, group * (PANEL + 1) * LANES, window)


UPSAMPLING = {**PLAIN, "kernel": (4, 4), "stride": (2, 2), "pad": (1, 1), "relu": True}


@pytest.mark.parametrize(
    ("channels", "outputs", "window"),
    [
        (3, LANES, {**UPSAMPLING, "size": (20, 17)}),
        (3 * LANES, 5, {**UPSAMPLING, "size": (5, 4), "pictures": 5}),
        (LANES + 1, 70, {**UPSAMPLING, "size": (20, 17), "stride": (1, 1)}),
        (LANES + 5, LANES + 5, {**UPSAMPLING, "size": (20, 17), "group": LANES + 5}),
    ],
    ids=["few channels", "many pictures", "stride 1", "depthwise"],
)
def test_any_number_of_threads_gives_the_same_bits(channels, outputs, window):
    check(channels, outputs, window, same_on_all_threads)


@pytest.mark.parametrize(
    ("wanted", "weights"),
    [([False], [True, True]), ([False], [False, True]), ([False], [True, False]), ([True], [False, False])],
)
@pytest.mark.parametrize("group", [1, LANES])
def test_what_is_not_wanted_is_not_computed(group, wanted, weights):
    window = {**UPSAMPLING, "size": (9, 8), "group": group}
    found = check(LANES, LANES, window, bottoms=wanted, weights=weights)
    assert [each is not None for each in found.bottoms] == wanted
    assert [each is not None for each in found.weights["c"]] == weights


@settings(max_examples=60)
@given(
    tiling=st.sampled_from(TILINGS),
    channels=st.sampled_from([16, 17, 31, LANES, 2 * LANES + 1, PANEL * LANES + 1]),
    outputs=st.sampled_from([16, 17, 31, LANES, 2 * LANES + 1, PANEL * LANES + 1]),
    pictures=st.sampled_from([1, 3]),
    size=pair(st.integers(1, 11)),
    pad=pair(st.integers(0, 4)),
    bias=st.booleans(),
    relu=st.booleans(),
    few=st.booleans(),
    seed=st.integers(0, 99),
)
def test_winograds_algorithm(tiling, channels, outputs, pictures, size, pad, bias, relu, few, seed):
    pad = tuple(min(p, tiling.r - 1) for p in pad)
    assume(all(s + tiling.r - 1 - 2 * p >= 1 for s, p in zip(size, pad, strict=True)))
    window = {**PLAIN, "pictures": pictures, "size": size, "kernel": (tiling.r,) * 2, "pad": pad}
    with pytest.MonkeyPatch.context() as patch:
        by_tiles(patch, tiling, few)
        check(
            channels, outputs, {**window, "bias": bias, "relu": relu}, seed=seed, tolerance=WINOGRAD_TOLERANCE,
            exact=False,
        )  # fmt: skip


def by_tiles(patch, tiling, few):
    patch.setattr(deconvolution, "choose_tiling", lambda window, output: tiling)
    patch.setattr(backward, "MANY_SUMS_BYTES", 0 if few else 1 << 40)


@pytest.mark.parametrize("few", [False, True], ids=["many", "few"])
@pytest.mark.parametrize("tiling", TILINGS, ids=NAMES)
def test_winograds_algorithm_has_the_same_bits_on_any_number_of_threads(tiling, few, monkeypatch):
    by_tiles(monkeypatch, tiling, few)
    window = {**PLAIN, "size": (10, 9), "kernel": (tiling.r,) * 2, "pad": (1, 2), "relu": True}
    options = {"tolerance": WINOGRAD_TOLERANCE, "exact": False}
    check(2 * LANES + 1, PANEL * LANES + 3, window, same_on_all_threads, **options)


@pytest.mark.parametrize(
    ("window", "exact", "how"),
    [
        ({"kernel": (3, 3), "pad": (1, 1)}, False, "winograd 4x4"),
        ({"kernel": (5, 5), "pad": (4, 4)}, False, "winograd 4x4"),
        ({"kernel": (3, 3), "pad": (1, 1)}, True, "direct"),
        ({"kernel": (3, 3), "pad": (3, 3)}, False, "direct"),
        ({"kernel": (4, 4), "stride": (2, 2)}, False, "direct"),
        ({"kernel": (3, 3), "group": 32}, False, "depthwise"),
    ],
)
def test_the_algorithm(window, exact, how):
    graph = net(32, 32, {**PLAIN, "size": (30, 30), **window})
    assert BackwardRun(graph, None, exact=exact).how.algorithm == how


@pytest.mark.parametrize("group", [1, LANES // 4])
def test_few_outputs_have_no_steps(group, monkeypatch):
    monkeypatch.setattr(deconvolution, "FEWEST_OUTPUTS", FEWEST_OUTPUTS)
    window, few = {**UPSAMPLING, "size": (5, 5)}, LANES // 4
    BackwardRun(net(few, few + 1, window), None)
    with pytest.raises(AssertionError, match="no lowering with gradients"):
        BackwardRun(net(few, few, {**window, "group": group}), None)


def test_no_step_waits_for_another_phase():
    run = BackwardRun(net(LANES, LANES, {**UPSAMPLING, "size": (5, 5), "relu": False}), None)
    assert [step.barrier for step in run.steps[: run.middle]] == [False, False, False, True]
    assert len(run.packing._written.steps) == 3  # filters of all phases and of the convolution, and the bias
