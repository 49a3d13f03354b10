"""InnerProduct, LRN, MVN, BatchNorm, Scale and Bias against float64, over shapes and parameters at the edges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from reference import caffe_windows as reference
from reference.caffe_running import TOLERANCE, check, drawn, exact, run, runtime_of
from support import assert_close

from caffe64.engine.compiler.cpu import LANES
from caffe64.engine.graph.ops import OPS
from caffe64.engine.graph.ops.product import FEW_ROWS
from caffe64.engine.products.gemm import KC, NC

SIDES = st.sampled_from([1, 2, 3, 5, LANES - 1, LANES, LANES + 1, 2 * LANES + 3])


@settings(max_examples=30)
@given(
    shape=st.lists(st.sampled_from([1, 2, 3, LANES]), min_size=1, max_size=4),
    axis=st.integers(-4, 3),
    outputs=st.sampled_from([1, 2, LANES - 1, LANES + 1, 40]),
    transpose=st.booleans(),
    has_bias=st.booleans(),
)
@example(shape=[FEW_ROWS + 3, 7, 2 * KC // 7], axis=1, outputs=NC + 5, transpose=False, has_bias=True)
@example(shape=[FEW_ROWS, KC + 5], axis=1, outputs=NC + 5, transpose=False, has_bias=True)
@example(shape=[5, KC + 5], axis=1, outputs=NC + 5, transpose=True, has_bias=False)
def test_inner_product(shape, axis, outputs, transpose, has_bias):
    assume(-len(shape) <= axis < len(shape))
    x, kept = drawn(*shape), shape[: axis % len(shape)]
    rows = x.reshape(int(np.prod(kept)), -1)
    w, b = drawn(outputs, rows.shape[1], seed=1), drawn(outputs, seed=2)
    options = f"num_output: {outputs} axis: {axis} transpose: {str(transpose).lower()}"
    weights = [w.T if transpose else w, b][: 1 + has_bias]
    parameters = f"{options} bias_term: {str(has_bias).lower()}"
    (y,), _ = run(f'type: "InnerProduct" inner_product_param {{ {parameters} }}', [x], weights)
    expected = exact(rows)[0] @ exact(w)[0].T + (b if has_bias else 0)
    scale = (np.abs(rows) @ np.abs(w.T)).max()
    assert_close("top", y, expected.reshape(*kept, outputs), TOLERANCE * scale)


@settings(max_examples=30)
@given(
    channels=st.integers(1, 9),
    sides=st.tuples(SIDES, SIDES),
    size=st.sampled_from([1, 3, 5, 7]),
    beta=st.sampled_from([0.75, 0.5, 1.25]),
    within=st.booleans(),
)
def test_lrn(channels, sides, size, beta, within):
    x = 3 * drawn(2, channels, *sides)
    region = "WITHIN_CHANNEL" if within else "ACROSS_CHANNELS"
    parameters = f"local_size: {size} alpha: 0.25 beta: {beta} k: 2 norm_region: {region}"
    (y,), _ = run(f'type: "LRN" lrn_param {{ {parameters} }}', [x])
    exactly = x.astype(np.float64)
    if within:
        check(y, reference.lrn_within(exactly, size, 0.25, beta))
    else:
        check(y, reference.lrn_across(exactly, size, 0.25, beta, 2))


@settings(max_examples=30)
@given(
    shape=st.lists(SIDES, min_size=1, max_size=4),
    across=st.booleans(),
    variance=st.booleans(),
    eps=st.sampled_from([1, 0.01]),
)
def test_mvn(shape, across, variance, eps):
    x = 5 + drawn(*shape)
    options = f"across_channels: {across} normalize_variance: {variance} eps: {eps}".lower()
    (y,), _ = run(f'type: "MVN" mvn_param {{ {options} }}', [x])
    expected = reference.mvn(x.astype(np.float64), across, variance, eps)
    assert_close("top", y, expected, TOLERANCE * max(1, np.abs(expected).max()))


shapes = st.lists(SIDES, min_size=2, max_size=4)


@settings(max_examples=30)
@given(shape=shapes, factor=st.sampled_from([0, 1, 2.5, 999.9]), eps=st.sampled_from([1e-5, 0.1]))
def test_batch_norm_with_global_statistics(shape, factor, eps):
    x, C = 2 + drawn(*shape), shape[1]
    mean, variance = drawn(C, seed=1), np.abs(drawn(C, seed=2)) + 0.1
    layer = f'type: "BatchNorm" batch_norm_param {{ eps: {eps} }}'
    stored = factor or 3  # sums that a factor of 0 makes meaningless
    blobs = [mean * np.float32(stored), variance * np.float32(stored), np.array([factor], np.float32)]
    (y,), node = run(layer, [x], blobs)
    along = (1, C) + (1,) * (len(shape) - 2)
    mean, variance = (0 * v if factor == 0 else v for v in exact(mean, variance))
    expected = (x - mean.reshape(along)) / np.sqrt(variance.reshape(along) + eps)
    check(y, expected)
    assert node.weights[2] == np.float32(factor)


@settings(max_examples=30)
@given(shape=shapes, phase=st.sampled_from(["TRAIN", "TEST"]))
def test_batch_norm_with_the_batchs_statistics_adds_them_to_its_blobs(shape, phase):
    x, C = 100 + drawn(*shape), shape[1]
    sums = [drawn(C, seed=1), drawn(C, seed=2), np.array([3], np.float32)]
    own = "" if phase == "TRAIN" else "use_global_stats: false"
    layer = f'type: "BatchNorm" batch_norm_param {{ moving_average_fraction: 0.5 {own} }}'
    along, number = (1, C) + (1,) * (len(shape) - 2), x.size // C
    tolerance = 4e-3 if number < 3 else 1e-4  # what is left of values that are nearly equal
    (y,), node = run(layer, [x], [blob.copy() for blob in sums], phase, tolerance=tolerance)
    mean, variance = reference.batch_moments(x.astype(np.float64))
    assert_close("top", y, (x - mean.reshape(along)) / np.sqrt(variance.reshape(along) + 1e-5), tolerance)
    unbiased = variance * (number / (number - 1) if number > 1 else 1)
    for blob, expected in zip(node.weights, (mean + sums[0] / 2, unbiased + sums[1] / 2, [2.5]), strict=True):
        check(blob, np.asarray(expected))


@pytest.mark.parametrize("own", ["TRAIN", "TEST"])
def test_a_layers_own_phase_counts_more_than_the_nets(own):
    x, blobs = drawn(2, 3, 4), [np.zeros(3, np.float32), np.ones(3, np.float32), np.ones(1, np.float32)]
    _, node = run(f'type: "BatchNorm" phase: {own}', [x], blobs, "TEST" if own == "TRAIN" else "TRAIN")
    assert (node.weights[2][0] == np.float32(1)) == (own == "TEST")


@st.composite
def scalings(draw):
    """A bottom's shape, the first axis and the number of axes of what it is scaled by; -1 is all of them."""
    shape = draw(st.lists(st.sampled_from([1, 2, 3, LANES, LANES + 1]), min_size=1, max_size=4))
    axis = draw(st.integers(0, len(shape) - 1))
    return shape, axis, draw(st.integers(-1, len(shape) - axis))


@settings(max_examples=40)
@given(scalings(), st.booleans(), st.booleans(), st.booleans())
def test_scale_and_bias(case, two, has_beta, negative):
    shape, axis, axes = case
    end = len(shape) if axes == -1 else axis + axes
    operand = shape[axis:end]
    x, gamma, beta = drawn(*shape), drawn(*operand, seed=1), drawn(*operand, seed=2)
    along = lambda v: v.reshape(*operand, *[1] * (len(shape) - end)).astype(np.float64)  # noqa: E731
    inputs, blobs = ([x, gamma], []) if two else ([x], [gamma])
    place = f"axis: {axis - len(shape) if negative else axis} num_axes: {axes}"
    layer = f'type: "Scale" scale_param {{ {place} bias_term: {str(has_beta).lower()} }}'
    (y,), _ = run(layer, inputs, [*blobs, beta] if has_beta else blobs)
    check(y, x * along(gamma) + (along(beta) if has_beta else 0))
    (y,), _ = run(f'type: "Bias" bias_param {{ {place} }}', inputs, blobs)
    check(y, x + along(gamma))


@pytest.mark.parametrize(
    ("layer", "blobs", "expected"),
    [
        ('type: "BatchNorm"', [[1, 2, 3], [4, 5, 6], [1]], lambda x, c: (x - (1 + c)) / np.sqrt(4 + c + 1e-5)),
        ('type: "Scale" scale_param { bias_term: true }', [[1, 2, 3], [4, 5, 6]], lambda x, c: x * (1 + c) + 4 + c),
        ('type: "Bias"', [[1, 2, 3]], lambda x, c: x + 1 + c),
        (
            'type: "MVN" mvn_param { normalize_variance: false }',
            [],
            lambda x, c: x - x.mean(axis=(2, 3), keepdims=True),
        ),
    ],
)
def test_the_layers_own_code_is_right_in_place(layer, blobs, expected):
    x = drawn(2, 3, 4, 5)
    text = (
        'layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 dim: 4 dim: 5 } } }'
        f'layer {{ name: "tested" bottom: "x" top: "y" {layer} }}'
    )
    node = runtime_of(text, [x], [np.array(blob, np.float32) for blob in blobs]).graph.nodes[-1]
    y = x.copy()
    OPS[node.type].prepare(node, [x.shape], [x.shape])([y], [y])
    check(y, expected(x.astype(np.float64), np.arange(3).reshape(1, 3, 1, 1)))
