"""Softmax, Eltwise, and the layers that move, pick or sum up values, against NumPy's functions of the whole array."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.caffe_layers import run_layer
from support import assert_close

from caffe64.engine.compiler.cpu import LANES
from caffe64.errors import InputError

few = settings(max_examples=40)
shapes = st.lists(st.sampled_from([1, 2, 3, 5]), min_size=1, max_size=5).map(tuple)
lanes = st.sampled_from([1, 2, LANES - 1, LANES, LANES + 1, 2 * LANES + 3])
seeds = st.integers(0, 1000)


def values(shape, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, np.float32) * 3


def repeated(field: str, numbers) -> str:
    return " ".join(f"{field}: {number}" for number in numbers)


# ---------------------------------------------------------------------------------------------- Softmax
@few
@given(shape=st.tuples(st.integers(1, 3), lanes, lanes), axis=st.integers(-3, 2), in_place=st.booleans(), seed=seeds)
def test_softmax_of_any_axis(shape, axis, in_place, seed):
    x = values(shape, seed) * 10
    (found,) = run_layer("Softmax", [x], f"softmax_param {{ axis: {axis} }}", in_place=in_place)
    powers = np.exp(x.astype(np.float64) - x.max(axis=axis, keepdims=True))
    assert_close("softmax", found, powers / powers.sum(axis=axis, keepdims=True), 1e-6)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("size", [2, LANES, LANES + 1])
def test_softmax_at_the_ends_of_float32(axis, size):
    x = np.full((size, size), -3e38, np.float32)
    x[0], x[:, 0] = -2.9e38, -2.9e38
    (found,) = run_layer("Softmax", [x], f"softmax_param {{ axis: {axis} }}")
    ends = x == np.float32(-2.9e38)
    np.testing.assert_array_equal(found, ends / ends.sum(axis=axis, keepdims=True).astype(np.float32))
    x[size - 1, size - 1] = np.nan
    (found,) = run_layer("Softmax", [x], f"softmax_param {{ axis: {axis} }}")
    spoilt = np.zeros((size, size), bool)
    spoilt[(slice(None), -1) if axis == 0 else -1] = True
    np.testing.assert_array_equal(np.isnan(found), spoilt)


# ---------------------------------------------------------------------------------------------- Eltwise
@few
@given(size=lanes, number=st.integers(2, 4), kind=st.sampled_from(["SUM", "PROD", "MAX"]), scaled=st.booleans())
def test_eltwise(size, number, kind, scaled):
    bottoms = [values((2, size), seed) for seed in range(number)]
    factors = [0.5, -2, 3, 0.25][:number] if scaled and kind != "PROD" else []
    parameters = f"eltwise_param {{ operation: {kind} {repeated('coeff', factors)} }}"
    (found,) = run_layer("Eltwise", bottoms, parameters)
    stack = np.array(bottoms, np.float64)
    if kind == "SUM":
        expected = np.tensordot(factors or np.ones(number), stack, 1)
    else:
        expected = stack.prod(axis=0) if kind == "PROD" else stack.max(axis=0)
    assert_close(kind, found, expected, 1e-6 * np.abs(stack).max() ** (number if kind == "PROD" else 1) * 4)


def test_the_maximum_with_nan_takes_the_second_and_keeps_the_first_of_later_ones():
    a, b, c = np.array([[np.nan, 1, 1, np.nan], [2, np.nan, 2, 2], [1, 3, np.nan, np.nan]], np.float32)
    parameters = "eltwise_param { operation: MAX }"
    np.testing.assert_array_equal(run_layer("Eltwise", [a, b], parameters)[0], [2, np.nan, 2, 2])
    np.testing.assert_array_equal(run_layer("Eltwise", [a, b, c], parameters)[0], [2, np.nan, 2, 2])


# ---------------------------------------------------------------------------- Concat, Slice, Crop, Tile, Permute
@few
@given(shape=shapes, data=st.data(), sizes=st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_concat_and_slice_undo_each_other(shape, data, sizes):
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    parts = [values((*shape[: axis % len(shape)], size, *shape[axis % len(shape) + 1 :]), size) for size in sizes]
    (whole,) = run_layer("Concat", parts, f"concat_param {{ axis: {axis} }}")
    np.testing.assert_array_equal(whole, np.concatenate(parts, axis))
    points = repeated("slice_point", np.cumsum(sizes)[:-1])
    found = run_layer("Slice", [whole], f"slice_param {{ axis: {axis} {points} }}", tops=len(sizes))
    for number, (part, top) in enumerate(zip(parts, found, strict=True)):
        np.testing.assert_array_equal(top, part, f"top {number}")


def test_the_older_names_of_the_axis():
    x = values((4, 6))
    (found,) = run_layer("Concat", [x, x], "concat_param { concat_dim: 0 }")
    np.testing.assert_array_equal(found, np.concatenate([x, x]))
    for top, part in zip(run_layer("Slice", [x], "slice_param { slice_dim: 0 }", tops=2), np.split(x, 2), strict=True):
        np.testing.assert_array_equal(top, part)
    for top, part in zip(run_layer("Slice", [x], tops=3), np.split(x, 3, axis=1), strict=True):
        np.testing.assert_array_equal(top, part)


@few
@given(shape=st.lists(st.integers(1, 5), min_size=3, max_size=5).map(tuple), data=st.data())
def test_crop(shape, data):
    axis = data.draw(st.integers(0, len(shape) - 1))
    like = tuple(data.draw(st.integers(1, size)) for size in shape)
    offsets = [data.draw(st.integers(0, size - part)) for size, part in zip(shape, like, strict=True)][axis:]
    if len(set(offsets)) == 1:
        offsets = offsets[:1] if offsets[0] else []
    x = values(shape)
    parameters = f"crop_param {{ axis: {axis - len(shape)} {repeated('offset', offsets)} }}"
    (found,) = run_layer("Crop", [x, np.zeros(like, np.float32)], parameters)
    starts = (offsets or [0]) * (1 if len(offsets) > 1 else len(shape) - axis)
    window = [slice(start, start + part) for start, part in zip(starts, like[axis:], strict=True)]
    np.testing.assert_array_equal(found, x[(slice(None),) * axis + tuple(window)])


@few
@given(shape=shapes, data=st.data(), tiles=st.integers(1, 4))
def test_tile(shape, data, tiles):
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    x, times = values(shape), [1] * len(shape)
    times[axis] = tiles
    (found,) = run_layer("Tile", [x], f"tile_param {{ axis: {axis} tiles: {tiles} }}")
    np.testing.assert_array_equal(found, np.tile(x, times))


@few
@given(shape=shapes, data=st.data())
def test_permute_appends_the_axes_that_are_not_named(shape, data):
    order = data.draw(st.permutations(range(len(shape))))
    named = order[: data.draw(st.integers(0, len(shape)))]
    x = values(shape)
    (found,) = run_layer("Permute", [x], f"permute_param {{ {repeated('order', named)} }}")
    np.testing.assert_array_equal(found, x.transpose(*named, *sorted(set(range(len(shape))) - set(named))))


# ---------------------------------------------------------------------------------------- Flatten, Reshape, Split
@few
@given(shape=shapes, data=st.data())
def test_flatten(shape, data):
    start = data.draw(st.integers(0, len(shape) - 1))
    end = data.draw(st.integers(start, len(shape) - 1))
    x = values(shape)
    parameters = f"flatten_param {{ axis: {start - len(shape)} end_axis: {end} }}"
    (found,) = run_layer("Flatten", [x], parameters)
    np.testing.assert_array_equal(found, x.reshape(*shape[:start], -1, *shape[end + 1 :]))


RESHAPES = [  # of (2, 8, 3)
    ("shape { dim: 0 dim: -1 }", (2, 24)),
    ("shape { dim: 0 dim: 0 dim: 0 }", (2, 8, 3)),
    ("shape { dim: 2 dim: 2 dim: 4 } axis: 0 num_axes: 2", (2, 2, 4, 3)),
    ("shape { dim: 2 dim: -1 } axis: 1 num_axes: 1", (2, 2, 4, 3)),
    ("shape { dim: 1 } axis: 1 num_axes: 0", (2, 1, 8, 3)),
    ("shape { dim: 1 dim: 1 } axis: -1", (2, 8, 3, 1, 1)),
    ("shape { dim: 1 } axis: -4 num_axes: 0", (1, 2, 8, 3)),
    ("shape { dim: -1 } axis: 1", (2, 24)),
    ("shape { dim: 0 dim: 4 dim: 6 } axis: 0", (2, 4, 6)),
    ("shape { dim: 0 dim: 3 } axis: 1", (2, 8, 3)),
]


@pytest.mark.parametrize(("parameters", "shape"), RESHAPES)
def test_reshape(parameters, shape):
    x = values((2, 8, 3))
    (found,) = run_layer("Reshape", [x], f"reshape_param {{ {parameters} }}")
    np.testing.assert_array_equal(found, x.reshape(shape))


def test_split_and_silence():
    x = values((2, 3))
    for top in run_layer("Split", [x], tops=3):
        np.testing.assert_array_equal(top, x)
    assert run_layer("Silence", [x, x], tops=0) == []


# ------------------------------------------------------------------------------- Reduction, ArgMax, Normalize
@few
@given(shape=shapes, data=st.data(), kind=st.sampled_from(["SUM", "ASUM", "SUMSQ", "MEAN"]))
def test_reduction(shape, data, kind):
    axis = data.draw(st.integers(0, len(shape) - 1))
    x = values(shape)
    (found,) = run_layer("Reduction", [x], f"reduction_param {{ operation: {kind} axis: {axis} coeff: -1.5 }}")
    exact, axes = x.astype(np.float64), tuple(range(axis, len(shape)))
    function = {"SUM": exact, "ASUM": np.abs(exact), "SUMSQ": exact**2, "MEAN": exact}[kind]
    expected = -1.5 * (function.mean(axis=axes) if kind == "MEAN" else function.sum(axis=axes))
    assert_close(kind, found, expected, 1e-6 * (1 + np.abs(exact).max() ** 2 * math.prod(shape[axis:])))


def largest(row, number: int):
    """(index, value) of the largest values of a list, the largest first, of equal values the later first."""
    return sorted(enumerate(row), key=lambda pair: (pair[1], pair[0]), reverse=True)[:number]


@few
@given(shape=st.lists(st.integers(1, 6), min_size=2, max_size=5).map(tuple), data=st.data(), both=st.booleans())
def test_argmax_of_rows(shape, data, both):
    top_k = data.draw(st.integers(1, math.prod(shape[1:])))
    x = np.round(values(shape))  # many are equal
    parameters = f"argmax_param {{ top_k: {top_k} out_max_val: {str(both).lower()} }}"
    (found,) = run_layer("ArgMax", [x], parameters)
    assert found.shape == (shape[0], 1 + both, top_k, *[1] * (len(shape) - 3))
    for row, top in zip(x.reshape(shape[0], -1), found.reshape(shape[0], 1 + both, top_k), strict=True):
        pairs = np.array(largest(row.tolist(), top_k)).T
        np.testing.assert_array_equal(top, pairs if both else pairs[:1])


@few
@given(shape=st.lists(st.integers(1, 6), min_size=1, max_size=4).map(tuple), data=st.data(), only_values=st.booleans())
def test_argmax_along_an_axis(shape, data, only_values):
    axis = data.draw(st.integers(0, len(shape) - 1))
    top_k = data.draw(st.integers(1, shape[axis]))
    x = np.round(values(shape))
    parameters = f"argmax_param {{ axis: {axis} top_k: {top_k} out_max_val: {str(only_values).lower()} }}"
    (found,) = run_layer("ArgMax", [x], parameters)
    picked = np.apply_along_axis(lambda row: [pair[only_values] for pair in largest(row.tolist(), top_k)], axis, x)
    np.testing.assert_array_equal(found, picked)


@few
@given(shape=st.lists(st.sampled_from([1, 2, 3, 7]), min_size=2, max_size=4).map(tuple), seed=seeds)
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("across", [False, True])
def test_normalize(shape, seed, shared, across):
    x = values(shape, seed)
    scale = values(() if shared else shape[1], seed + 1)
    parameters = f"norm_param {{ across_spatial: {across} channel_shared: {shared} eps: 0.5 }}".lower()
    (found,) = run_layer("Normalize", [x], parameters, [scale])
    exact = x.astype(np.float64).reshape(shape[0], shape[1], -1)
    norms = np.sqrt((exact**2).sum(axis=(1, 2) if across else 1, keepdims=True) + 0.5)
    expected = exact / norms * np.reshape(scale, (1, -1, 1))
    assert_close("normalize", found, expected.reshape(shape), 1e-6 * (1 + np.abs(expected).max()))


# ----------------------------------------------------------------------------------------- Embed, Parameter
@few
@given(shape=shapes, rows=st.integers(1, 9), bias=st.booleans())
def test_embed_looks_up_rows(shape, rows, bias):
    x = np.random.default_rng(0).integers(0, rows, shape) + np.float32(0.75)  # cut off to whole numbers
    weights = [values((rows, 4)), values(4, 1)]
    parameters = f"embed_param {{ num_output: 4 input_dim: {rows} bias_term: {str(bias).lower()} }}"
    (found,) = run_layer("Embed", [x], parameters, weights[: 1 + bias])
    expected = weights[0][x.astype(int)] + (weights[1] if bias else 0)
    np.testing.assert_array_equal(found, expected)


def test_embed_of_a_row_that_is_not_there():
    x = np.array([0, 3], np.float32)
    with pytest.raises(
        InputError, match=r"layer 'it' \(Embed\): 'b0' holds 3 at position 1, expected a number from 0 to 2"
    ):
        run_layer("Embed", [x], "embed_param { num_output: 1 input_dim: 3 bias_term: false }", [values((3, 1))])


def test_a_parameter_is_its_weight_and_not_an_input():
    (found,) = run_layer("Parameter", [], "parameter_param { shape { dim: 2 dim: 3 } }", [values((2, 3))])
    np.testing.assert_array_equal(found, values((2, 3)))
