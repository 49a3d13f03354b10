"""Gradients of LRN, Softmax and its loss in plans."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.backward_check import check_backward, expected_gradients
from reference.backward_harness import run_backward, same_on_all_threads
from reference.caffe_graphs import data, graph_of, layer

from caffe64.engine.compiler.cpu import LANES

RIMS = st.sampled_from([(0, 0, 0, 0), (1, 2, 0, 1)])
TOLERANCE = 2e-6  # of the largest: powers by roots, and sums in another order


def draw(shape, seed=0, scale=1.0):
    return np.random.default_rng(seed).normal(0, scale, shape).astype(np.float32)


def net(kind, shape, more=""):
    return graph_of(data(" ".join(map(str, shape))), layer("it", kind, "data", more=more))


@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(
        st.integers(1, 3),
        st.sampled_from([1, LANES - 1, LANES, LANES + 1, 3 * LANES]),
        st.integers(1, 5),
        st.integers(1, 5),
    ),
    size=st.sampled_from([1, 3, 5, 2 * LANES + 3]),
    alpha=st.sampled_from([1e-4, 1.0, 3.0]),
    k=st.sampled_from([1.0, 2.0]),
    rim=RIMS,
)
def test_lrn_across_channels(shape, size, alpha, k, rim):
    more = f"lrn_param {{ local_size: {size} alpha: {alpha} k: {k} }}"
    check_backward(net("LRN", shape, more), {"data": draw(shape)}, [draw(shape, 1)], tolerance=TOLERANCE, rim=rim)


def test_lrn_on_all_threads_and_behind_a_relu():
    shape = (3, 2 * LANES, 7, 9)
    made, x, dy = net("LRN", shape, "lrn_param { alpha: 2 }"), np.maximum(draw(shape), 0), draw(shape, 1)
    check_backward(made, {"data": x}, [dy], tolerance=TOLERANCE, threads=True)
    expected = expected_gradients(made, {"data": x}, [dy])[0]["data"] * (x > 0)
    (found,) = same_on_all_threads(made, {"data": x}, [dy], masked=True).bottoms
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE * np.abs(expected).max())
    assert not found[x == 0].any()


@pytest.mark.parametrize("k", [0, 1])
def test_channels_behind_the_last_stay_zeros(k):
    """Next to one that is NaN, and where all that is summed up is 0."""
    shape = (1, LANES + 1, 1, 3)
    x = draw(shape)
    x[0, -1, 0, 0] = np.nan
    x[0, -1, 0, 2] = 0
    made = net("LRN", shape, f"lrn_param {{ k: {k} local_size: 3 }}")
    found = run_backward(made, {"data": x}, [draw(shape, 1)])  # which looks at them
    assert np.isnan(found.tops[0][0, -1, 0, 0])


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(
        st.integers(1, 3), st.sampled_from([1, LANES - 1, LANES, LANES + 1]), st.integers(1, 7), st.integers(1, 7)
    ),
    size=st.sampled_from([1, 3, 5, 9, 21]),
    alpha=st.sampled_from([5e-5, 1.0, 30.0]),
    rim=RIMS,
)
def test_lrn_within_channels(shape, size, alpha, rim):
    made, x = within(shape, size, alpha), draw(shape)
    found = check_backward(made, {"data": x}, [draw(shape, 1)], tolerance=TOLERANCE, rim=rim)
    np.testing.assert_allclose(found.tops[0], normalised(x, size, alpha), rtol=TOLERANCE)


def within(shape, size, alpha):
    return net("LRN", shape, f"lrn_param {{ local_size: {size} alpha: {alpha} norm_region: WITHIN_CHANNEL }}")


def normalised(x, size, alpha):
    """In float64."""
    reach = size // 2
    squares = np.pad(np.square(x.astype(np.float64)), [(0, 0), (0, 0), (reach, reach), (reach, reach)])
    windows = np.lib.stride_tricks.sliding_window_view(squares, (size, size), axis=(2, 3))
    return x * (1 + alpha / size**2 * windows.sum(axis=(-2, -1))) ** -0.75


@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("rows", [9, 71], ids=["planes", "parts of planes"])
def test_lrn_within_channels_on_all_threads_and_behind_a_relu(rows, size):
    shape = (3, LANES + 2, rows, 9)
    made, x, dy = within(shape, size, 2), np.maximum(draw(shape), 0), draw(shape, 1)
    check_backward(made, {"data": x}, [dy], tolerance=TOLERANCE, threads=True)
    expected = expected_gradients(made, {"data": x}, [dy])[0]["data"] * (x > 0)
    (found,) = same_on_all_threads(made, {"data": x}, [dy], masked=True).bottoms
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE * np.abs(expected).max())
    assert not found[x == 0].any()


def check_softmax(shape, axis=1, **options):
    """Errors are those of dy less a sum of dy: of the largest dy, where these cancel."""
    made, dy = net("Softmax", shape, f"softmax_param {{ axis: {axis} }}"), draw(shape, 1)
    values = {"data": draw(shape, scale=3)}
    check_backward(made, values, [dy], tolerance=TOLERANCE, least=np.abs(dy).max(), **options)


@settings(max_examples=60, deadline=None)
@given(shape=st.tuples(st.integers(1, 4), st.integers(1, 3 * LANES), *[st.integers(1, 5)] * 2), axis=st.integers(0, 3))
def test_softmax(shape, axis):
    check_softmax(shape, axis)


@pytest.mark.parametrize("shape", [(700, 10), (70, 1000), (5, 21, 40, 31)], ids=str)
def test_softmax_on_all_threads(shape):
    check_softmax(shape, threads=True)
