"""Gradients of layers against differences of their definitions in float64, over shapes and parameters."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from reference import caffe_windows as reference
from reference.caffe_slopes import apart, backward, check_slopes, layer_net

from caffe64.engine.compiler.cpu import LANES

few = settings(max_examples=20)
some = settings(max_examples=8)
sizes = st.sampled_from([1, 2, LANES - 1, LANES, 2 * LANES + 3])
seeds = st.integers(0, 100)


# --------------------------------------------------------------------------- Convolution, Deconvolution, Pooling
@st.composite
def windows(draw):
    axes = draw(st.integers(1, 3))
    of = lambda *values: tuple(draw(st.lists(st.sampled_from(values), min_size=axes, max_size=axes)))  # noqa: E731
    return {
        "size": of(1, 2, 3, 5) if axes > 1 else of(1, 3, LANES + 1, 3 * LANES + 2),
        "kernel": of(1, 2, 3),
        "stride": of(1, 1, 2, 3),
        "pad": of(0, 1, 2),
        "dilation": of(1, 1, 2),
        "group": draw(st.integers(1, 2)),
        "inputs": draw(st.integers(1, 3)),
        "outputs": draw(st.sampled_from([1, 3, 5])),
        "bias": draw(st.booleans()),
        "bottoms": draw(st.integers(1, 2)),
    }


SQUARE = {"stride": (1, 1), "pad": (1, 1), "dilation": (1, 1), "group": 1, "bias": True, "bottoms": 1}
LEFT_OVER = {**SQUARE, "size": (6, 7), "kernel": (2, 3), "stride": (3, 2), "pad": (0, 0), "inputs": 2, "outputs": 4}
WIDE = {**SQUARE, "size": (3, 4), "kernel": (3, 3), "inputs": 3, "outputs": 67}
SHORT = {**SQUARE, "size": (2, 2), "kernel": (3, 3), "stride": (2, 2), "pad": (0, 0), "inputs": 2, "outputs": 5}
FAR_PAD = {**SQUARE, "size": (5, 4), "kernel": (1, 2), "pad": (2, 3), "inputs": 2, "outputs": 5}
DEPTHWISE = {**SQUARE, "size": (5, 2 * LANES + 1), "kernel": (3, 3), "group": 4, "inputs": 1, "outputs": 1}


@pytest.mark.parametrize("kind", ["Convolution", "Deconvolution"])
@few
@example(window=LEFT_OVER)
@example(window=WIDE)
@example(window=SHORT)
@example(window=FAR_PAD)
@example(window=DEPTHWISE)
@given(window=windows())
def test_windows(kind, window):
    w = dict(window)
    group, ins, outs, has_bias, number = (w.pop(name) for name in ("group", "inputs", "outputs", "bias", "bottoms"))
    size = w.pop("size")
    bottoms = [apart(2, ins * group, *size, seed=n) for n in range(number)]
    leading, inner = (outs * group, ins) if kind == "Convolution" else (ins * group, outs)
    weights = [apart(leading, inner, *w["kernel"]), *([apart(outs * group)] if has_bias else [])]
    apply = reference.convolution if kind == "Convolution" else reference.deconvolution
    assume(apply(bottoms[0], weights[0], None, group, **w) is not None)

    def function(*arrays):
        xs, (W, *bias) = arrays[:number], arrays[number:]
        return [apply(x, W, bias[0] if bias else None, group, **w) for x in xs]

    text = " ".join(f"{'kernel_size' if name == 'kernel' else name}: {each}" for name in w for each in w[name])
    more = "" if has_bias else "bias_term: false"
    layer = f'type: "{kind}" convolution_param {{ num_output: {outs * group} group: {group} {text} {more} }}'
    check_slopes(function, layer, bottoms, weights)


def test_a_long_sum_over_pixels():
    """More pixels than a stretch of the product takes."""
    x, W = apart(1, 2, 21, 23), apart(5, 2, 3, 3)
    layer = 'type: "Convolution" convolution_param { num_output: 5 kernel_size: 3 pad: 1 bias_term: false }'

    def function(x, W):
        return reference.convolution(x, W, None, 1, (3, 3), (1, 1), (1, 1), (1, 1))

    check_slopes(function, layer, [x], [W])


@few
@given(
    kernel=st.tuples(*[st.integers(1, 4)] * 2),
    stride=st.tuples(*[st.integers(1, 3)] * 2),
    pad=st.integers(0, 2),
    size=st.tuples(st.integers(1, 6), st.sampled_from([1, 5, LANES, LANES + 3])),
    floor=st.booleans(),
    mean=st.booleans(),
)
def test_pooling(kernel, stride, pad, size, floor, mean):
    assume(pad < min(kernel))
    x = apart(2, 2, *size)
    pooled = reference.pooling(x, kernel, stride, (pad, pad), floor, mean)
    assume(pooled is not None and np.isfinite(pooled[0]).all() and (mean or (pooled[1] >= 0).all()))
    text = f"pool: {'AVE' if mean else 'MAX'} kernel_h: {kernel[0]} kernel_w: {kernel[1]} pad: {pad}"
    text += f" stride_h: {stride[0]} stride_w: {stride[1]} round_mode: {'FLOOR' if floor else 'CEIL'}"
    layer = f'type: "Pooling" pooling_param {{ {text} }}'
    check_slopes(lambda x: reference.pooling(x, kernel, stride, (pad, pad), floor, mean)[0], layer, [x])


def test_windows_without_a_maximum_and_equal_maxima():
    x = np.float32([[[[np.nan, -np.inf, 3, 3], [np.nan, np.nan, 3, 1]]]])
    text = layer_net('type: "Pooling" pooling_param { pool: MAX kernel_size: 2 stride: 2 }', [x.shape])
    ((gradient,), _) = backward(text, [x], [], [np.float32([[[[5, 7]]]])])
    np.testing.assert_array_equal(gradient, [[[[0, 0, 7, 0], [0, 0, 0, 0]]]])


# ------------------------------------------------------------------------------- InnerProduct, Scale, Bias, Embed
@few
@given(
    rows=st.integers(1, 9), K=sizes, N=sizes, transpose=st.booleans(), bias=st.booleans(), axis=st.sampled_from([1, -1])
)
def test_inner_product(rows, K, N, transpose, bias, axis):
    x = apart(rows, 2, K)
    depth = K if axis == -1 else 2 * K
    W = apart(depth, N) if transpose else apart(N, depth)

    def function(x, W, b=0):
        flat = x.reshape((rows, 2, K) if axis == -1 else (rows, 2 * K))
        return flat @ (W if transpose else W.T) + b

    text = f"num_output: {N} axis: {axis} transpose: {str(transpose).lower()} bias_term: {str(bias).lower()}"
    check_slopes(function, f'type: "InnerProduct" inner_product_param {{ {text} }}', [x], [W, *[apart(N)] * bias])


@few
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 3), sizes),
    axis=st.integers(-4, 3),
    axes=st.integers(-1, 2),
    two=st.booleans(),
    bias=st.booleans(),
    kind=st.sampled_from(["Scale", "Bias"]),
)
def test_scale_and_bias(shape, axis, axes, two, bias, kind):
    start = axis % 4
    assume(start + axes <= 4)
    own = shape[start:] if axes == -1 else shape[start : start + axes]
    assume(own or not two)
    wide = (*own, *[1] * (4 - start - len(own)))

    def function(x, first, beta=0.0):
        if kind == "Bias":
            return x + first.reshape(wide)
        return x * first.reshape(wide) + np.reshape(beta, wide if bias else ())

    has_beta = bias and kind == "Scale"
    text = f"axis: {axis} {'' if two else f'num_axes: {axes}'} {'bias_term: true' if has_beta else ''}"
    bottoms, weights = [apart(*shape)], [apart(*own, seed=1)]
    if two:
        bottoms, weights = [*bottoms, *weights], []
    weights += [apart(*own, seed=2)] * has_beta
    check_slopes(function, f'type: "{kind}" {kind.lower()}_param {{ {text} }}', bottoms, weights)


def test_embed_adds_up_rows_that_are_read_twice():
    x = np.float32([[0, 2], [2, 2]])

    def function(x, W, b):
        return W[x.astype(int)] + b

    layer = 'type: "Embed" embed_param { num_output: 3 input_dim: 4 }'
    check_slopes(function, layer, [x], [apart(4, 3), apart(3)], fixed=(0,))


# ---------------------------------------------------------------------------------------------- normalisations
@few
@given(shape=st.tuples(st.integers(1, 4), st.integers(1, 4), sizes, st.integers(1, 2)), seed=seeds)
def test_batch_norm_of_the_batch(shape, seed):
    assume(shape[0] * shape[2] * shape[3] >= 4)
    x = apart(*shape, seed=seed)

    def function(x, *statistics):
        mean, variance = (x.mean(axis=(0, 2, 3), keepdims=True), x.var(axis=(0, 2, 3), keepdims=True))
        return (x - mean) / np.sqrt(variance + 0.1)

    layer = 'type: "BatchNorm" batch_norm_param { eps: 0.1 }'
    statistics = [apart(shape[1]), np.abs(apart(shape[1])), np.float32([2])]
    check_slopes(function, layer, [x], statistics, phase="TRAIN", tolerance=5e-5)


@few
@given(shape=st.tuples(st.integers(1, 3), st.integers(1, 3), sizes), factor=st.sampled_from([0.0, 2.0]))
def test_batch_norm_with_global_statistics(shape, factor):
    mean, variance = apart(shape[1]), np.abs(apart(shape[1], seed=1))
    share = 1 / factor if factor else 0

    def function(x, *statistics):
        return (x - mean[:, None] * share) / np.sqrt(variance.astype(float)[:, None] * share + 0.1)

    layer = 'type: "BatchNorm" batch_norm_param { eps: 0.1 }'
    check_slopes(function, layer, [apart(*shape)], [mean, variance, np.float32([factor])])


@some
@given(shape=st.tuples(st.integers(1, 2), st.integers(1, 7), st.integers(1, 3), sizes), size=st.sampled_from([1, 3, 5]))
def test_lrn(shape, size):
    text = f"lrn_param {{ local_size: {size} alpha: 0.7 beta: 0.6 k: 1.5"
    check_slopes(lambda x: reference.lrn_across(x, size, 0.7, 0.6, 1.5), f'type: "LRN" {text} }}', [apart(*shape)])
    within = f'type: "LRN" {text} norm_region: WITHIN_CHANNEL }}'
    check_slopes(lambda x: reference.lrn_within(x, size, 0.7, 0.6), within, [apart(*shape)])


@few
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(2, 3), sizes),
    across=st.booleans(),
    variance=st.booleans(),
)
def test_mvn(shape, across, variance):
    assume(not variance or shape[2] * shape[3] > 2)
    text = f"across_channels: {str(across).lower()} normalize_variance: {str(variance).lower()}"
    layer = f'type: "MVN" mvn_param {{ {text} }}'
    check_slopes(lambda x: reference.mvn(x, across, variance, 1e-9), layer, [apart(*shape)])


# ------------------------------------------------------------------------------------------------- activations
def sigmoid(x):
    return 1 / (1 + np.exp(-x))


CURVES = {
    "ReLU": ("relu_param { negative_slope: 0.3 }", lambda x: np.where(x > 0, x, 0.3 * x)),
    "ELU": ("elu_param { alpha: 0.7 }", lambda x: np.where(x > 0, x, 0.7 * np.expm1(np.minimum(x, 0)))),
    "TanH": ("", np.tanh),
    "Sigmoid": ("", sigmoid),
    "Swish": ("swish_param { beta: 1.7 }", lambda x: x * sigmoid(1.7 * x)),
    "Mish": ("", lambda x: x * np.tanh(np.logaddexp(0, x))),
    "SELU": ("", lambda x: 1.050701 * np.where(x > 0, x, 1.6732632 * np.expm1(np.minimum(x, 0)))),
    "ReLU6": ("relu6_param { negative_slope: 0.3 }", lambda x: np.minimum(np.where(x > 0, x, 0.3 * x), 6)),
    "HardSigmoid": ("hard_sigmoid_param { alpha: 0.4 }", lambda x: np.clip(0.4 * x + 0.5, 0, 1)),
    "HSigmoid": ("", lambda x: np.clip(x + 3, 0, 6) / 6),
    "HSwish": ("", lambda x: x * np.clip(x + 3, 0, 6) / 6),
    "AbsVal": ("", np.abs),
    "Clip": ("clip_param { min: -1 max: 1 }", lambda x: np.clip(x, -1, 1)),
    "BNLL": ("", lambda x: np.logaddexp(0, x)),
    "Exp": ("exp_param { base: 3 scale: -0.7 shift: 0.5 }", lambda x: 3.0 ** (-0.7 * x + 0.5)),
    "Power": ("power_param { power: 2 scale: 3 shift: -1 }", lambda x: (3 * x - 1) ** 2),
    "Power of 3.5": ("power_param { power: 3.5 scale: 0.5 shift: 2 }", lambda x: (0.5 * x + 2) ** 3.5),
    "Power of 1": ("power_param { scale: -0.5 shift: 2 }", lambda x: 2 - 0.5 * x),
    "Power of 0": ("power_param { power: 0 scale: 2 }", lambda x: 1 + 0 * x),
    "Log": ("log_param { base: 2 scale: 0.25 shift: 3 }", lambda x: np.log2(3 + 0.25 * x)),
}


@pytest.mark.parametrize("name", CURVES)
@some
@given(size=sizes)
def test_activations(name, size):
    parameters, function = CURVES[name]
    layer = f'type: "{name.split()[0]}" {parameters}'
    check_slopes(function, layer, [apart(2, size)])


@few
@given(shape=st.tuples(st.integers(1, 3), st.integers(1, 4), sizes), shared=st.booleans())
def test_prelu(shape, shared):
    slopes = apart(1).reshape(()) if shared else apart(shape[1])

    def function(x, slopes):
        return np.where(x > 0, x, x * slopes.reshape(-1, 1))

    layer = f'type: "PReLU" prelu_param {{ channel_shared: {str(shared).lower()} }}'
    check_slopes(function, layer, [apart(*shape, seed=1)], [slopes])


@pytest.mark.parametrize("in_place", [False, True])
def test_dropout_takes_the_mask_of_the_forward_run(in_place):
    x, dy = np.ones((40, 50), np.float32), apart(40, 50)
    top = "in0" if in_place else "top0"
    text = layer_net('type: "Dropout" dropout_param { dropout_ratio: 0.3 }', [x.shape]).replace('"top0"', f'"{top}"')
    (first,), _ = backward(text, [x], [], [dy], "TRAIN")
    (second,), _ = backward(text, [x], [], [dy], "TRAIN")
    kept = first != 0
    assert 0.6 < kept.mean() < 0.8
    np.testing.assert_allclose(first, np.where(kept, dy / 0.7, 0), rtol=1e-6)
    np.testing.assert_array_equal(first, second)


@few
@given(shape=st.tuples(st.integers(1, 3), sizes, st.integers(1, 3)), axis=st.integers(-3, 2))
def test_softmax(shape, axis):
    def function(x):
        powers = np.exp(x - x.max(axis=axis, keepdims=True))
        return powers / powers.sum(axis=axis, keepdims=True)

    check_slopes(function, f'type: "Softmax" softmax_param {{ axis: {axis} }}', [apart(*shape)])


# ---------------------------------------------------------------------------------- combining and moving values
@few
@given(number=st.integers(2, 4), size=sizes, kind=st.sampled_from(["SUM", "PROD", "MAX"]), coefficients=st.booleans())
def test_eltwise(number, size, kind, coefficients):
    factors = [0.5 - n for n in range(number)] if coefficients and kind == "SUM" else [1] * number

    def function(*xs):
        parts = [x * factor for x, factor in zip(xs, factors, strict=True)]
        return {"SUM": np.sum, "PROD": np.prod, "MAX": np.max}[kind](parts, axis=0)

    text = " ".join(f"coeff: {factor}" for factor in factors) if coefficients and kind == "SUM" else ""
    every = apart(number, 2, size)
    check_slopes(function, f'type: "Eltwise" eltwise_param {{ operation: {kind} {text} }}', list(every))


def test_equal_maxima_give_to_the_bottom_that_the_run_took():
    xs = [np.float32(values) for values in ([1, 2, 3, np.nan], [1, 2, 0, 1], [1, 5, 3, 1])]
    text = layer_net('type: "Eltwise" eltwise_param { operation: MAX }', [(4,)] * 3)
    gradients, _ = backward(text, xs, [], [np.ones(4)])
    np.testing.assert_array_equal(gradients, [[0, 0, 1, 0], [1, 0, 0, 1], [0, 1, 0, 0]])


@few
@given(sides=st.lists(st.integers(1, 4), min_size=1, max_size=3), axis=st.integers(0, 2))
def test_concat_and_slice_undo_each_other(sides, axis):
    shapes = [(2, 3, side) if axis == 2 else (2, side, 3) if axis == 1 else (side, 2, 3) for side in sides]
    text = f"axis: {axis}"
    check_slopes(
        lambda *xs: np.concatenate(xs, axis),
        f'type: "Concat" concat_param {{ {text} }}',
        [apart(*shape, seed=n) for n, shape in enumerate(shapes)],
    )
    points = np.cumsum(sides)[:-1]
    text += "".join(f" slice_point: {point}" for point in points)
    whole = apart(*[sum(sides) if number == axis else side for number, side in enumerate(shapes[0])])
    check_slopes(lambda x: np.split(x, points, axis), f'type: "Slice" slice_param {{ {text} }}', [whole])


MOVES = {
    "Tile": ("tile_param { axis: 1 tiles: 3 }", lambda x: np.tile(x, (1, 3, 1, 1))),
    "Permute": ("permute_param { order: 2 order: 0 order: 3 }", lambda x: x.transpose(2, 0, 3, 1)),
    "Flatten": ("", lambda x: x.reshape(len(x), -1)),
    "Reshape": ("reshape_param { shape { dim: 0 dim: -1 dim: 2 } }", lambda x: x.reshape(len(x), -1, 2)),
    "SUM": ("reduction_param { axis: 1 coeff: 0.5 }", lambda x: x.sum(axis=(1, 2, 3)) / 2),
    "MEAN": ("reduction_param { operation: MEAN axis: -2 }", lambda x: x.mean(axis=(2, 3))),
    "ASUM": ("reduction_param { operation: ASUM }", lambda x: np.abs(x).sum()),
    "SUMSQ": ("reduction_param { operation: SUMSQ axis: 3 coeff: 3 }", lambda x: 3 * (x**2).sum(axis=3)),
    "Split": ("", lambda x: [x, x, x]),
}


@pytest.mark.parametrize("name", MOVES)
def test_layers_that_move_values_or_sum_them_up(name):
    parameters, function = MOVES[name]
    kind = "Reduction" if "reduction" in parameters else name
    check_slopes(function, f'type: "{kind}" {parameters}', [apart(2, 3, 4, 5)])


def test_crop():
    def function(x, like):
        return x[:, :, 1:4, 2:6] + 0 * like

    layer = 'type: "Crop" crop_param { axis: 2 offset: 1 offset: 2 }'
    check_slopes(function, layer, [apart(2, 3, 5, 7), apart(2, 3, 3, 4)])


# ------------------------------------------------------------------------------------------------------ losses
MODES = ["FULL", "VALID", "BATCH_SIZE", "NONE"]


@few
@given(
    outer=st.integers(1, 4), classes=st.integers(1, 5), inner=st.integers(1, 3),
    ignored=st.sampled_from([None, 1]), mode=st.sampled_from(MODES), seed=seeds,
)  # fmt: skip
def test_softmax_with_loss(outer, classes, inner, ignored, mode, seed):
    labels = np.random.default_rng(seed).integers(0, classes, (outer, inner)).astype(np.float32)
    valid = labels != ignored if ignored is not None else np.ones(labels.shape, bool)

    def function(x, labels):
        logs = x - np.log(np.exp(x).sum(axis=1, keepdims=True))
        picked = np.take_along_axis(logs, labels.astype(int)[:, None], 1)[:, 0]
        number = {"FULL": outer * inner, "VALID": valid.sum(), "BATCH_SIZE": outer, "NONE": 1}[mode]
        return -picked[valid].sum() / max(1, number)

    more = "" if ignored is None else f"ignore_label: {ignored}"
    layer = f'type: "SoftmaxWithLoss" loss_param {{ normalization: {mode} {more} }}'
    check_slopes(function, layer, [apart(outer, classes, inner), labels], fixed=(1,))


@few
@given(rows=st.integers(1, 4), size=sizes, ignored=st.booleans(), mode=st.sampled_from(MODES), seed=seeds)
def test_sigmoid_cross_entropy(rows, size, ignored, mode, seed):
    targets = np.random.default_rng(seed).choice(np.float32([0, 0.5, 1]), (rows, size))
    valid = targets != 1 if ignored else np.ones(targets.shape, bool)

    def function(x, targets):
        terms = np.logaddexp(0, x) - x * targets
        number = {"FULL": rows * size, "VALID": valid.sum(), "BATCH_SIZE": rows, "NONE": 1}[mode]
        return terms[valid].sum() / max(1, number)

    more = "ignore_label: 1" if ignored else ""
    layer = f'type: "SigmoidCrossEntropyLoss" loss_param {{ normalization: {mode} {more} }}'
    check_slopes(function, layer, [apart(rows, size), targets], fixed=(1,))


@few
@given(rows=st.integers(1, 4), size=sizes, norm=st.sampled_from([1, 2]), seed=seeds)
def test_hinge_and_euclidean_loss(rows, size, norm, seed):
    labels = np.random.default_rng(seed).integers(0, size, rows)
    signs = np.where(np.arange(size) == labels[:, None], -1, 1)

    def hinge(x, labels):
        return (np.maximum(0, 1 + signs * x) ** norm).sum() / rows

    layer = f'type: "HingeLoss" hinge_loss_param {{ norm: L{norm} }}'
    check_slopes(hinge, layer, [apart(rows, size, seed=seed), labels.astype(np.float32)], fixed=(1,))
    both = [apart(rows, size, seed=seed), apart(rows, size, seed=seed + 1)]
    check_slopes(lambda a, b: ((a - b) ** 2).sum() / (2 * rows), 'type: "EuclideanLoss"', both)
