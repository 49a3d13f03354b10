"""Layers that weigh, pool and normalise: against real Caffe, and against float64 over shapes at the edges."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from reference import caffe_windows as reference
from support import SHARED, assert_close, needs_shared

from caffe64.engine.cpu import LANES
from caffe64.engine.gemm import KC, NC
from caffe64.engine.graph.build import assign_weights, build_graph
from caffe64.engine.graph.layers.product import FEW
from caffe64.engine.graph.runtime import Runtime
from caffe64.engine.graph.shapes import weight_shapes
from caffe64.errors import InputError
from caffe64.formats.caffe import parse_prototxt

TOLERANCE = 1e-5  # of the largest magnitude
TYPES = ["Convolution", "Deconvolution", "Pooling", "InnerProduct", "LRN", "MVN", "BatchNorm", "Scale", "Bias"]
CASES = SHARED / "caffe" / "layers"


def type_of(path) -> str:
    return re.findall(r'type: "(\w+)"', str(np.load(path)["prototxt"]))[-1]


def runtime_of(text, inputs, weights, phase="TEST"):
    """The net of `text`, whose last layer gets `weights`, with `inputs` in its Input layers' tops."""
    graph = build_graph(parse_prototxt(text, "net.prototxt").message, phase)
    assign_weights(graph, [[]] * (len(graph.nodes) - 1) + [weights])
    runtime = Runtime(graph)
    expected = weight_shapes(graph, runtime.shapes)
    assert [[blob.shape for blob in node.weights] for node in graph.nodes] == expected
    for blob, value in zip(graph.inputs, inputs, strict=True):
        runtime.arrays[blob][...] = value
    return runtime


def run(layer, inputs, weights=(), phase="TEST", tops=1):
    """The tops of one layer, and its node."""
    text = "".join(
        f'layer {{ name: "in{i}" type: "Input" top: "in{i}" input_param {{ shape {{ '
        f"{' '.join(f'dim: {side}' for side in x.shape)} }} }} }}\n"
        for i, x in enumerate(inputs)
    )
    bottoms = " ".join(f'bottom: "in{i}"' for i in range(len(inputs)))
    named = " ".join(f'top: "top{i}"' for i in range(tops))
    runtime = runtime_of(f'{text}layer {{ name: "tested" {bottoms} {named} {layer} }}', inputs, list(weights), phase)
    runtime.forward()
    node = runtime.graph.nodes[-1]
    return [runtime.arrays[top] for top in node.tops], node


def check(actual, expected, tolerance=TOLERANCE):
    assert_close("top", actual, expected, tolerance * max(1e-30, np.abs(expected).max(initial=0)))


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def exact(*arrays):
    return [array.astype(np.float64) for array in arrays]


# ----------------------------------------------------------------------------------------------- real Caffe
@needs_shared
@pytest.mark.parametrize("name", [p.stem for p in sorted(CASES.glob("*.npz")) if type_of(p) in TYPES])
def test_real_caffes_outputs(name):
    case = np.load(CASES / f"{name}.npz")

    def arrays(kind):
        return [case[f"{kind}{i}"] for i in range(len(case.files)) if f"{kind}{i}" in case]

    runtime = runtime_of(str(case["prototxt"]), arrays("bottom"), arrays("param"), str(case["phase"]))
    runtime.forward()
    tops = [runtime.arrays[top] for top in runtime.graph.nodes[-1].tops]
    for actual, expected in zip(tops, arrays("top"), strict=True):
        check(actual, expected)
    for actual, expected in zip(runtime.graph.nodes[-1].weights, arrays("param_after_forward"), strict=False):
        check(actual, expected)


# ---------------------------------------------------------------------------------- convolution, deconvolution
SIDES = st.sampled_from([1, 2, 3, 5, LANES - 1, LANES, LANES + 1, 2 * LANES + 3])


@st.composite
def windows(draw):
    axes = draw(st.integers(1, 3))
    longest = {1: 6 * LANES, 2: 2 * LANES + 3, 3: 5}[axes]
    of = lambda values: tuple(draw(st.lists(values, min_size=axes, max_size=axes)))  # noqa: E731
    return {
        "size": of(SIDES.map(lambda side: min(side, longest))),
        "kernel": of(st.integers(1, 4 if axes < 3 else 3)),
        "stride": of(st.integers(1, 3)),
        "pad": of(st.integers(0, 4)),
        "dilation": of(st.integers(1, 3)),
        "group": draw(st.integers(1, 3)),
        "inputs": draw(st.integers(1, 6)),
        "outputs": draw(st.sampled_from([1, 2, 3, 4, 5, 9])),
        "bias": draw(st.booleans()),
    }


def repeated(name, values):
    return " ".join(f"{name}: {value}" for value in values)


def check_window(kind, window):
    w = dict(window)
    group, ins, outs, has_bias = w.pop("group"), w.pop("inputs"), w.pop("outputs"), w.pop("bias")
    x = drawn(2, group * ins, *w.pop("size"))
    leading, inner = (outs * group, ins) if kind == "Convolution" else (ins * group, outs)
    weights = [drawn(leading, inner, *w["kernel"], seed=1)]
    bias = drawn(outs * group, seed=2) if has_bias else None
    oracle = reference.convolution if kind == "Convolution" else reference.deconvolution
    expected = oracle(*exact(x, weights[0]), bias, group, **w)
    assume(expected is not None)
    text = " ".join(repeated({"kernel": "kernel_size"}.get(name, name), values) for name, values in w.items())
    layer = f'type: "{kind}" convolution_param {{ num_output: {outs * group} group: {group} {text} BIAS }}'
    layer = layer.replace("BIAS", "" if has_bias else "bias_term: false")
    (y,), _ = run(layer, [x], [*weights, bias] if has_bias else weights)
    check(y, expected)


PLAIN = {"stride": (1, 1), "pad": (1, 1), "dilation": (1, 1), "group": 1, "bias": True}
LONG_SUMS = {**PLAIN, "size": (11, 13), "kernel": (3, 3), "inputs": KC // 9 + 9, "outputs": 9}
SHORT = {**PLAIN, "size": (2, 2), "kernel": (3, 3), "stride": (2, 2), "pad": (0, 0), "inputs": 2, "outputs": 5}


@settings(max_examples=60, deadline=None)
@given(windows())
@example({**LONG_SUMS, "bias": False})
@example(LONG_SUMS)
@example({**PLAIN, "size": (9, NC), "kernel": (1, 1), "pad": (0, 0), "inputs": 3, "outputs": 6})  # read as it is
@example(SHORT)  # the window reaches over the border, since (2 - 3) / 2 is 0 in C
@example({**PLAIN, "size": (1, 1), "kernel": (1, 1), "stride": (9, 9), "pad": (4, 4), "inputs": 2, "outputs": 4})
@example({**PLAIN, "size": (5, 4 * LANES + 3), "kernel": (3, 3), "inputs": 1, "outputs": 1, "group": 3})  # depthwise
def test_convolution(window):
    check_window("Convolution", window)


@settings(max_examples=40, deadline=None)
@given(windows())
@example({**LONG_SUMS, "size": (2, 3), "outputs": 2})
@example({**SHORT, "kernel": (1, 1), "stride": (3, 2)})  # places that nothing is added to
def test_deconvolution(window):
    check_window("Deconvolution", window)


def test_convolution_without_spatial_axes_is_a_product():
    x, w, b = drawn(3, 6), drawn(4, 6, seed=1), drawn(4, seed=2)
    (y,), _ = run('type: "Convolution" convolution_param { num_output: 4 }', [x], [w, b])
    check(y, exact(x)[0] @ exact(w)[0].T + b)


def test_convolution_with_another_axis():
    x, w, b = drawn(2, 3, 4, 5), drawn(6, 4, 3, seed=1), drawn(6, seed=2)
    (y,), _ = run('type: "Convolution" convolution_param { num_output: 6 kernel_size: 3 axis: -2 }', [x], [w, b])
    expected = reference.convolution(*exact(x.reshape(6, 4, 5), w), b, 1, (3,), (1,), (0,), (1,))
    check(y, expected.reshape(2, 3, 6, 3))


def test_several_bottoms_share_the_weights():
    xs, w = [drawn(1, 3, 5, 5, seed=i) for i in range(3)], drawn(4, 3, 2, 2, seed=9)
    layer = 'type: "Convolution" convolution_param { num_output: 4 kernel_size: 2 bias_term: false }'
    for x, y in zip(xs, run(layer, xs, [w], tops=3)[0], strict=True):
        check(y, reference.convolution(*exact(x, w), None, 1, (2, 2), (1, 1), (0, 0), (1, 1)))


@pytest.mark.parametrize("kind", ["ConvolutionDepthwise", "DepthwiseConvolution"])
@pytest.mark.parametrize("group", ["", "group: 6"])
def test_depthwise_types_have_a_group_a_channel(kind, group):
    x, w, b = drawn(2, 6, 7, 9), drawn(6, 1, 3, 3, seed=1), drawn(6, seed=2)
    layer = f'type: "{kind}" convolution_param {{ num_output: 6 kernel_size: 3 stride: 2 pad: 1 {group} }}'
    (y,), _ = run(layer, [x], [w, b])
    check(y, reference.convolution(*exact(x, w), b, 6, (3, 3), (2, 2), (1, 1), (1, 1)))


def test_forward_again_on_another_picture_forgets_the_first():
    x, w = drawn(1, 4, 6, 6), drawn(5, 4, 3, 3, seed=1)
    text = 'layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 1 dim: 4 dim: 6 dim: 6 } } }'
    for kind, oracle in (("Convolution", reference.convolution), ("Deconvolution", reference.deconvolution)):
        weights = w if kind == "Convolution" else drawn(4, 5, 3, 3, seed=1)
        parameters = "num_output: 5 kernel_size: 3 stride: 2 pad: 1 bias_term: false"
        layer = f'layer {{ name: "c" type: "{kind}" bottom: "x" top: "y" convolution_param {{ {parameters} }} }}'
        runtime = runtime_of(f"{text} {layer}", [np.full_like(x, np.nan)], [weights])
        runtime.forward()
        runtime.arrays[runtime.graph.inputs[0]][...] = x
        runtime.forward()
        expected = oracle(*exact(x, weights), None, 1, (3, 3), (2, 2), (1, 1), (1, 1))
        check(runtime.arrays[runtime.graph.outputs[0]], expected)


# ------------------------------------------------------------------------------------------------- pooling
@st.composite
def poolings(draw):
    pair = lambda values: (draw(values), draw(values))  # noqa: E731
    kernel = pair(st.integers(1, 5))
    pads = st.integers(0, 3)
    pad = tuple(min(k - 1, draw(pads)) for k in kernel)
    return pair(SIDES), kernel, pair(st.integers(1, 4)), pad, draw(st.booleans())


def pooling_layer(pool, kernel, stride, pad, floor, more=""):
    sides = "".join(
        f"{name}_h: {h} {name}_w: {w} " for name, (h, w) in (("kernel", kernel), ("stride", stride), ("pad", pad))
    )
    return f'type: "Pooling" pooling_param {{ pool: {pool} {sides} round_mode: {"FLOOR" if floor else "CEIL"} {more}}}'


@settings(max_examples=60, deadline=None)
@given(poolings())
@example(((4, 4), (1, 1), (2, 2), (0, 0), False))  # the last window is empty: -FLT_MAX, 0 / 0
@example(((2, 2), (3, 3), (2, 2), (0, 0), False))  # the window is larger than the picture
def test_pooling(case):
    size, kernel, stride, pad, floor = case
    x = drawn(2, 3, *size)
    expected = reference.pooling(x.astype(np.float64), kernel, stride, pad, floor, mean=False)
    assume(expected is not None)
    (y,), _ = run(pooling_layer("MAX", kernel, stride, pad, floor), [x])
    (z, mask), _ = run(pooling_layer("MAX", kernel, stride, pad, floor), [x], tops=2)
    assert np.array_equal(y, expected[0].astype(np.float32))
    assert np.array_equal(z, y)
    assert np.array_equal(mask, expected[1])
    (y,), _ = run(pooling_layer("AVE", kernel, stride, pad, floor), [x])
    means = reference.pooling(x.astype(np.float64), kernel, stride, pad, floor, mean=True)[0]
    assert np.array_equal(np.isnan(y), np.isnan(means))
    check(np.nan_to_num(y), np.nan_to_num(means))


@pytest.mark.parametrize("size", [(1, 1), (7, 7), (3, 2 * LANES + 1)])
def test_global_pooling(size):
    x = drawn(2, 5, *size)
    for pool, expected in (("MAX", x.max(axis=(2, 3))), ("AVE", x.mean(axis=(2, 3), dtype=np.float64))):
        (y,), _ = run(f'type: "Pooling" pooling_param {{ pool: {pool} global_pooling: true }}', [x])
        check(y, expected[:, :, None, None])


def test_nan_and_minus_infinity_are_no_maximum_and_the_first_of_equals_wins():
    lowest = np.finfo(np.float32).min
    x = np.array([[np.nan, np.nan, -np.inf, -np.inf, np.nan, 1, 2, 2]], np.float32).reshape(1, 1, 1, 8)
    (y, mask), _ = run('type: "Pooling" pooling_param { kernel_h: 1 kernel_w: 2 stride_h: 1 stride_w: 2 }', [x], tops=2)
    (alone,), _ = run('type: "Pooling" pooling_param { kernel_h: 1 kernel_w: 2 stride_h: 1 stride_w: 2 }', [x])
    assert y.ravel().tolist() == alone.ravel().tolist() == [lowest, lowest, 1, 2]
    assert mask.ravel().tolist() == [-1, -1, 5, 6]


# -------------------------------------------------------------------------------------------- inner product
@settings(max_examples=30, deadline=None)
@given(
    shape=st.lists(st.sampled_from([1, 2, 3, LANES]), min_size=1, max_size=4),
    axis=st.integers(-4, 3),
    outputs=st.sampled_from([1, 2, LANES - 1, LANES + 1, 40]),
    transpose=st.booleans(),
    has_bias=st.booleans(),
)
@example(shape=[FEW + 3, 7, 2 * KC // 7], axis=1, outputs=NC + 5, transpose=False, has_bias=True)
@example(shape=[FEW, KC + 5], axis=1, outputs=NC + 5, transpose=False, has_bias=True)
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


# ------------------------------------------------------------------------------------------------ LRN, MVN
@settings(max_examples=30, deadline=None)
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


@settings(max_examples=30, deadline=None)
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


# --------------------------------------------------------------------------------- BatchNorm, Scale, Bias
shapes = st.lists(SIDES, min_size=2, max_size=4)


@settings(max_examples=30, deadline=None)
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


@settings(max_examples=30, deadline=None)
@given(shape=shapes, phase=st.sampled_from(["TRAIN", "TEST"]))
def test_batch_norm_with_the_batchs_statistics_adds_them_to_its_blobs(shape, phase):
    x, C = 100 + drawn(*shape), shape[1]
    sums = [drawn(C, seed=1), drawn(C, seed=2), np.array([3], np.float32)]
    own = "" if phase == "TRAIN" else "use_global_stats: false"
    layer = f'type: "BatchNorm" batch_norm_param {{ moving_average_fraction: 0.5 {own} }}'
    (y,), node = run(layer, [x], [blob.copy() for blob in sums], phase)
    mean, variance = reference.batch_moments(x.astype(np.float64))
    along, number = (1, C) + (1,) * (len(shape) - 2), x.size // C
    assert_close(
        "top", y, (x - mean.reshape(along)) / np.sqrt(variance.reshape(along) + 1e-5), 4e-3 if number < 3 else 1e-4
    )
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


@settings(max_examples=40, deadline=None)
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
def test_in_place(layer, blobs, expected):
    x = drawn(2, 3, 4, 5)
    text = (
        'layer { name: "in" type: "Input" top: "in" input_param { shape { dim: 2 dim: 3 dim: 4 dim: 5 } } }'
        'layer { name: "copy" type: "ReLU" bottom: "in" top: "x" relu_param { negative_slope: 1 } }'
        f'layer {{ name: "tested" bottom: "x" top: "x" {layer} }}'
    )
    runtime = runtime_of(text, [x], [np.array(blob, np.float32) for blob in blobs])
    runtime.forward()
    node = runtime.graph.nodes[-1]
    assert np.shares_memory(runtime.arrays[node.bottoms[0]], runtime.arrays[node.tops[0]])
    check(runtime.arrays[node.tops[0]], expected(x.astype(np.float64), np.arange(3).reshape(1, 3, 1, 1)))


# -------------------------------------------------------------------------------------------- what is refused
CONV, POOL = 'type: "{}" convolution_param {{ num_output: 4 {} }}', 'type: "Pooling" pooling_param {{ {} }}'
REFUSED = [
    (CONV.format("Convolution", "kernel_size: 3 group: 2"), (1, 3, 5, 5), "3 channels, num_output 4 and group 2"),
    (CONV.format("Convolution", "kernel_size: 1 group: 3"), (1, 3, 5, 5), "multiples of the group"),
    (CONV.format("Convolution", "kernel_size: 1 group: 0"), (1, 3, 5, 5), "group 0"),
    (CONV.format("Convolution", "kernel_size: 0"), (1, 3, 5, 5), "kernel_size .0, 0.*at least 1"),
    (CONV.format("Convolution", "kernel_h: 3"), (1, 3, 5, 5), "kernel_size .3, 0.*at least 1"),
    (CONV.format("Convolution", "kernel_size: 3 stride_h: 2"), (1, 3, 5, 5), "stride .2, 0.*at least 1"),
    (CONV.format("Convolution", "kernel_h: 3 kernel_w: 3 kernel_size: 3"), (1, 3, 5, 5), "kernel_h and kernel_w alone"),
    (CONV.format("Convolution", "kernel_h: 3 kernel_w: 3"), (1, 3, 5), "2 spatial axes"),
    (
        CONV.format("Convolution", "kernel_size: 3 kernel_size: 3"),
        (1, 3, 5, 5, 5),
        "2 values of kernel_size.*3 spatial",
    ),
    (CONV.format("Convolution", ""), (1, 3, 5, 5), "0 values of kernel_size"),
    (CONV.format("Convolution", "kernel_size: 9"), (1, 3, 5, 5), "reaches over .9, 9. pixels.*at most .5, 5."),
    (
        CONV.format("Convolution", "kernel_size: 30000 pad: 20000"),
        (1, 3, 5, 5),
        "10800000000 weights.*at most 2147483647",
    ),
    (CONV.format("Convolution", "kernel_size: 1 axis: 4"), (1, 3, 5, 5), "axis 4 of a blob with 4 axes"),
    (CONV.format("Convolution", "kernel_size: 1 num_output: 0"), (1, 3, 5, 5), "num_output 0.*at least 1"),
    (CONV.format("Convolution", "kernel_size: 1"), (1, 3, 2, 2, 2, 2), "4 spatial axes.*at most 3"),
    (
        CONV.format("Convolution", "kernel_size: 2 dilation: 1000000000 pad: 500000000"),
        (1, 3, 5, 5),
        "numbers for a padded picture",
    ),
    (CONV.format("Deconvolution", "kernel_size: 2 pad: 4"), (1, 4, 5, 5), "pad .4, 4., which leaves .-2, -2. pixels"),
    (POOL.format(""), (1, 3, 5, 5), "no kernel_size.*kernel_h and kernel_w"),
    (POOL.format("kernel_h: 3"), (1, 3, 5, 5), "has kernel_h.*kernel_size, or kernel_h and kernel_w"),
    (POOL.format("kernel_size: 3 kernel_h: 3 kernel_w: 3"), (1, 3, 5, 5), "kernel_size, or kernel_h and kernel_w"),
    (POOL.format("kernel_size: 0"), (1, 3, 5, 5), "kernel .0, 0.*from 1"),
    (POOL.format("kernel_size: 2 stride: 0"), (1, 3, 5, 5), "stride .0, 0"),
    (POOL.format("kernel_size: 2 pad: 2"), (1, 3, 5, 5), "less padding than kernel"),
    (POOL.format("kernel_size: 2 pool: STOCHASTIC"), (1, 3, 5, 5), "STOCHASTIC.*MAX or AVE"),
    (POOL.format("kernel_size: 2 global_pooling: true"), (1, 3, 5, 5), "kernel size and global_pooling"),
    (POOL.format("global_pooling: true pad: 1"), (1, 3, 5, 5), "global_pooling, stride .* and pad .1, 1"),
    (POOL.format("kernel_size: 2"), (1, 3, 5), "3 axes.*4"),
    (POOL.format("kernel_size: 9"), (1, 3, 5, 5), "kernel of 9 pixels"),
    ('type: "InnerProduct"', (2, 3), "num_output 0"),
    ('type: "InnerProduct" inner_product_param { num_output: 2 axis: 2 }', (2, 3), "axis 2 of a blob with 2 axes"),
    ('type: "BatchNorm"', (3,), "2 axes or more"),
    ('type: "LRN" lrn_param { local_size: 4 }', (1, 3, 5, 5), "local_size 4.*odd"),
    ('type: "LRN"', (1, 3, 5), "3 axes.*4"),
    ('type: "MVN"', (1, 1, 3, 5, 5), "5 axes.*1 to 4"),
    ('type: "Scale" scale_param { num_axes: 4 }', (1, 3, 5, 5), "axis 1 and num_axes 4"),
    ('type: "Scale" scale_param { num_axes: -2 }', (1, 3, 5, 5), "num_axes -2"),
    ('type: "Bias" bias_param { axis: 4 }', (1, 3, 5, 5), "axis 4"),
]


@pytest.mark.parametrize(("layer", "shape", "message"), REFUSED)
def test_what_does_not_fit_is_refused_by_name(layer, shape, message):
    with pytest.raises(InputError, match=message) as caught:
        run(
            layer.replace("num_output: 4 kernel_size: 1 num_output: 0", "num_output: 0 kernel_size: 1"), [drawn(*shape)]
        )
    assert "'tested'" in str(caught.value)


def test_bottoms_that_differ_are_refused():
    with pytest.raises(InputError, match=r"\[1, 3, 5, 5\] and \[1, 3, 5, 6\]"):
        run(CONV.format("Convolution", "kernel_size: 1"), [drawn(1, 3, 5, 5), drawn(1, 3, 5, 6)], tops=2)
    with pytest.raises(InputError, match=r"second bottom of shape \[4\].*axes 1 on of \[2, 3\]"):
        run('type: "Scale"', [drawn(2, 3), drawn(4)])


def test_means_have_no_mask():
    with pytest.raises(InputError, match="2 tops"):
        run(POOL.format("kernel_size: 2 pool: AVE"), [drawn(1, 3, 5, 5)], tops=2)
