"""Convolutions by Winograd's algorithm: against float64, its error, when it is taken, weights that change."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.caffe_graphs import data, graph_of, layer

import caffe64
from caffe64.engine.cpu import LANES
from caffe64.engine.gemm import MR
from caffe64.engine.graph.layers import convolution
from caffe64.engine.graph.layers.windows import read_window
from caffe64.engine.graph.layers.winograd import FEWEST, FEWEST_TILES, is_suited
from caffe64.engine.graph.runtime import Runtime

ERROR = 2e-5  # of the largest output; a plain float32 sum reaches 2e-6
WIDE = -(-FEWEST // LANES) * LANES


def convolved(x, weights, bias, pad):
    """The convolution in float64, tap by tap."""
    x = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (pad[0],) * 2, (pad[1],) * 2))
    side = weights.shape[-1]
    rows, columns = x.shape[2] - side + 1, x.shape[3] - side + 1
    y = np.zeros((len(x), len(weights), rows, columns)) + bias.astype(np.float64).reshape(-1, 1, 1)
    for i in range(side):
        for j in range(side):
            y += np.einsum(
                "ncrs,oc->nors", x[:, :, i : i + rows, j : j + columns], weights[:, :, i, j].astype(np.float64)
            )
    return y


def net(pictures, channels, outputs, height, width, side, pad, bias=True):
    text = f"kernel_size: {side} pad_h: {pad[0]} pad_w: {pad[1]} bias_term: {str(bias).lower()}"
    return graph_of(data(f"{pictures} {channels} {height} {width}"), convolution_of(outputs, text))


def convolution_of(outputs, text):
    return layer("c", "Convolution", "data", "c", f"convolution_param {{ num_output: {outputs} {text} }}")


def run(graph, x):
    runtime = Runtime(graph)
    runtime.arrays[graph.inputs[0]][...] = x
    runtime.forward()
    return runtime.arrays[graph.outputs[0]].copy()


@settings(max_examples=40, deadline=None)
@given(
    pictures=st.integers(1, 2),
    channels=st.sampled_from((WIDE, WIDE + LANES, 3 * WIDE)),
    outputs=st.sampled_from((WIDE, WIDE + LANES, 5 * LANES + WIDE)),
    height=st.integers(5, 22),
    width=st.integers(5, 22),
    side=st.sampled_from((3, 5)),
    pad=st.tuples(st.integers(0, 4), st.integers(0, 4)),
    bias=st.booleans(),
    seed=st.integers(0, 99),
)
def test_outputs_are_those_of_float64(pictures, channels, outputs, height, width, side, pad, bias, seed):
    graph = net(pictures, channels, outputs, height, width, side, pad, bias)
    x = np.random.default_rng(seed).standard_normal((pictures, channels, height, width)).astype(np.float32)
    weights, offsets = [*graph.nodes[1].weights, np.zeros(outputs)][:2]
    expected = convolved(x, weights, offsets, pad)
    found = run(graph, x)
    assert np.abs(found - expected).max() <= ERROR * np.abs(expected).max()


@pytest.mark.parametrize("tiles", [FEWEST_TILES, 4 * MR - 1, 4 * MR, 4 * MR + 1, 70])
@pytest.mark.parametrize("side", [3, 5])
def test_blocks_of_tiles_and_their_neighbours(tiles, side):
    m = {3: 4, 5: 2}[side]
    graph = net(1, WIDE, WIDE, m + side - 1, tiles * m + side - 1, side, (0, 0))
    x = np.random.default_rng(0).standard_normal((1, WIDE, m + side - 1, tiles * m + side - 1)).astype(np.float32)
    expected = convolved(x, *graph.nodes[1].weights, (0, 0))
    assert np.abs(run(graph, x) - expected).max() <= ERROR * np.abs(expected).max()


def test_the_error_grows_little_with_the_channels():
    channels = 512 // LANES * LANES
    graph = net(1, channels, WIDE, 12, 12, 3, (1, 1))
    x = np.random.default_rng(0).standard_normal((1, channels, 12, 12)).astype(np.float32)
    expected = convolved(x, *graph.nodes[1].weights, (1, 1))
    assert np.abs(run(graph, x) - expected).max() <= ERROR * np.abs(expected).max()


@pytest.mark.parametrize(
    ("channels", "outputs", "size", "side", "more", "taken"),
    [
        (WIDE, WIDE, 16, 3, "", True),
        (WIDE, WIDE, 16, 5, "", True),
        (WIDE, WIDE, 16, 3, "stride: 2", False),
        (WIDE, WIDE, 16, 3, "dilation: 2", False),
        (WIDE, WIDE, 16, 3, "group: 2", False),
        (WIDE, WIDE, 16, 7, "", False),
        (WIDE, WIDE + 1, 16, 3, "", False),
        (3, WIDE, 16, 3, "", False),
        (WIDE, WIDE, 4, 3, "", False),
    ],
)
def test_when_it_is_taken(channels, outputs, size, side, more, taken):
    text = convolution_of(outputs, f"kernel_size: {side} {more}")
    node = graph_of(data(f"1 {channels} {size} {size}"), text).nodes[1]
    window = read_window(node, [(1, channels, size, size)])
    assert is_suited(window, window.convolved()) == taken


def test_weights_that_were_replaced_or_edited_are_used(tmp_path):
    graph = net(1, WIDE, WIDE, 10, 10, 3, (1, 1))
    x = np.random.default_rng(0).standard_normal((1, WIDE, 10, 10)).astype(np.float32)
    made = caffe64.CaffeNet(graph)
    before = made.forward(data=x)["c"]
    made.params["c"][0].data[...] *= 2
    made.params["c"][1].data[...] *= 2
    np.testing.assert_allclose(made.forward(data=x)["c"], 2 * before, rtol=1e-5)
    graph.nodes[1].weights = [blob / 2 for blob in graph.nodes[1].weights]
    np.testing.assert_allclose(made.forward(data=x)["c"], before, rtol=1e-5)


def test_it_can_be_turned_off(monkeypatch):
    graph = net(1, WIDE, WIDE, 10, 10, 3, (1, 1))
    x = np.random.default_rng(0).standard_normal((1, WIDE, 10, 10)).astype(np.float32)
    expected = convolved(x, *graph.nodes[1].weights, (1, 1))
    for node in graph.nodes:
        node.exact = True
    assert np.abs(run(graph, x) - expected).max() <= 2e-6 * np.abs(expected).max()
    monkeypatch.setattr(convolution, "prepare_winograd", None)  # and it was not asked
    run(graph, x)
