"""sig, lky, bce, sft and hub against float64 formulas and central differences; starts of weights; nets of them.

U is the relative error of one rounding. A tolerance counts the roundings of the formula it belongs to; sigmoid counts
as five, the logarithm behind bce as eight (test_elementary.py).
"""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from reference.differences import by_column
from reference.framed import call, normal
from reference.products import UNIT as U
from reference.text_net import softmax
from support import assert_close

import caffe64
from caffe64 import kernels
from caffe64.engine.compiler.cpu import LANES

WIDTHS = sorted({1, LANES - 1, LANES, LANES + 1, 2 * LANES + 3})
TINY = np.finfo(np.float32).tiny

each_shape = pytest.mark.parametrize("K", WIDTHS)


def sigmoid(x):
    return np.exp(-np.logaddexp(0, -x))


# -------------------------------------------------------------------------------------------- sig, lky
@each_shape
@pytest.mark.parametrize("scale", [1, 40])
def test_sig_is_the_logistic_function_and_its_gradient_follows_from_its_output(K, scale):
    x, dy = normal(1, 7, K, scale=scale), normal(2, 7, K)
    (y,) = call(kernels.sig_forward, (x,), (7, K))
    exact = sigmoid(x.astype(np.float64))
    assert_close("y", y, exact, 5 * U * exact + TINY)
    (dx,) = call(kernels.sig_backward, (y, dy), (7, K))
    y, dy = y.astype(np.float64), dy.astype(np.float64)
    assert_close("dx", dx, dy * y * (1 - y), 2 * U * np.abs(dy * y * (1 - y)) + TINY)
    found = by_column(lambda x: (dy * sigmoid(x)).sum(axis=1), x)
    assert_close("dx", dx, found, 7 * U * np.abs(dy) + 1e-9)


def test_sig_far_from_0_is_0_or_1_and_lets_nan_through():
    (y,) = call(kernels.sig_forward, (np.array([[-np.inf, -200, 200, np.inf, np.nan, 0]], np.float32),), (1, 6))
    np.testing.assert_array_equal(y, np.array([[0, 0, 1, 1, np.nan, 0.5]], np.float32))


@each_shape
@pytest.mark.parametrize("slope", [0, 0.01, 1])
def test_lky_leaks_below_zero_and_so_does_its_gradient(K, slope):
    x, dy, slope = normal(1, 7, K), normal(2, 7, K), np.float32(slope)
    x.flat[::5] = 0
    (y,) = call(lambda x, y: kernels.lky_forward(x, slope, y), (x,), (7, K))
    np.testing.assert_array_equal(y, np.where(x > 0, x, slope * x))
    (dx,) = call(lambda y, dy, dx: kernels.lky_backward(y, slope, dy, dx), (y, dy), (7, K))
    np.testing.assert_array_equal(dx, np.where(x > 0, dy, slope * dy))


def test_lky_lets_nan_and_infinity_through():
    x = np.array([[np.nan, np.inf, -np.inf, 1e-45, -1e-45]], np.float32)
    (y,) = call(lambda x, y: kernels.lky_forward(x, 0.5, y), (x,), x.shape)
    np.testing.assert_array_equal(y, np.array([[np.nan, np.inf, -np.inf, 1e-45, 0]], np.float32))


# ----------------------------------------------------------------------------------------- bce, sft, hub
def shares(rows, K):
    """Targets in [0, 1], of which a third are 0 and a third 1."""
    return np.clip(normal(3, rows, K, scale=2) + np.float32(0.5), 0, 1)


@each_shape
@pytest.mark.parametrize("scale", [1, 30])
def test_bce_is_the_entropy_of_each_label_and_its_gradient(K, scale):
    x, target = normal(1, 6, K, scale=scale), shares(6, K)
    dx, losses = call(kernels.bce_loss, (x, target), (6, K), (6,))
    wide, t = x.astype(np.float64), target.astype(np.float64)

    def loss(x):
        return (t * np.logaddexp(0, -x) + (1 - t) * np.logaddexp(0, x)).sum(axis=1)

    assert_close("losses", losses, loss(wide), (K + 12) * U * loss(wide))
    slack = 5 * U * sigmoid(wide) + U * np.abs(sigmoid(wide) - t) + TINY
    assert_close("dx", dx, sigmoid(wide) - t, slack)
    assert_close("dx", dx, by_column(loss, wide), slack + 1e-8)


def test_bce_stays_finite_where_a_probability_underflows():
    x, target = np.array([[-1000, 1000, 1000]], np.float32), np.array([[1, 0, 1]], np.float32)
    dx, losses = call(kernels.bce_loss, (x, target), (1, 3), (1,))
    np.testing.assert_array_equal(losses, [2000])
    np.testing.assert_array_equal(dx, [[-1, 1, 0]])


@each_shape
@pytest.mark.parametrize("scale", [1, 30])
def test_sft_is_cross_entropy_against_probabilities_and_its_gradient(K, scale):
    x, t = normal(1, 6, K, scale=scale), softmax(normal(2, 6, K, scale=3).astype(np.float64)).astype(np.float32)
    t[0] *= np.float32(0.9995)  # as a sum of printed numbers may be
    dx, losses = call(kernels.sft_loss, (x, t), (6, K), (6,))
    wide, t = x.astype(np.float64), t.astype(np.float64)

    def loss(x):
        highest = x.max(axis=1, keepdims=True)
        return (t * (np.log(np.exp(x - highest).sum(axis=1, keepdims=True)) + highest - x)).sum(axis=1)

    distance = wide.max(axis=1, keepdims=True) - wide
    exact, p, far = loss(wide), softmax(wide), (t * distance).sum(axis=1)
    shift = (p * distance).sum(axis=1)
    assert_close("losses", losses, exact, (K + 4) * U * (2 + np.log(K) + far) + 2 * U * (shift + exact))
    gradient = p * t.sum(axis=1, keepdims=True) - t
    slack = U * p * (2 * distance + 2 * K + 10 + shift[:, None]) + U * np.abs(gradient) + TINY
    assert_close("dx", dx, gradient, slack)
    assert_close("dx", dx, by_column(loss, wide), slack + 1e-8)


def test_sft_of_one_hot_rows_is_sce():
    x, labels = normal(1, 9, LANES + 3), np.arange(9) % (LANES + 3)
    one_hot = np.eye(LANES + 3, dtype=np.float32)[labels]
    dx, losses = call(kernels.sft_loss, (x, one_hot), x.shape, (9,))
    other, expected = call(kernels.sce_loss, (x, labels[:, None].astype(np.float32)), x.shape, (9,))
    assert_close("dx", dx, other, 2 * U)
    assert_close("losses", losses, expected, 4 * U * (1 + expected))


@each_shape
@pytest.mark.parametrize("delta", [0.25, 1, 1000])
def test_hub_is_half_the_squared_error_up_to_delta_and_linear_beyond(K, delta):
    x, target = normal(1, 6, K), normal(2, 6, K)
    dx, losses = call(lambda x, t, dx, losses: kernels.hub_loss(x, t, delta, dx, losses), (x, target), (6, K), (6,))
    wide = x.astype(np.float64)

    def loss(x):
        size = np.abs(x - target)
        return np.where(size < delta, size**2 / 2, delta * (size - delta / 2)).sum(axis=1)

    slack = U * np.abs(wide - target)
    assert_close("dx", dx, np.clip(wide - target, -delta, delta), slack)
    assert_close("losses", losses, loss(wide), (K + 8) * U * loss(wide))
    away = np.abs(np.abs(wide - target) - delta) > 1e-4  # where the second derivative does not jump
    assert_close("dx", dx[away], by_column(loss, wide)[away], slack[away] + 1e-8)


def test_hub_with_a_delta_beyond_all_errors_trains_as_l2l_does():
    random = np.random.default_rng(0)
    X, Y = random.standard_normal((40, 3)), random.standard_normal((40, 2))
    runs = []
    for loss in ("l2l", "hub 1000"):
        net = caffe64.Net(f"inp 3 8 / lin 5 -0.5 / tnh / lin 2 -0.5 / {loss}")
        history = net.fit(X, Y, caffe64.Optimizer(0.05, 0, 1, 0, 0.9, 3), seed=1)
        runs.append((net, history.loss))
    np.testing.assert_array_equal(runs[0][0].parameters, runs[1][0].parameters)
    np.testing.assert_allclose(runs[0][1], 2 * np.array(runs[1][1]), rtol=1e-6)


def test_losses_show_a_nan_that_reaches_them():
    x, target = np.full((2, LANES + 1), 0.5, np.float32), np.full((2, LANES + 1), 0.5, np.float32)
    for place in (0, LANES):
        wrong = x.copy()
        wrong[1, place] = np.nan
        for kernel in (kernels.bce_loss, kernels.sft_loss, lambda x, t, *outs: kernels.hub_loss(x, t, 1, *outs)):
            _, losses = call(kernel, (wrong, target), x.shape, (2,))
            np.testing.assert_array_equal(np.isnan(losses), [False, True])


# -------------------------------------------------------------------------------------------------- nets
@pytest.mark.parametrize(("word", "variance"), [("he", 2 / 300), ("glorot", 2 / 340)])
def test_starts_follow_from_the_widths(word, variance):
    net, drawn = caffe64.Net(f"inp 300 2 / lin 40 {word} / sce"), caffe64.Net("inp 300 2 / lin 40 0 / sce")
    net.initialise(7)
    drawn.initialise(7)
    weights, expected = net.pack(net.parameters), drawn.pack(drawn.parameters)
    assert not weights[12000:].any()
    np.testing.assert_allclose(weights[:12000], expected[:12000] * variance**0.5, rtol=1e-6)
    assert abs(weights[:12000].var() / variance - 1) < 5 * (2 / 12000) ** 0.5  # five deviations of a sample's variance


def test_a_word_in_a_net_survives_pickle_and_is_shown():
    net = caffe64.Net("inp 3 2 / lin 4 he / lky 0.1 / lin 2 glorot / hub 0.5")
    net.initialise(1)
    twin = pickle.loads(pickle.dumps(net))
    assert [layer.text for layer in twin.layers] == ["inp 3 2", "lin 4 he", "lky 0.1", "lin 2 glorot", "hub 0.5"]
    np.testing.assert_array_equal(twin.parameters, net.parameters)


def test_predictions_of_the_losses_are_probabilities_or_values():
    X = normal(1, 20, 3)
    made = {}
    for loss in ("bce", "sft", "hub 1", "l2l"):
        net = caffe64.Net(f"inp 3 2 / lin 4 0 / {loss}")
        net.initialise(1)
        made[loss] = net.predict(X).astype(np.float64)
    np.testing.assert_array_equal(made["hub 1"], made["l2l"])
    assert_close("bce", made["bce"], sigmoid(made["l2l"]), 5 * U)
    assert_close("sft", made["sft"], softmax(made["l2l"]), 16 * U)
