"""Layers that see one channel, one pixel or one window at a time, and Concat, against float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from reference.caffe_graphs import data, graph_of, layer
from reference.plans import check_plan, draw_inputs, run_plan, ways

from caffe64.engine.compiler.cpu import LANES
from caffe64.engine.graph.plan import Plan
from caffe64.engine.graph.plan.lowering.pooling import WINDOW_ROWS_PER_ITEM
from caffe64.engine.graph.plan.lowering.softmax import SHORT_ROWS
from caffe64.engine.graph.plan.storage import StorageKind
from caffe64.errors import InputError

CHANNELS = st.sampled_from([1, LANES - 1, LANES, LANES + 1, 2 * LANES, 3 * LANES])
SHAPES = st.tuples(st.integers(1, 3), CHANNELS, st.integers(1, 9), st.integers(1, 9))
TILES = "pooling_param { kernel_size: 2 stride: 2 }"
CONVOLUTION = "convolution_param { num_output: 9 kernel_size: 3 pad: 2 }"  # wants zeros around what it reads
few = settings(max_examples=30)


def shaped(shape, name="data"):
    return data(" ".join(map(str, shape)), name)


# ------------------------------------------------------------------------------------------ one channel at a time
KINDS = {
    "BatchNorm": "",
    "Scale": "scale_param { bias_term: true }",
    "Scale without bias": "",
    "Bias": "",
    "BN": "",
    "BN of SegNet": "bn_param { bn_mode: INFERENCE }",
    "ReLU": "",
    "ReLU with a slope": "relu_param { negative_slope: 0.25 }",
    "PReLU": "",
    "PReLU, one slope": "prelu_param { channel_shared: true }",
}


def kind_of(key):
    return key.replace(",", "").split(" ")[0]


@pytest.mark.parametrize("key", KINDS)
@few
@given(shape=SHAPES, axes=st.integers(2, 4), behind=st.booleans())
def test_one_channel_at_a_time(key, shape, axes, behind):
    """By itself; and before a convolution, with zeros around, where it may overwrite what it reads."""
    layers = [layer("it", kind_of(key), "data", more=KINDS[key])]
    if behind and axes == 4:
        layers.append(layer("c", "Convolution", "it", more=CONVOLUTION))
    plan = check_plan(graph_of(shaped(shape[:axes]), *layers), exact=True)
    assert ways(plan)["it"]


@few
@given(shape=SHAPES, keys=st.lists(st.sampled_from(sorted(KINDS)), min_size=2, max_size=5))
def test_one_behind_the_other_works_in_place(shape, keys):
    names = ["data", *(f"l{number}" for number in range(len(keys)))]
    layers = [layer(f"l{n}", kind_of(key), names[n], more=KINDS[key]) for n, key in enumerate(keys)]
    plan = check_plan(graph_of(shaped(shape), *layers))
    tops = {each.tops[0] for each in plan.actions if each.owner and not each.is_move}
    assert len({top.memory for top in tops}) == len({top.kind for top in tops})


@pytest.mark.parametrize("factor", [0, 1, 2.5])
def test_statistics_with_any_factor(factor):
    graph = graph_of(data(f"2 {LANES + 1} 3 3"), layer("b", "BatchNorm", "data"))
    graph.nodes[1].weights[2][...] = factor
    graph.nodes[1].weights[1] += 1
    check_plan(graph)


@pytest.mark.parametrize(
    ("kind", "more", "blob"),
    [("Scale", "scale_param { axis: 0 }", "2 9 3 3"), ("Scale", "scale_param { axis: 2 num_axes: 1 }", ""),
     ("Bias", "bias_param { axis: 1 num_axes: 2 }", "")],
)  # fmt: skip
def test_other_operands_are_left_to_the_layer(kind, more, blob):
    layers = [data(blob, "other")] if blob else []
    graph = graph_of(data("2 9 3 3"), *layers, layer("s", kind, "data other" if blob else "data", more=more))
    plan = Plan(graph)
    assert ways(plan)["s"] is None
    inputs = draw_inputs(graph)
    (x, *others), node = inputs.values(), graph.nodes[-1]
    operand = others[0] if others else node.weights[0].reshape(-1, 1) if kind == "Scale" else node.weights[0][..., None]
    expected = x * operand if kind == "Scale" else x + operand
    np.testing.assert_array_equal(run_plan(plan, inputs)[node.tops[0]], expected)


# ---------------------------------------------------------------------------------------------------- Eltwise
@few
@given(
    shape=SHAPES,
    bottoms=st.integers(2, 3),
    kind=st.sampled_from(["SUM", "PROD", "MAX"]),
    coefficients=st.booleans(),
    relu=st.booleans(),
    again=st.booleans(),
)
def test_eltwise(shape, bottoms, kind, coefficients, relu, again):
    names = [f"b{number}" for number in range(bottoms)]
    used = [names[0], *names[:-1]] if again else names  # one blob twice
    factors = " ".join(f"coeff: {each}" for each in (0.5, -2, 3)[:bottoms]) if coefficients and kind != "PROD" else ""
    layers = [shaped(shape, name) for name in names]
    layers.append(layer("e", "Eltwise", " ".join(used), more=f"eltwise_param {{ operation: {kind} {factors} }}"))
    layers += [layer("r", "ReLU", "e")] * relu
    assert ways(check_plan(graph_of(*layers)))["e"]


@few
@given(
    shape=SHAPES,
    axes=st.sampled_from([2, 4]),
    behind=st.sampled_from(["", "ReLU", "Sigmoid"]),
    again=st.booleans(),
    padded=st.booleans(),
)
def test_axpy(shape, axes, behind, again, padded):
    """Also of one blob twice, with a function of the result in its loop, and with zeros around all of it."""
    layers = [shaped((*shape[:2], 1, 1)[:axes], "a"), shaped(shape, "x"), *([] if again else [shaped(shape, "z")])]
    layers.append(layer("y", "Axpy", "a x x" if again else "a x z"))
    layers += [layer("f", behind, "y")] if behind else []
    last = "f" if behind else "y"
    layers += [layer(f"c{blob}", "Convolution", blob, more=CONVOLUTION) for blob in ("x", last) if padded]
    plan = check_plan(graph_of(*layers), exact=True)
    assert ways(plan)["y"]
    if behind and not padded:
        assert [[node.name for node in group.nodes] for group in plan.groups][-1] == ["y", "f"]


@pytest.mark.parametrize("kind", ["SUM", "PROD", "MAX"])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_eltwise_of_blobs_with_and_without_zeros_around(kind, at):
    """One bottom is read by a convolution as well, and the top by another, which need different halos."""
    names = ["a", "b", "c"]
    layers = [shaped((2, LANES + 1, 5, 4), "data")]
    layers += [layer(name, "Scale", "data", more="scale_param { bias_term: true }") for name in names]
    layers.append(layer("e", "Eltwise", "a b c", more=f"eltwise_param {{ operation: {kind} }}"))
    layers.append(layer("p", "Convolution", names[at], more=CONVOLUTION))
    layers.append(layer("q", "Convolution", "e", more=CONVOLUTION.replace("pad: 2", "pad: 1")))
    check_plan(graph_of(*layers), exact=True)


# ----------------------------------------------------------------------------------------------------- Concat
@few
@given(
    shape=SHAPES,
    parts=st.lists(CHANNELS, min_size=1, max_size=4),
    behind=st.booleans(),
    axis=st.sampled_from([1, -3]),
)
def test_concat_of_channels(shape, parts, behind, axis):
    layers = [shaped((shape[0], part, *shape[2:]), f"b{n}") for n, part in enumerate(parts)]
    bottoms = " ".join(f"b{n}" for n in range(len(parts)))
    layers.append(layer("c", "Concat", bottoms, more=f"concat_param {{ axis: {axis} }}"))
    if behind:
        layers.append(layer("d", "Convolution", "c", more=CONVOLUTION))
    assert ways(check_plan(graph_of(*layers), exact=True))["c"]


@pytest.mark.parametrize("axis", [0, 2, 3])
def test_concat_of_other_axes(axis):
    layers = [shaped((2, LANES, 3, 3), name) for name in ("a", "b")]
    layers.append(layer("c", "Concat", "a b", more=f"concat_param {{ axis: {axis} }}"))
    assert ways(check_plan(graph_of(*layers)))["c"]


# ---------------------------------------------------------------------------------------------------- Pooling
@settings(max_examples=60)
@given(
    shape=st.tuples(st.integers(1, 2), CHANNELS, st.integers(1, 12), st.integers(1, 12)),
    kernel=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    stride=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    pad=st.tuples(st.integers(0, 5), st.integers(0, 5)),
    floor=st.booleans(),
    mean=st.booleans(),
)
@example(shape=(1, 1, 4, 4), kernel=(1, 1), stride=(2, 2), pad=(0, 0), floor=False, mean=True)  # an empty window
@example(shape=(1, 9, 2, 2), kernel=(3, 3), stride=(2, 2), pad=(0, 0), floor=False, mean=False)  # a larger window
@example(
    shape=(2, LANES, 2 * WINDOW_ROWS_PER_ITEM + 2, 3), kernel=(2, 3), stride=(1, 1), pad=(1, 1), floor=True, mean=True
)
def test_pooling(shape, kernel, stride, pad, floor, mean):
    assume(all(p < k for p, k in zip(pad, kernel, strict=True)))
    sides = " ".join(
        f"{name}_h: {h} {name}_w: {w}" for name, (h, w) in (("kernel", kernel), ("stride", stride), ("pad", pad))
    )
    more = f"pool: {'AVE' if mean else 'MAX'} {sides} round_mode: {'FLOOR' if floor else 'CEIL'}"
    try:
        graph = graph_of(shaped(shape), layer("p", "Pooling", "data", more=f"pooling_param {{ {more} }}"))
    except InputError:
        assume(False)  # the window is larger than the picture
    assert ways(check_plan(graph))["p"]


@pytest.mark.parametrize("pool", ["MAX", "AVE"])
@pytest.mark.parametrize("shape", [(2, 5, 1, 1), (2, LANES, 7, 7), (1, LANES + 1, 3, 2 * LANES + 1)])
def test_global_pooling_and_a_product_of_its_pixel(pool, shape):
    pooling = layer("p", "Pooling", "data", more=f"pooling_param {{ pool: {pool} global_pooling: true }}")
    product = layer("f", "InnerProduct", "p", more="inner_product_param { num_output: 7 }")
    assert ways(check_plan(graph_of(shaped(shape), pooling, product)))["p"]


def test_pooling_with_an_index_top():
    graph = graph_of(data(f"1 {LANES} 4 4"), layer("p", "Pooling", "data", "p m", TILES))
    plan = Plan(graph)
    assert ways(plan)["p"]
    inputs = draw_inputs(graph)
    (x,) = inputs.values()
    tiles = x.reshape(LANES, 2, 2, 2, 2).transpose(0, 1, 3, 2, 4).reshape(LANES, 2, 2, 4)
    outputs = {blob.name: values for blob, values in run_plan(plan, inputs).items()}
    np.testing.assert_array_equal(outputs["p"][0], tiles.max(axis=-1))
    places = np.arange(16).reshape(2, 2, 2, 2).transpose(0, 2, 1, 3).reshape(2, 2, 4)
    np.testing.assert_array_equal(outputs["m"][0], np.take_along_axis(
        np.broadcast_to(places, tiles.shape), tiles.argmax(axis=-1)[..., None], -1)[..., 0])  # fmt: skip


# ------------------------------------------------------------------------------------------------ LRN, Softmax
@few
@given(
    shape=st.tuples(st.integers(1, 2), CHANNELS, st.integers(1, 5), st.integers(1, 5)),
    size=st.sampled_from([1, 3, 5, 7, 2 * LANES + 1]),
    k=st.sampled_from([1, 2]),
    beta=st.sampled_from([0.75, 0.5]),
)
def test_lrn(shape, size, k, beta):
    more = f"lrn_param {{ local_size: {size} alpha: 0.25 beta: {beta} k: {k} }}"
    plan = check_plan(graph_of(shaped(shape), layer("l", "LRN", "data", more=more)))
    assert bool(ways(plan)["l"]) == (beta == 0.75)


@few
@given(shape=st.lists(CHANNELS, min_size=2, max_size=3), axis=st.integers(-2, 1), in_place=st.booleans())
def test_softmax(shape, axis, in_place):
    """It may overwrite its bottom; an input as well, which is written anew before each run."""
    layers, bottom = [shaped(shape)], "data"
    if in_place:
        layers.append(layer("a", "AbsVal", "data"))
        bottom = "a"
    more = f"softmax_param {{ axis: {axis} }}"
    plan = check_plan(graph_of(*layers, layer("s", "Softmax", bottom, bottom if in_place else "s", more)))
    (action,) = [each for each in plan.actions if each.owner and each.owner.main.name == "s" and not each.is_move]
    assert action.bottoms[0].kind is StorageKind.PLANAR
    assert action.lowered
    assert action.bottoms[0].memory is action.tops[0].memory


@pytest.mark.parametrize("rows", [1, LANES - 1, LANES, SHORT_ROWS - 1, 2 * SHORT_ROWS + LANES + 1])
@pytest.mark.parametrize("size", [1, 2, LANES - 1, LANES])
def test_softmax_of_many_short_rows(rows, size):
    """Several at a time; a row of NaN or of inf does not reach the others, nor those behind the last one."""
    graph = graph_of(data(f"{rows} {size}"), layer("s", "Softmax", "data"))
    check_plan(graph)
    ((blob, x),) = draw_inputs(graph).items()
    spoilt = x.copy()
    spoilt[rows // 2] = np.nan
    plain, (found,) = run_plan(Plan(graph), {blob: x}), run_plan(Plan(graph), {blob: spoilt}).values()
    assert np.isnan(found[rows // 2]).all()
    others = np.arange(rows) != rows // 2
    np.testing.assert_array_equal(found[others], next(iter(plain.values()))[others])
