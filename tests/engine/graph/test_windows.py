"""Convolution, Deconvolution and Pooling against float64, over shapes and parameters at the edges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from reference import caffe_windows as reference
from reference.caffe_running import check, drawn, exact, run, runtime_of

from caffe64.engine.compiler.cpu import LANES
from caffe64.engine.products.gemm import KC, NC

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


@settings(max_examples=60)
@given(windows())
@example({**LONG_SUMS, "bias": False})
@example(LONG_SUMS)
@example({**PLAIN, "size": (9, NC), "kernel": (1, 1), "pad": (0, 0), "inputs": 3, "outputs": 6})  # read as it is
@example(SHORT)  # the window reaches over the border, since (2 - 3) / 2 is 0 in C
@example({**PLAIN, "size": (1, 1), "kernel": (1, 1), "stride": (9, 9), "pad": (4, 4), "inputs": 2, "outputs": 4})
@example({**PLAIN, "size": (5, 4 * LANES + 3), "kernel": (3, 3), "inputs": 1, "outputs": 1, "group": 3})  # depthwise
def test_convolution(window):
    check_window("Convolution", window)


@settings(max_examples=40)
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


@settings(max_examples=60)
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


def test_nan_and_minus_infinity_are_never_the_maximum_and_the_first_of_equals_wins():
    lowest = np.finfo(np.float32).min
    x = np.array([[np.nan, np.nan, -np.inf, -np.inf, np.nan, 1, 2, 2]], np.float32).reshape(1, 1, 1, 8)
    (y, mask), _ = run('type: "Pooling" pooling_param { kernel_h: 1 kernel_w: 2 stride_h: 1 stride_w: 2 }', [x], tops=2)
    (alone,), _ = run('type: "Pooling" pooling_param { kernel_h: 1 kernel_w: 2 stride_h: 1 stride_w: 2 }', [x])
    assert y.ravel().tolist() == alone.ravel().tolist() == [lowest, lowest, 1, 2]
    assert mask.ravel().tolist() == [-1, -1, 5, 6]
