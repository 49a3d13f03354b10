"""The layers' public kernels against float64 formulas and central differences, at the edges of vectors and tiles.

U is the relative error of one rounding. A tolerance counts the roundings of the formula it belongs to; exp and tanh
count as three (test_elementary.py).
"""

from __future__ import annotations

import numpy as np
import pytest
from reference.differences import at_places, by_column
from reference.framed import Framed, call, normal
from reference.products import UNIT as U
from reference.products import product
from reference.text_net import softmax
from support import assert_close

from caffe64 import kernels
from caffe64.engine.compiler.cpu import LANES
from caffe64.engine.products.gemm import KC, MR, NC, NR
from caffe64.engine.textnet.layers import lin

WIDTHS = sorted({1, LANES - 1, LANES, LANES + 1, 2 * LANES + 3, 100})
ROWS = sorted({1, MR - 1, MR, MR + 1, 50})
TINY = np.finfo(np.float32).tiny

each_shape = pytest.mark.parametrize("K", WIDTHS)
each_size = pytest.mark.parametrize("rows", ROWS)


# ------------------------------------------------------------------------------------------------- lin
@each_shape
@each_size
@pytest.mark.parametrize("F", [*WIDTHS, KC + 3])
def test_lin_is_a_product_and_so_are_its_gradients(rows, F, K):
    x, W, b, dy = normal(1, rows, F), normal(2, F, K), normal(3, K), normal(4, rows, K)
    (y,) = call(kernels.lin_forward, (x, W, b), (rows, K))
    assert_close("y", y, *product(x, W, b))
    (dx,) = call(kernels.lin_backward, (W, dy), (rows, F))
    assert_close("dx", dx, *product(dy, W.T))
    dW, db = call(kernels.lin_gradient, (x, dy), (F, K), (K,))
    assert_close("dW", dW, *product(x.T, dy))
    assert_close("db", db[None], *product(np.ones((1, rows)), dy))


@pytest.mark.parametrize("rows", [KC - 1, KC, KC + 1, 2 * KC + 3])
def test_lin_gradient_sums_over_more_rows_than_a_block_holds(rows):
    x, dy = normal(1, rows, MR + 1), normal(2, rows, NR + 1)
    dW, db = call(kernels.lin_gradient, (x, dy), (MR + 1, NR + 1), (NR + 1,))
    assert_close("dW", dW, *product(x.T, dy))
    assert_close("db", db[None], *product(np.ones((1, rows)), dy))


@pytest.mark.parametrize("K", [KC - 1, KC, KC + 1, NC + 1, 2 * KC + 3])
def test_lin_backward_sums_over_more_channels_than_a_block_holds(K):
    W, dy = normal(1, NR + 2, K), normal(2, MR + 1, K)
    (dx,) = call(kernels.lin_backward, (W, dy), (MR + 1, NR + 2))
    assert_close("dx", dx, *product(dy, W.T))


@each_shape
@pytest.mark.parametrize("F", WIDTHS)
def test_lin_keeps_its_weights_in_panels_of_whole_vectors(F, K):
    packed = np.arange(1, (F + 1) * K + 1, dtype=np.float32)
    stored = lin.store_parameters(packed, F, K)
    assert stored.size == lin.stored_size(F, K) == (-(-F // LANES) * LANES + 1) * -(-K // LANES) * LANES
    assert sorted(stored[stored != 0]) == list(packed)
    np.testing.assert_array_equal(lin.natural_parameters(stored, F, K), packed)
    first = min(K, LANES)  # whatever the widths of panels are, they hold whole vectors
    steps = {stored.tolist().index(packed[K]) - stored.tolist().index(packed[0])} if F > 1 else set()
    assert steps <= {LANES, 2 * LANES, NR}
    np.testing.assert_array_equal(stored[:first], packed[:first])


def test_lin_gradients_are_central_differences():
    rows, F, K = 5, 7, 2 * LANES + 1
    x, W, b, dy = normal(1, rows, F), normal(2, F, K), normal(3, K), normal(4, rows, K)
    (dx,) = call(kernels.lin_backward, (W, dy), (rows, F))
    dW, db = call(kernels.lin_gradient, (x, dy), (F, K), (K,))
    x, W, b, dy = (each.astype(np.float64) for each in (x, W, b, dy))
    assert_close("dx", dx, by_column(lambda x: (dy * (x @ W + b)).sum(axis=1), x), 1e-5)
    found = at_places(lambda W: (dy * (x @ W + b)).sum(), W, range(W.size))
    assert_close("dW", dW, found.reshape(F, K), 1e-5)
    assert_close("db", db, at_places(lambda b: (dy * (x @ W + b)).sum(), b, range(K)), 1e-5)


# ------------------------------------------------------------------------------------------- rel, tnh
@each_shape
@each_size
def test_rel_cuts_at_zero_and_passes_gradients_above(rows, K):
    x, dy = normal(1, rows, K), normal(2, rows, K)
    x.flat[::5] = 0
    (y,) = call(kernels.rel_forward, (x,), (rows, K))
    np.testing.assert_array_equal(y, np.maximum(x, 0))
    (dx,) = call(kernels.rel_backward, (y, dy), (rows, K))
    np.testing.assert_array_equal(dx, np.where(x > 0, dy, 0))


def test_rel_lets_nan_and_infinity_through():
    x = np.array([[np.nan, np.inf, -np.inf, -0.0, 1e-45, -1e-45]], np.float32)
    (y,) = call(kernels.rel_forward, (x,), x.shape)
    np.testing.assert_array_equal(y, np.array([[np.nan, np.inf, 0, 0, 1e-45, 0]], np.float32))


@each_shape
@each_size
def test_tnh_is_tanh_and_its_gradient_follows_from_its_output(rows, K):
    x, dy = normal(1, rows, K, scale=2), normal(2, rows, K)
    (y,) = call(kernels.tnh_forward, (x,), (rows, K))
    exact = np.tanh(x.astype(np.float64))
    assert_close("y", y, exact, 3 * U * np.abs(exact))
    (dx,) = call(kernels.tnh_backward, (y, dy), (rows, K))
    y, dy = y.astype(np.float64), dy.astype(np.float64)
    slope = 1 - y * y
    assert_close("dx", dx, dy * slope, U * np.abs(dy) * (2 * slope + y * y))
    # y is off by 3 U, which the slope sees twice
    assert_close("dx", dx, by_column(lambda x: (dy * np.tanh(x)).sum(axis=1), x), 9 * U * np.abs(dy) + 1e-9)


# ------------------------------------------------------------------------------------------------ smx
def softmax_tolerance(x, exact):
    """x - max is rounded; exp; a sum of K terms; a division and a product. Below TINY a power is 0."""
    K, distance = x.shape[1], x.max(axis=1, keepdims=True).astype(np.float64) - x
    return U * exact * (2 * distance + K + 8) + U * exact * (exact * distance).sum(axis=1, keepdims=True) + TINY


@each_shape
@each_size
@pytest.mark.parametrize("scale", [1, 30, 1e4])
def test_smx_is_softmax(rows, K, scale):
    x = normal(1, rows, K, scale=scale)
    (y,) = call(kernels.smx_forward, (x,), (rows, K))
    exact = softmax(x.astype(np.float64))
    assert_close("y", y, exact, softmax_tolerance(x, exact))
    assert_close("sum", y.sum(axis=1, dtype=np.float64), np.ones(rows), (K + 4) * U)


@each_shape
@each_size
def test_smx_backward_is_the_gradient_of_softmax(rows, K):
    x, dy = normal(1, rows, K), normal(2, rows, K)
    (y,) = call(kernels.smx_forward, (x,), (rows, K))
    (dx,) = call(kernels.smx_backward, (y, dy), (rows, K))
    y, dy = y.astype(np.float64), dy.astype(np.float64)
    total, size = (dy * y).sum(axis=1, keepdims=True), np.abs(dy * y).sum(axis=1, keepdims=True)
    slack = U * y * ((K + 3) * size + 2 * np.abs(dy - total))
    assert_close("dx", dx, y * (dy - total), slack)
    found = by_column(lambda x: (dy * softmax(x)).sum(axis=1), x)
    assert_close("dx", dx, found, slack + 2 * y * (np.abs(dy) + size) * (K + 20) * U + 1e-9)


def test_smx_of_a_single_channel_is_one_and_passes_no_gradient():
    x, dy = normal(1, 50, 1, scale=100), normal(2, 50, 1)
    (y,) = call(kernels.smx_forward, (x,), (50, 1))
    (dx,) = call(kernels.smx_backward, (y, dy), (50, 1))
    assert (y == 1).all()
    assert (dx == 0).all()


@each_shape
def test_smx_of_huge_logits_neither_overflows_nor_loses_the_largest(K):
    x = np.full((3, K), -3e38, np.float32)
    x[0, K - 1], x[1, 0], x[2] = 3e38, 88, 3e38
    (y,) = call(kernels.smx_forward, (x,), (3, K))
    assert y[0, K - 1] == y[1, 0] == 1
    assert_close("equal", y[2], np.full(K, 1 / K), (K + 4) * U)
    assert_close("sums", y.sum(axis=1), np.ones(3), (K + 4) * U)


# ----------------------------------------------------------------------------------------------- caps
@each_shape
@each_size
@pytest.mark.parametrize("scale", [1, 30])
def test_sce_is_cross_entropy_and_its_gradient(rows, K, scale):
    x, target = normal(1, rows, K, scale=scale), np.random.default_rng(2).integers(0, K, (rows, 1)).astype(np.float32)
    dx, losses = call(kernels.sce_loss, (x, target), (rows, K), (rows,))
    chosen = np.arange(rows), target[:, 0].astype(int)

    def loss(x):
        highest = x.max(axis=1)
        return np.log(np.exp(x - highest[:, None]).sum(axis=1)) + highest - x[chosen]

    wide = x.astype(np.float64)
    exact, p = loss(wide), softmax(wide)
    shift = 2 * U * (p * (wide.max(axis=1, keepdims=True) - wide)).sum(axis=1)
    assert_close("losses", losses, exact, U * np.abs(exact) + (K + 4) * U + shift)
    gradient = p.copy()
    gradient[chosen] -= 1
    slack = softmax_tolerance(x, p) + U * np.abs(gradient)
    assert_close("dx", dx, gradient, slack)
    # scale**3 of the third derivative's error: x is larger, its differences are not
    assert_close("dx", dx, by_column(loss, x), slack + 1e-8)


def test_sce_loss_stays_finite_where_the_posterior_underflows():
    x = np.array([[1000, -1000, 0], [0, 2e4, -3e4]], np.float32)
    dx, losses = call(kernels.sce_loss, (x, np.array([[1], [2]], np.float32)), (2, 3), (2,))
    assert_close("losses", losses, [2000, 50000], 0)
    assert_close("dx", dx, [[1, -1, 0], [0, 1, -1]], 0)


def test_sce_with_a_single_class_has_no_loss():
    dx, losses = call(kernels.sce_loss, (normal(1, 9, 1), np.zeros((9, 1), np.float32)), (9, 1), (9,))
    assert (dx == 0).all()
    assert (losses == 0).all()


@each_shape
@each_size
def test_l2l_is_the_squared_error_and_half_its_gradient(rows, K):
    x, target = normal(1, rows, K), normal(2, rows, K)
    dx, losses = call(kernels.l2l_loss, (x, target), (rows, K), (rows,))
    difference = x.astype(np.float64) - target
    assert_close("dx", dx, difference, U * np.abs(difference))
    exact = (difference**2).sum(axis=1)
    assert_close("losses", losses, exact, (K + 4) * U * exact)
    found = by_column(lambda x: ((x - target) ** 2).sum(axis=1) / 2, x)
    assert_close("dx", dx, found, U * np.abs(difference) + 1e-8)


# ------------------------------------------------------------------------------------------------ sgd
@pytest.mark.parametrize("P", [0, *WIDTHS, 1000])
def test_sgd_update_steps_parameters_and_velocity(P):
    rate, decay, momentum = np.float32(0.3), np.float32(0.25), np.float32(0.9)
    before = [normal(seed, P) for seed in (1, 2, 3)]
    w, v, g = before[0].copy(), before[1].copy(), before[2].copy()
    kernels.sgd_update(w, v, g, rate, decay, momentum)
    np.testing.assert_array_equal(g, before[2])
    w0, v0, g0 = (each.astype(np.float64) for each in before)
    velocity = momentum * v0 + rate * (g0 + decay * w0)
    size = np.abs(momentum * v0) + rate * (np.abs(g0) + 2 * np.abs(decay * w0))
    assert_close("v", v, velocity, 4 * U * size)
    assert_close("w", w, w0 - velocity, 4 * U * size + U * np.abs(w0 - velocity))


def test_sgd_update_leaves_its_neighbours_alone():
    for P in range(2 * LANES + 2):
        w, v, g = Framed(P), Framed(P), normal(1, P)
        w.array[:], v.array[:] = 1, 2
        kernels.sgd_update(w.array, v.array, g, 1.0, 0.0, 0.0)
        np.testing.assert_array_equal(v.check(), g)
        np.testing.assert_array_equal(w.check(), np.float32(1) - g)
