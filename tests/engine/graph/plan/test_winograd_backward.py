"""Gradients of convolutions by Winograd's algorithm, by the plan's steps, against float64 over shapes at the edges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from reference.backward_harness import BackwardRun, run_backward, same_on_all_threads
from reference.caffe_graphs import data, graph_of, layer
from reference.convolutions import convolution_gradients
from support import assert_close

from caffe64.engine.compiler.cpu import LANES
from caffe64.engine.graph.analysis.shapes import infer_shapes
from caffe64.engine.graph.plan.groups import find_groups
from caffe64.engine.graph.plan.lowering import Context, lower
from caffe64.engine.graph.plan.lowering.winograd import backward, convolve, tilings
from caffe64.engine.graph.plan.lowering.winograd.tilings import TILINGS
from caffe64.engine.products.pixel_tile import PANEL

TOLERANCE = 2e-5  # of the largest gradient
CHANNELS = st.sampled_from([16, 17, 31, LANES, 2 * LANES + 1, PANEL * LANES + 1])
NAMES = [f"F({tiling.m}x{tiling.m}, {tiling.r}x{tiling.r})" for tiling in TILINGS]
each_tiling = pytest.mark.parametrize("tiling", TILINGS, ids=NAMES)


@pytest.fixture(params=[False, True], ids=["many", "few"])
def few(request, monkeypatch):
    """Whether all tiles are transformed first."""
    take_few(monkeypatch, request.param)
    return request.param


def take_few(monkeypatch, few):
    monkeypatch.setattr(backward, "MANY_SUMS_BYTES", 0 if few else 1 << 40)


def net(channels, outputs, tiling, size, pad=(0, 0), pictures=2, bias=True, relu=False):
    sides = f"kernel_size: {tiling.r} pad: {pad[0]} pad: {pad[1]} bias_term: {str(bias).lower()}"
    layers = [layer("c", "Convolution", "data", more=f"convolution_param {{ num_output: {outputs} {sides} }}")]
    if relu:
        layers.append(layer("r", "ReLU", "c"))
    return graph_of(data(f"{pictures} {channels} {size[0]} {size[1]}"), *layers)


def check(channels, outputs, tiling, size, pad, run=run_backward, seed=0, net_options=None, **options):
    graph = net(channels, outputs, tiling, size, pad, **(net_options or {}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convolve, "choose_tiling", lambda window, output: tiling)
        shapes, source = infer_shapes(graph), np.random.default_rng(seed)
        x, dy = (source.standard_normal(shapes[blob]).astype(np.float32) for blob in (*graph.inputs, *graph.outputs))
        found = run(graph, {"data": x}, [dy], exact=False, **options)
    (weights,) = found.weights.values()
    if graph.nodes[-1].type == "ReLU":
        dy = np.where(found.tops[0] > 0, dy, 0)
    exact = convolution_gradients(x, graph.nodes[1].weights[0], dy, pad=pad)
    for name, actual, expected in zip(("dx", "dW", "db"), (*found.bottoms, *weights), exact, strict=False):
        if actual is not None:
            assert_close(name, actual, expected, TOLERANCE * max(np.abs(expected).max(), 1e-6))
    return found


@settings(max_examples=80)
@given(
    tiling=st.sampled_from(TILINGS),
    channels=CHANNELS,
    outputs=CHANNELS,
    tiles=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    more=st.tuples(st.integers(-1, 1), st.integers(-1, 1)),
    pad=st.tuples(st.integers(0, 4), st.integers(0, 4)),
    pictures=st.integers(1, 4),
    bias=st.booleans(),
    relu=st.booleans(),
    few=st.booleans(),
    seed=st.integers(0, 99),
)
def test_gradients(tiling, channels, outputs, tiles, more, pad, pictures, bias, relu, few, seed):
    """Outputs of whole tiles, one more, one less; as much padding as the kernel's side less one."""
    pad = [min(p, tiling.r - 1) for p in pad]
    size = [n * tiling.m + e + tiling.r - 1 - 2 * p for n, e, p in zip(tiles, more, pad, strict=True)]
    assume(all(s >= 1 and s + 2 * p >= tiling.r for s, p in zip(size, pad, strict=True)))
    options = {"pictures": pictures, "bias": bias, "relu": relu}
    with pytest.MonkeyPatch.context() as patch:
        take_few(patch, few)
        check(channels, outputs, tiling, size, pad, seed=seed, net_options=options)


@each_tiling
@pytest.mark.parametrize("pictures", [1, 5, 40])
def test_any_number_of_threads_gives_the_same_bits(tiling, pictures, few):
    options = {"pictures": pictures, "relu": True}
    check(2 * LANES + 1, PANEL * LANES + 3, tiling, (10, 9), (1, 2), same_on_all_threads, net_options=options)


@each_tiling
def test_parts_of_several_blocks(tiling, monkeypatch):
    """Caches so small that a block has the fewest tiles."""
    monkeypatch.setattr(tilings, "BLOCK_BYTES", 1)
    check(LANES + 1, PANEL * LANES + 3, tiling, (24, 25), (1, 1), same_on_all_threads)


@each_tiling
def test_several_panels_of_outputs_and_inputs(tiling, few):
    check(3 * PANEL * LANES + 1, 2 * PANEL * LANES + LANES + 1, tiling, (6, 7), (1, 1))


def test_many_filters_and_few_tiles_are_transformed_first():
    graph = graph_of(
        data("2 256 14 14"),
        layer("c", "Convolution", "data", more="convolution_param { num_output: 256 kernel_size: 3 pad: 1 }"),
    )
    run = BackwardRun(graph, None, exact=False)
    kernels = [step.kernel.__name__ for step in run.steps[run.middle :]]
    assert kernels == ["transform_tiles", "sum_points", "add_points"]


@pytest.mark.parametrize(
    ("wanted", "weights"),
    [([False], [True, True]), ([False], [False, True]), ([False], [True, False]), ([True], [False, False])],
)
@each_tiling
def test_what_is_not_wanted_is_not_computed(tiling, wanted, weights, few):
    found = check(LANES + 1, LANES, tiling, (9, 8), (1, 1), bottoms=wanted, weights=weights)
    assert [each is not None for each in found.bottoms] == wanted
    assert [each is not None for each in found.weights["c"]] == weights


def test_a_sum_with_another_blob_has_no_gradient():
    text = "convolution_param { num_output: 16 kernel_size: 3 pad: 1 }"
    graph = graph_of(data("4 16 24 24"), layer("c", "Convolution", "data", more=text), layer("s", "Eltwise", "c data"))
    shapes = infer_shapes(graph)
    (group,) = (each for each in find_groups(graph, shapes, fuse=True) if each.addend)
    how = lower(Context(group, [shapes[blob] for blob in group.nodes[0].bottoms], [shapes[group.tops[0]]]))
    assert how.algorithm.startswith("winograd")
    assert how.backward is None
