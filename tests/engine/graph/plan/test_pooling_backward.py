"""Gradients of Pooling in blocks: the sums of the reference, in its order, for all windows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.backward_check import check_backward, expected_gradients
from reference.backward_harness import same_on_all_threads
from reference.caffe_graphs import data, graph_of, layer

from caffe64.engine.compiler.cpu import LANES
from caffe64.engine.graph.analysis.shapes import infer_shapes
from caffe64.errors import InputError

SPECIALS = np.array([np.nan, np.inf, -np.inf, np.finfo(np.float32).min, 0, -0.0, 1, 1, 2], np.float32)
COMMON = {  # the windows of nets
    "2x2": "kernel_size: 2 stride: 2",
    "3x3": "kernel_size: 3 stride: 2",
    "resnet": "kernel_size: 3 stride: 2 pad: 1",
    "floor": "kernel_size: 3 stride: 2 round_mode: FLOOR",
    "inception": "kernel_size: 3 stride: 1 pad: 1",
    "low": "kernel_h: 3 kernel_w: 2 stride: 1 pad: 1",
    "lower": "kernel_h: 5 kernel_w: 3 stride: 1 pad: 2",
    "apart": "kernel_h: 3 kernel_w: 2 stride_h: 3 stride_w: 2 pad: 1",
    "global": "global_pooling: true",
    "gaps": "kernel_size: 1 stride: 2",
}


def graph(shape, pool, more, relu=False, tops="p"):
    before = layer("r", "ReLU", "data") if relu else ""
    text = f"pooling_param {{ pool: {pool} {more} }}"
    return graph_of(data(" ".join(map(str, shape))), before, layer("p", "Pooling", "r" if relu else "data", tops, text))


def values(shape, seed, special=0.0):
    """Small whole numbers, so that some are equal, and values that are not numbers."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(-4, 5, shape).astype(np.float32)
    return np.where(rng.random(shape) < special, rng.choice(SPECIALS, shape), drawn).astype(np.float32)


def top_gradients(made, seed=1):
    shapes = infer_shapes(made)
    return [np.random.default_rng(seed).standard_normal(shapes[top]).astype(np.float32) for top in made.nodes[-1].tops]


@settings(max_examples=150, deadline=None)
@given(
    shape=st.tuples(*(st.integers(1, most) for most in (2, LANES + 2, 12, 12))),
    pool=st.sampled_from(["MAX", "AVE"]),
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    stride=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    pad=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    rounding=st.sampled_from(["CEIL", "FLOOR"]),
    places=st.booleans(),
)
def test_gradients_of_all_windows(shape, pool, kernel, stride, pad, rounding, places):
    pairs = zip(("kernel", "stride", "pad"), (kernel, stride, pad), strict=True)
    more = " ".join(f"{name}_h: {h} {name}_w: {w}" for name, (h, w) in pairs) + f" round_mode: {rounding}"
    try:
        made = graph(shape, pool, more, tops="p places" if places and pool == "MAX" else "p")
    except InputError:  # more padding than kernel, or too large
        return
    check_backward(made, {"data": values(shape, 0, 0.1)}, top_gradients(made))


@pytest.mark.parametrize("pool", ["MAX", "AVE"])
@pytest.mark.parametrize("name", COMMON)
@pytest.mark.parametrize("shape", [(3, 2 * LANES + 3, 13, 16), (1, LANES, 97, 70)], ids=["small", "large"])
def test_the_windows_of_nets_give_the_same_bits_on_all_threads(name, pool, shape):
    made = graph(shape, pool, COMMON[name])
    check_backward(made, {"data": values(shape, 0)}, top_gradients(made), threads=True)


@pytest.mark.parametrize("pool", ["MAX", "AVE"])
@pytest.mark.parametrize("name", COMMON)
def test_the_gradient_of_a_relu_before_it_is_left_out_on_demand(name, pool):
    """Where the value that it gave is 0 or NaN. Of equal values the first alone has one, also of zeros."""
    shape = (2, LANES + 1, 11, 14)
    made = graph(shape, pool, COMMON[name], relu=True)
    x = values(shape, 0, 0.2)
    rectified = np.where(x > 0, x, np.where(np.isnan(x), x, np.float32(0)))
    (dy,) = top_gradients(made)
    found = same_on_all_threads(made, {"r": rectified}, [dy], masked=True)
    plain = graph(shape, pool, COMMON[name])
    expected = expected_gradients(plain, {"data": rectified}, [dy])[0]["data"]
    np.testing.assert_array_equal(found.bottoms[0], np.where(rectified > 0, expected, 0))


def test_windows_of_no_numbers_have_no_gradient():
    """Of NaN, -inf and the least float; an infinite gradient goes to one pixel alone."""
    x = np.full((1, 1, 4, 4), np.nan, np.float32)
    x[0, 0, :2, 2:], x[0, 0, 2:, :2], x[0, 0, 2:, 2:] = -np.inf, np.finfo(np.float32).min, 5
    made = graph(x.shape, "MAX", COMMON["2x2"])
    found = check_backward(made, {"data": x}, [np.full((1, 1, 2, 2), np.inf, np.float32)])
    expected = np.zeros(x.shape)
    expected[0, 0, 2, 2] = np.inf
    np.testing.assert_array_equal(found.bottoms[0], expected)
