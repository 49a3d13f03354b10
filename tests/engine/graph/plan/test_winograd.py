"""Convolutions by Winograd's algorithm: their error, tiles that are cut off, when they are taken."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from reference.caffe_graphs import data, graph_of, layer
from reference.exact_net import exact_blobs
from reference.plans import check_plan, draw_inputs, run_again, run_plan, same_bits, ways

from caffe64.engine.compiler.cpu import LANES
from caffe64.engine.graph.plan import Plan
from caffe64.engine.graph.plan.lowering.winograd import convolve, tilings
from caffe64.engine.graph.plan.lowering.winograd.tilings import LEAST_CHANNELS, TILINGS, tiles_per_block
from caffe64.engine.products.pixel_tile import PANEL, ROWS

MOST = 2e-5  # error of the largest output, whatever the number of channels; a plain sum reaches 1e-5
ERRORS = {4: 2e-6, 6: 1e-5, 8: 1e-5}  # by the side of a tile, up to 128 channels; a plain sum reaches 2e-6
WIDE = -(-LEAST_CHANNELS // LANES) * LANES
CHANNELS = st.sampled_from([LEAST_CHANNELS, LEAST_CHANNELS + 1, WIDE + LANES - 1, WIDE + LANES, 3 * WIDE])
NAMES = [f"F({tiling.m}x{tiling.m}, {tiling.r}x{tiling.r})" for tiling in TILINGS]
each_tiling = pytest.mark.parametrize("tiling", TILINGS, ids=NAMES)


@pytest.fixture
def take(monkeypatch):
    """Takes one tiling for kernels of its size and more than one output, whatever it costs."""

    def choose(tiling):
        return lambda window, output: tiling if window.kernel == (tiling.r,) * 2 and window.outputs > 1 else None

    return lambda tiling: monkeypatch.setattr(convolve, "choose_tiling", choose(tiling))


def net(channels, outputs, size, side, pad=(0, 0), pictures=1, bias=True, more=""):
    """One convolution, and the rest of the net in `more`."""
    text = f"num_output: {outputs} kernel_size: {side} pad: {pad[0]} pad: {pad[1]} bias_term: {str(bias).lower()}"
    convolution = layer("c", "Convolution", "data", more=f"convolution_param {{ {text} }}")
    return graph_of(data(f"{pictures} {channels} {size[0]} {size[1]}"), convolution, more)


def error_of(graph, **options):
    """The largest error of the output, of its largest value; and the plan."""
    inputs, plan = draw_inputs(graph), Plan(graph, **options)
    (blob,) = graph.outputs
    exactly = exact_blobs(graph, inputs)[blob][0]
    return np.abs(run_plan(plan, inputs)[blob] - exactly).max() / np.abs(exactly).max(), plan


@each_tiling
@pytest.mark.parametrize(("channels", "outputs", "size"), [(512, 512, (14, 14)), (2048, 16, (8, 8))])
def test_the_error_with_many_channels(take, tiling, channels, outputs, size):
    take(tiling)
    graph = net(channels, outputs, size, tiling.r, (1, 1))
    quick, plan = error_of(graph)
    plain, other = error_of(graph, exact=True)
    assert (ways(plan)["c"].algorithm, ways(other)["c"].algorithm) == (f"winograd {tiling.m}x{tiling.m}", "direct")
    assert quick <= MOST
    assert plain <= MOST / 2


@each_tiling
def test_the_error_of_a_whole_picture(take, tiling):
    take(tiling)
    graph = net(128, 128, (28, 28), tiling.r, (1, 1))
    assert error_of(graph)[0] <= ERRORS[tiling.side]
    assert error_of(graph, exact=True)[0] <= {3: 2e-6, 5: 4e-6}[tiling.r]


@settings(max_examples=40)
@given(
    tiling=st.sampled_from(TILINGS),
    pictures=st.integers(1, 3),
    channels=CHANNELS,
    outputs=CHANNELS,
    size=st.tuples(st.integers(1, 14), st.integers(1, 14)),
    pad=st.tuples(st.integers(0, 4), st.integers(0, 4)),
    bias=st.booleans(),
)
def test_tiles_that_are_cut_off(tiling, pictures, channels, outputs, size, pad, bias):
    assume(all(s + 2 * p >= tiling.r for s, p in zip(size, pad, strict=True)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convolve, "choose_tiling", lambda window, output: tiling)
        error, plan = error_of(net(channels, outputs, size, tiling.r, pad, pictures, bias))
    assert ways(plan)["c"].algorithm.startswith("winograd")
    assert error <= ERRORS[tiling.side]


@each_tiling
@pytest.mark.parametrize("tiles", [1, 2 * ROWS - 1, 2 * ROWS, 2 * ROWS + 1, 5 * ROWS, 70])
@pytest.mark.parametrize("filters", ["near", "far"])
def test_blocks_of_tiles(take, monkeypatch, tiling, tiles, filters):
    """Caches so small that a block has the fewest tiles; filters so many that all tiles make one."""
    take(tiling)
    monkeypatch.setattr(tilings, "BLOCK_BYTES", 1)
    monkeypatch.setattr(tilings, "FILTER_BYTES", 1 if filters == "far" else 1 << 30)
    assert tiles_per_block(tiles, 2, 2, tiling.points) <= (tiles if filters == "far" else 2 * ROWS)
    graph = net(WIDE, 2 * PANEL * LANES + 1, (tiling.side, (tiles - 1) * tiling.m + tiling.side), tiling.r)
    error, one = error_of(graph, threads=1)
    assert error <= ERRORS[tiling.side]
    two, inputs = Plan(graph, threads=2), draw_inputs(graph)
    assert same_bits(run_plan(one, inputs), run_plan(two, inputs))


@each_tiling
@pytest.mark.parametrize("outputs", [WIDE, 2 * WIDE + 3])
@pytest.mark.parametrize("size", [(9, 6), (5, 7)])
def test_what_is_done_to_the_outputs_right_away(take, tiling, outputs, size):
    """A sum with a blob that has other zeros around it, and a ReLU."""
    take(tiling)
    side, pad = tiling.r, tiling.r // 2
    text = f"convolution_param {{ num_output: {outputs} kernel_size: {side} pad: {pad} }}"
    graph = graph_of(
        data(f"2 {WIDE} {size[0]} {size[1]}"),
        layer("b", "Convolution", "data", more=f"convolution_param {{ num_output: {outputs} kernel_size: 1 }}"),
        layer("c", "Convolution", "data", more=text),
        layer("s", "Eltwise", "b c"),
        layer("r", "ReLU", "s", "s"),
        layer("d", "Convolution", "b", more="convolution_param { num_output: 1 kernel_size: 3 pad: 2 }"),
        layer("e", "Convolution", "s", more="convolution_param { num_output: 1 kernel_size: 1 pad: 1 }"),
    )
    inputs, plan = draw_inputs(graph), Plan(graph)
    assert ways(plan)["c"].algorithm.startswith("winograd")
    found, plain = run_plan(plan, inputs), run_plan(check_plan(graph, exact=True), inputs)
    for blob, values in found.items():
        assert np.abs(values - plain[blob]).max() <= 2 * ERRORS[tiling.side] * np.abs(plain[blob]).max()


@pytest.mark.parametrize(
    ("channels", "outputs", "size", "side", "more", "algorithm"),
    [
        (WIDE, WIDE, 24, 3, "", "winograd 4x4"),
        (WIDE, WIDE, 24, 5, "", "winograd 4x4"),
        (WIDE, WIDE, 4, 5, "pad: 2", "winograd 2x2"),
        (WIDE, WIDE, 1, 5, "pad: 2", "direct"),
        (WIDE, WIDE, 6, 3, "pad: 1", "winograd 2x2"),
        (WIDE, WIDE, 1, 3, "pad: 1", "direct"),
        (WIDE, WIDE, 24, 1, "", "direct"),
        (WIDE, WIDE, 24, 3, "stride: 2", "direct"),
        (WIDE, WIDE, 24, 3, "dilation: 2", "direct"),
        (2 * WIDE, 2 * WIDE, 24, 3, "group: 2", "direct"),
        (WIDE, WIDE, 24, 7, "", "direct"),
        (LEAST_CHANNELS - 1, WIDE, 24, 3, "", "direct"),
        (WIDE, LEAST_CHANNELS - 1, 24, 3, "", "direct"),
    ],
)
def test_when_it_is_taken(channels, outputs, size, side, more, algorithm):
    text = f"convolution_param {{ num_output: {outputs} kernel_size: {side} {more} }}"
    graph = graph_of(data(f"1 {channels} {size} {size}"), layer("c", "Convolution", "data", more=text))
    assert ways(Plan(graph))["c"].algorithm == algorithm
    assert ways(Plan(graph, exact=True))["c"].algorithm == "direct"


@each_tiling
def test_kernels_that_are_not_squares(tiling):
    text = f"convolution_param {{ num_output: {WIDE} kernel_size: {tiling.r} kernel_size: 1 }}"
    graph = graph_of(data(f"1 {WIDE} 24 24"), layer("c", "Convolution", "data", more=text))
    assert ways(check_plan(graph))["c"].algorithm == "direct"


@each_tiling
def test_edited_filters(take, tiling):
    take(tiling)
    graph = net(WIDE, WIDE, (9, 10), tiling.r)
    inputs, plan, node = draw_inputs(graph), Plan(graph), graph.nodes[1]
    (before,) = run_plan(plan, inputs).values()
    node.held.expose()
    for blob in node.weights:
        blob *= 2
    (twice,) = run_again(plan, inputs).values()
    np.testing.assert_array_equal(twice, 2 * before)
    for blob in node.weights:
        blob /= 4
    node.held.written()
    (half,) = run_again(plan, inputs).values()
    np.testing.assert_array_equal(half, before / 2)
