"""Layers that move values, in plans: the same bits as the reference."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.caffe_graphs import data, graph_of, layer
from reference.moves import CHANNELS, PADDED, PICTURES, check, shaped
from reference.plans import run_plan, ways

from caffe64.engine.compiler.cpu import LANES
from caffe64.engine.graph.ops.padding import Pad
from caffe64.engine.graph.ops.resize import Resize
from caffe64.engine.graph.ops.strided_slice import StridedSlice
from caffe64.engine.graph.plan import Plan
from caffe64.engine.graph.plan.lowering import permute
from caffe64.engine.graph.plan.lowering.gather import ROW_VECTORS

ANY_SHAPE = st.lists(st.integers(1, 6), min_size=1, max_size=6)
some = settings(max_examples=60)


def with_attributes(graph, kind, attributes):
    """The layer `it`, which stands there as a layer of Caffe's, is one that Caffe's format does not have."""
    (node,) = [node for node in graph.nodes if node.name == "it"]
    node.type, node.attributes = kind, attributes
    return graph


@some
@given(shape=ANY_SHAPE, numbers=st.data(), parts=st.integers(1, 4))
def test_concat_and_slice_of_any_axis(shape, numbers, parts):
    axis = numbers.draw(st.integers(0, len(shape) - 1))
    sizes = [numbers.draw(st.integers(1, 2 * LANES + 1)) for _ in range(parts)]
    shapes = [(*shape[:axis], size, *shape[axis + 1 :]) for size in sizes]
    layers = [shaped(each, f"b{n}") for n, each in enumerate(shapes)]
    names = " ".join(f"b{n}" for n in range(parts))
    check(graph_of(*layers, layer("it", "Concat", names, more=f"concat_param {{ axis: {axis} }}")))
    points = " ".join(f"slice_point: {sum(sizes[:n])}" for n in range(1, parts))
    whole = (*shape[:axis], sum(sizes), *shape[axis + 1 :])
    more = f"slice_param {{ axis: {axis} {points} }}"
    check(graph_of(shaped(whole), layer("it", "Slice", "data", " ".join(f"t{n}" for n in range(parts)), more)))


@some
@given(shape=PICTURES, cuts=st.lists(st.integers(1, 3 * LANES), min_size=1, max_size=3, unique=True))
def test_channels_that_are_cut_apart_and_joined_stay_the_same(shape, cuts):
    """With convolutions behind, which read what is in the lanes behind the last channel of each part."""
    cuts = sorted(cuts)
    channels = cuts[-1] + shape[1]
    points = " ".join(f"slice_point: {cut}" for cut in cuts)
    names = " ".join(f"t{n}" for n in range(len(cuts) + 1))
    layers = [shaped((shape[0], channels, *shape[2:])), layer("n", "AbsVal", "data")]
    layers += [layer("s", "Slice", "n", names, f"slice_param {{ {points} }}"), layer("it", "Concat", names), PADDED]
    layers += [layer(f"c{n}", "Convolution", name, more="convolution_param { num_output: 3 kernel_size: 1 }")
               for n, name in enumerate(names.split())]  # fmt: skip
    plan = check(graph_of(*layers), rounding=9 * channels)
    assert ways(plan)["s"]
    assert [last - first for first, last in pairwise([0, *cuts, channels])] == [
        plan.shapes[top][1] for top in next(node for node in plan.graph.nodes if node.name == "s").tops
    ]


@settings(max_examples=120)
@given(shape=ANY_SHAPE, order=st.randoms(use_true_random=False), channels=st.none() | CHANNELS)
def test_permute(shape, order, channels):
    if channels and len(shape) > 1:
        shape[1] = channels
    axes = list(range(len(shape)))
    order.shuffle(axes)
    more = "permute_param { " + " ".join(f"order: {axis}" for axis in axes) + " }"
    check(graph_of(shaped(shape), layer("it", "Permute", "data", more=more)))


@some
@given(shape=PICTURES, back=st.booleans())
def test_channels_to_the_last_axis_and_back(shape, back):
    """From blocks with zeros around them, and to them."""
    layers = [shaped(shape), layer("a", "BatchNorm", "data")]
    layers.append(layer("p", "Convolution", "a", more="convolution_param { num_output: 5 kernel_size: 3 pad: 2 }"))
    layers.append(layer("it", "Permute", "a", more="permute_param { order: 0 order: 2 order: 3 order: 1 }"))
    if back:
        layers.append(layer("q", "Permute", "it", more="permute_param { order: 0 order: 3 order: 1 order: 2 }"))
        layers.append(layer("z", "Convolution", "q", more="convolution_param { num_output: 5 kernel_size: 3 pad: 1 }"))
    check(graph_of(*layers), rounding=9 * 9 * shape[1])


def test_a_permute_of_too_many_rows_is_left_to_the_layer(monkeypatch):
    monkeypatch.setattr(permute, "MOST_ROWS", 5)
    more = "permute_param { order: 1 order: 0 order: 2 }"
    check(graph_of(data("2 3 4"), layer("it", "Permute", "data", more=more)), lowered=False)


def test_a_scalar_is_left_to_the_layer():
    check(graph_of(data(""), layer("it", "Permute", "data")), lowered=False)


SCALES = st.sampled_from([0.5, 1.0, 1.5, 2.0, 3.0, 0.3])


@some
@given(
    shape=PICTURES,
    scales=st.tuples(SCALES, SCALES),
    mode=st.sampled_from(["nearest", "linear"]),
    coordinates=st.sampled_from(["half_pixel", "align_corners", "asymmetric"]),
    rounding=st.sampled_from(["round_prefer_floor", "floor"]),
    axes=st.integers(1, 2),
    behind=st.booleans(),
)
def test_resize(shape, scales, mode, coordinates, rounding, axes, behind):
    scales = [scale if int(size * np.float32(scale)) else 1.0 for size, scale in zip(shape[2:], scales, strict=True)]
    layers = [shaped(shape[: 2 + axes]), layer("it", "AbsVal", "data")]
    layers += [PADDED] if behind and axes == 2 else []
    attributes = Resize(mode, tuple(scales[:axes]), (), coordinates, rounding)
    graph = graph_of(*layers)
    node = next(node for node in graph.nodes if node.name == "it")
    node.type, node.attributes = "Resize", attributes
    check(graph, rounding=(9 * 9 * shape[1] if behind else 8) if mode == "linear" or behind else 0)


@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_a_large_picture_is_shared_by_its_rows(mode):
    graph = graph_of(shaped((1, 3, 20, ROW_VECTORS // 16)), layer("it", "AbsVal", "data"))
    check(with_attributes(graph, "Resize", Resize(mode, (2.0, 2.0))), rounding=8 * (mode == "linear"))


@pytest.mark.parametrize("shares", ["whole", "halves"])
def test_infinity_is_not_spread_to_pixels_that_lie_on_others(shares):
    """inf times a share of 0 would be NaN."""
    graph = graph_of(data(f"1 {LANES} 3 3"), layer("it", "AbsVal", "data"))
    with_attributes(
        graph, "Resize", Resize("linear", (1.0, 2.0) if shares == "halves" else (1.0, 1.0), (), "asymmetric")
    )
    (blob,) = graph.inputs
    x = np.ones((1, LANES, 3, 3), np.float32)
    x[0, 2, 1, 1] = np.inf
    ((_, found),) = run_plan(Plan(graph), {blob: x}).items()
    assert not np.isnan(found).any()
    assert np.isinf(found[0, 2]).sum() == (3 if shares == "halves" else 1)


PADS = st.integers(-2, 3)


@some
@given(
    shape=PICTURES,
    pads=st.tuples(PADS, PADS, PADS, PADS),
    mode=st.sampled_from(["constant", "edge", "reflect"]),
    value=st.sampled_from([0.0, 1.5, -np.inf]),
)
def test_pad_of_pixels(shape, pads, mode, value):
    pads = [max(pad, 0) if size < 5 else pad for pad, size in zip(pads, (*shape[2:], *shape[2:]), strict=True)]
    if mode == "reflect":
        pads = [min(pad, size - 1 + min(0, other)) if pad > 0 else pad for pad, other, size in
                zip(pads, pads[2:] + pads[:2], (*shape[2:], *shape[2:]), strict=True)]  # fmt: skip
    graph = graph_of(shaped(shape), layer("it", "AbsVal", "data"))
    check(with_attributes(graph, "Pad", Pad((0, 0, *pads[:2]), (0, 0, *pads[2:]), mode, value)))


def test_lanes_behind_the_last_channel_stay_zero_where_a_pad_is_not():
    graph = graph_of(data(f"1 {LANES + 1} 3 3"), layer("it", "AbsVal", "data"), PADDED)
    check(with_attributes(graph, "Pad", Pad((0, 0, 1, 1), (0, 0, 1, 1), "constant", 2.0)), rounding=9 * 9 * LANES)


@pytest.mark.parametrize("pads", [(1, 0, 0, 0), (0, 1, 0, 0)])
def test_pads_of_other_axes_are_left_to_the_layer(pads):
    graph = graph_of(data("2 3 4 5"), layer("it", "AbsVal", "data"))
    check(with_attributes(graph, "Pad", Pad(pads, (0, 0, 1, 0))), lowered=False)


@pytest.mark.parametrize(
    ("axes", "starts", "ends", "steps", "lowered"),
    [
        ((2, 3), (1, 0), (99, -1), (2, 1), True),
        ((3,), (-1,), (-99,), (-1,), True),
        ((1,), (3,), (LANES + 5,), (1,), True),
        ((1,), (0,), (LANES,), (2,), False),
        ((1, 2), (1, 1), (9, 3), (1, 1), False),
        ((0,), (1,), (2,), (1,), True),
    ],
)
def test_strided_slices(axes, starts, ends, steps, lowered):
    graph = graph_of(data(f"2 {2 * LANES + 3} 5 6"), layer("it", "AbsVal", "data"))
    check(with_attributes(graph, "StridedSlice", StridedSlice(axes, starts, ends, steps)), lowered=lowered)


@pytest.mark.parametrize(
    ("axis", "offsets", "like", "lowered"),
    [
        (2, "offset: 1", (2, 3, 2, 2), True),
        (3, "offset: 2", (2, 3, 9, 2), True),
        (1, "offset: 2 offset: 0 offset: 0", (2, LANES + 3, 5, 6), True),
        (1, "offset: 1", (2, LANES, 2, 2), False),
    ],
)
def test_crop(axis, offsets, like, lowered):
    more = f"crop_param {{ axis: {axis} {offsets} }}"
    layers = [shaped((2, LANES + 5, 5, 6)), shaped(like, "like"), layer("it", "Crop", "data like", more=more)]
    check(graph_of(*layers), lowered=lowered)
