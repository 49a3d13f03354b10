"""Gradients of layers that move values, and of Axpy, in plans: those of the reference."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from reference.backward_check import check_backward
from reference.caffe_graphs import data, graph_of, layer

from caffe64.engine.compiler.cpu import LANES
from caffe64.engine.graph.analysis.shapes import infer_shapes
from caffe64.engine.graph.ir.ownership import weight_gradients
from caffe64.engine.graph.plan import Plan, WantedGradients
from caffe64.engine.graph.reference import Interpreter
from caffe64.engine.graph.reference.gradients import gradients_of

CHANNELS = st.sampled_from([1, LANES - 1, LANES, LANES + 1, 2 * LANES + 3])
PICTURES = st.tuples(st.integers(1, 3), CHANNELS, st.integers(1, 7), st.integers(1, 7))
RIMS = st.sampled_from([(0, 0, 0, 0), (1, 2, 0, 1)])
LARGE = (3, 2 * LANES + 2, 40, 33)
some = settings(max_examples=40, deadline=None)


def draw(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def check(kind, shape, more, *others, **options):
    """`others` are the shapes of further bottoms."""
    names = "abc"[: 1 + len(others)]
    shapes = [shape, *others]
    inputs = [data(" ".join(map(str, each)), name) for each, name in zip(shapes, names, strict=True)]
    graph = graph_of(*inputs, layer("it", kind, " ".join(names), more=more))
    (top,) = graph.nodes[-1].tops
    dy = draw(infer_shapes(graph)[top], 9)
    values = {name: draw(each, number) for number, (name, each) in enumerate(zip(names, shapes, strict=True))}
    return check_backward(graph, values, [dy], **options)


# ------------------------------------------------------------------------------------------------------- moves
ORDERS = [" ".join(f"order: {axis}" for axis in order) for order in itertools.permutations(range(4))]


@some
@given(shape=PICTURES, order=st.sampled_from(ORDERS[1:]), rim=RIMS)
def test_permute(shape, order, rim):
    check("Permute", shape, f"permute_param {{ {order} }}", rim=rim)


@some
@given(group=st.integers(1, 5), others=st.integers(1, LANES), rest=PICTURES, rim=RIMS)
def test_shuffle_channel(group, others, rest, rim):
    shape = (rest[0], group * others, *rest[2:])
    check("ShuffleChannel", shape, f"shuffle_channel_param {{ group: {group} }}", rim=rim)


@some
@given(shape=PICTURES, rim=RIMS, draws=st.data())
def test_crop(shape, rim, draws):
    sizes = [draws.draw(st.integers(1, side)) for side in shape[2:]]
    offsets = [draws.draw(st.integers(0, side - size)) for side, size in zip(shape[2:], sizes, strict=True)]
    assume(sizes != list(shape[2:]))
    more = " ".join(f"offset: {offset}" for offset in offsets)
    found = check(
        "Crop", shape, f"crop_param {{ axis: 2 {more} }}", (*shape[:2], *sizes), rim=rim, bottoms=[True, False]
    )
    assert np.count_nonzero(found.bottoms[0]) <= shape[0] * shape[1] * np.prod(sizes)


@some
@given(shape=PICTURES, scale=st.integers(1, 4), rim=RIMS)
def test_upsample_by_a_scale(shape, scale, rim):
    check("Upsample", shape, f"upsample_param {{ scale: {scale} }}", rim=rim, tolerance=1e-6)


@pytest.mark.parametrize(
    ("kind", "more", "others"),
    [
        ("Permute", "permute_param { order: 0 order: 2 order: 3 order: 1 }", []),
        ("Permute", "permute_param { order: 0 order: 3 order: 2 order: 1 }", []),
        ("ShuffleChannel", "shuffle_channel_param { group: 2 }", []),
        ("Crop", "crop_param { axis: 2 offset: 5 offset: 3 }", [(3, 2 * LANES + 2, 30, 20)]),
        ("Upsample", "upsample_param { scale: 2 }", []),
        ("Interp", "interp_param { height: 79 width: 65 }", []),
    ],
)
def test_moves_on_all_threads(kind, more, others):
    bottoms = [True, *[False] * len(others)]
    check(kind, LARGE, more, *others, threads=True, bottoms=bottoms, tolerance=1e-6)


@some
@given(shape=PICTURES, height=st.integers(1, 19), width=st.integers(1, 19), crop=st.integers(-1, 0), rim=RIMS)
def test_interp(shape, height, width, crop, rim):
    assume(min(shape[2:]) + crop >= 1)
    more = f"interp_param {{ height: {height} width: {width} pad_beg: {crop} }}"
    check("Interp", shape, more, rim=rim, tolerance=2e-6)


@settings(max_examples=15, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 3), CHANNELS, st.integers(3, 9), st.integers(3, 9)),
    window=st.sampled_from([(2, 2, 0), (3, 2, 0), (3, 2, 1), (2, 1, 0)]), threads=st.integers(1, 2),
)  # fmt: skip
def test_upsample_by_places(shape, window, threads):
    """Of a Pooling whose bottom needs a gradient, as in SegNet."""
    kernel, stride, pad = window
    pool = f"pooling_param {{ kernel_size: {kernel} stride: {stride} pad: {pad} }}"
    size = f"upsample_param {{ upsample_h: {shape[2]} upsample_w: {shape[3]} }}"
    graph = graph_of(
        data(" ".join(map(str, shape))), layer("s", "Scale", "data"), layer("p", "Pooling", "s", "p m", pool),
        layer("t", "TanH", "p"), layer("u", "Upsample", "t m", more=size), layer("q", "PReLU", "u"),
        layer("l", "Reduction", "q", more="loss_weight: 1 reduction_param { operation: SUMSQ }"), phase="TRAIN",
    )  # fmt: skip
    for node in graph.nodes:
        for blob in node.weights:
            blob[...] = draw(blob.shape, 3)
    (source,) = graph.inputs
    wanted = WantedGradients(weight_gradients(graph))
    plan = Plan(graph, gradients=wanted, threads=threads)
    assert "unpool_back" in {step.kernel.__name__ for step in plan.steps}
    plan.inputs[source][...] = draw(shape)
    plan.forward()
    plan.backward()
    interpreter = Interpreter(graph)
    interpreter.arrays[source][...] = draw(shape)
    interpreter.forward()
    for node, arrays in gradients_of(interpreter)[1].items():
        for found, expected in zip(wanted.weights[node], arrays, strict=True):
            np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5 * max(1, np.abs(expected).max()))


# -------------------------------------------------------------------------------------------------------- Axpy
WANTED = st.lists(st.booleans(), min_size=3, max_size=3).filter(any)


def check_axpy(shape, **options):
    pictures, channels, rows, columns = shape
    factor = (pictures, channels, 1, 1)
    names, shapes = "abc", [factor, shape, shape]
    inputs = [data(" ".join(map(str, each)), name) for each, name in zip(shapes, names, strict=True)]
    graph = graph_of(*inputs, layer("it", "Axpy", "a b c"))
    values = {name: draw(each, number) for number, (name, each) in enumerate(zip(names, shapes, strict=True))}
    least = np.sqrt(rows * columns)  # of a sum of so many random terms, which may cancel
    return check_backward(graph, values, [draw(shape, 9)], tolerance=2e-6, least=least, **options)


@some
@given(shape=PICTURES, wanted=WANTED, rim=RIMS)
def test_axpy(shape, wanted, rim):
    found = check_axpy(shape, bottoms=wanted, rim=rim)
    assert [each is not None for each in found.bottoms] == wanted


def test_axpy_on_all_threads():
    check_axpy(LARGE, threads=True)
