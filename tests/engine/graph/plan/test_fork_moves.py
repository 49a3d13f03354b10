"""Layers of forks that resize pictures and move values, in plans: the same as the reference, also between others."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from reference.caffe_graphs import graph_of, layer
from reference.moves import CHANNELS, PADDED, PICTURES, check, shaped
from reference.plans import run_plan, ways

from caffe64.engine.compiler.cpu import LANES
from caffe64.engine.graph.plan import Plan
from caffe64.engine.graph.plan.lowering import shuffle
from caffe64.engine.graph.reference import Interpreter
from caffe64.errors import InputError

some = settings(max_examples=60, deadline=None)
PADS = st.integers(-2, 0)


def words(parameter, **fields):
    return f"{parameter} {{ " + " ".join(f"{name}: {value}" for name, value in fields.items()) + " }"


def between(shape, kind, more, behind):
    """The layer between others, the one behind with a padded picture."""
    layers = [shaped(shape), layer("n", "AbsVal", "data"), layer("it", kind, "n", more=more)]
    return graph_of(*layers, *([PADDED] if behind else []))


def rounding(shape, behind, exact=0):
    return 9 * 9 * shape[1] if behind else exact


@some
@given(shape=PICTURES, height=st.integers(1, 19), width=st.integers(1, 19), begin=PADS, end=PADS, behind=st.booleans())
def test_interp(shape, height, width, begin, end, behind):
    assume(min(shape[2:]) + begin + end >= 1)
    more = words("interp_param", height=height, width=width, pad_beg=begin, pad_end=end)
    check(between(shape, "Interp", more, behind), rounding=rounding(shape, behind, 8))


@some
@given(shape=PICTURES, scale=st.integers(1, 4), behind=st.booleans())
def test_upsample_by_a_scale(shape, scale, behind):
    graph = between(shape, "Upsample", words("upsample_param", scale=scale), behind)
    check(graph, rounding=rounding(shape, behind))


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4), (1, 2, 3, 2, 4)])
def test_an_upsample_of_other_axes_is_left_to_the_layer(shape):
    check(graph_of(shaped(shape), layer("it", "Upsample", "data", more="upsample_param { scale: 2 }")), lowered=False)


@some
@given(
    shape=PICTURES,
    window=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    floor=st.booleans(),
    behind=st.booleans(),
)
def test_maxima_go_back_to_their_places(shape, window, stride, floor, behind):
    """Also of windows that overlap, and between which pixels lie; what goes back is what a layer has made of them."""
    assume(all(size >= kernel for size, kernel in zip(shape[2:], window, strict=True)))
    (kernel_h, kernel_w), (stride_h, stride_w), mode = window, stride, "FLOOR" if floor else "CEIL"
    numbers = {"kernel_h": kernel_h, "kernel_w": kernel_w, "stride_h": stride_h, "stride_w": stride_w}
    layers = [shaped(shape), layer("p", "Pooling", "data", "p m", words("pooling_param", **numbers, round_mode=mode))]
    layers += [layer("n", "AbsVal", "p")]
    size = words("upsample_param", upsample_h=shape[2], upsample_w=shape[3])
    layers += [layer("it", "Upsample", "n m", more=size), layer("mask", "AbsVal", "m"), *([PADDED] if behind else [])]
    plan = check(graph_of(*layers), rounding=rounding(shape, behind))
    assert ways(plan)["p"]


def test_places_of_another_size_are_scattered_by_the_layer():
    """Their rows are sheared, as in Caffe."""
    layers = [shaped((1, 3, 4, 6)), layer("p", "Pooling", "data", "p m", "pooling_param { kernel_size: 2 stride: 2 }")]
    up = layer("it", "Upsample", "p m", more="upsample_param { upsample_h: 5 upsample_w: 7 }")
    check(graph_of(*layers, up), lowered=False)


def test_places_that_are_an_input_are_checked():
    graph = graph_of(shaped((1, 3, 4, 6)), shaped((1, 3, 4, 6), "places"), layer("it", "Upsample", "data places"))
    x, places = (np.zeros((1, 3, 4, 6), np.float32) for _ in range(2))
    places[0, 0, 0, 1] = 96
    with pytest.raises(InputError, match=r"'places' holds 96 at position 1, expected an index of the 96 pixels"):
        run_plan(Plan(graph), dict(zip(graph.inputs, [x, places], strict=True)))


@pytest.mark.parametrize("value", [np.nan, -np.inf, -np.finfo(np.float32).max])
def test_a_window_without_a_number_has_no_place(value):
    shape = (1, LANES + 1, 4, 4)
    layers = [shaped(shape), layer("p", "Pooling", "data", "p m", "pooling_param { kernel_size: 2 stride: 2 }")]
    graph = graph_of(*layers, layer("it", "Upsample", "p m"), layer("mask", "Power", "m"))
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    x[0, LANES, 2:, :2], x[0, 1, :2, :2], x[0, 2, 0, 0] = value, value, np.nan
    interpreter, (blob,) = Interpreter(graph), graph.inputs
    interpreter.fill({"data": x})
    interpreter.forward()
    found = {top.name: values for top, values in run_plan(Plan(graph), {blob: x}).items()}
    assert found["mask"][0, LANES, 1, 0] == found["mask"][0, 1, 0, 0] == -1
    for top in graph.outputs:
        np.testing.assert_array_equal(found[top.name], interpreter.array(top))


@some
@given(shape=PICTURES, channels=CHANNELS, group=st.sampled_from([1, 2, 3, LANES]), behind=st.booleans())
def test_channels_are_shuffled(shape, channels, group, behind):
    shape = (shape[0], channels * group, *shape[2:])
    graph = between(shape, "ShuffleChannel", words("shuffle_channel_param", group=group), behind)
    check(graph, rounding=rounding(shape, behind))


@pytest.mark.parametrize("shape", [(2, 6), (2, 6, 5)])
def test_channels_of_fewer_axes_are_shuffled(shape):
    check(graph_of(shaped(shape), layer("it", "ShuffleChannel", "data", more="shuffle_channel_param { group: 3 }")))


@some
@given(
    shape=PICTURES,
    channels=st.sampled_from([1, 3, LANES, LANES + 1]),
    stride=st.integers(1, 3),
    reverse=st.booleans(),
    behind=st.booleans(),
)
def test_reorg(shape, channels, stride, reverse, behind):
    many = 1 if reverse else stride
    shape = (shape[0], channels * stride**2, shape[2] * many, shape[3] * many)
    more = words("reorg_param", stride=stride, reverse=str(reverse).lower())
    check(between(shape, "Reorg", more, behind), rounding=rounding((1, shape[1] * stride**2), behind))


def test_a_shuffle_of_too_many_rows_is_left_to_the_layer(monkeypatch):
    monkeypatch.setattr(shuffle, "MOST_ROWS", 5)
    check(graph_of(shaped((1, 4, 3, 3)), layer("it", "ShuffleChannel", "data")), lowered=False)


@pytest.mark.parametrize(
    ("kind", "more", "lowered"),
    [
        ("CropCenter", "crop_center_param { crop_size: 0 crop_size: 0 crop_size: 1 crop_size: 2 }", True),
        ("CropCenter", "crop_center_param { crop_size: 0 crop_size: 2 crop_size: 0 crop_size: 0 }", True),
        ("CropCenter", "crop_center_param { crop_size: 0 crop_size: 2 crop_size: 1 crop_size: 0 }", False),
        ("Reverse", "reverse_param { axis: 2 }", True),
        ("Reverse", "reverse_param { axis: 3 }", True),
        ("Reverse", "reverse_param { axis: 0 }", False),
        ("Transpose", "transpose_param { dim: 0 dim: 2 dim: 3 dim: 1 }", True),
        ("Transpose", "transpose_param { dim: 3 dim: 0 dim: 2 dim: 1 }", True),
    ],
)
def test_ranges_and_orders_of_axes(kind, more, lowered):
    check(between((2, LANES + 5, 5, 6), kind, more, behind=False), lowered=lowered)
