"""The public kernels as calls: in place, with wrong shapes, from a function of the user's own, at the end of memory."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from reference.child import run_python
from reference.framed import call, normal

from caffe64 import kernels
from caffe64.engine.compiler.cpu import LANES

each_width = pytest.mark.parametrize("K", sorted({1, LANES - 1, LANES, LANES + 1, 2 * LANES + 3, 100}))


@each_width
@pytest.mark.parametrize("name", ["rel_forward", "tnh_forward", "sig_forward", "smx_forward"])
def test_forward_may_work_in_place(name, K):
    kernel, x = getattr(kernels, name), normal(1, 13, K)
    (apart,) = call(kernel, (x,), x.shape)
    kernel(x, x)
    np.testing.assert_array_equal(x, apart)


@each_width
@pytest.mark.parametrize("name", ["rel_backward", "tnh_backward", "sig_backward", "smx_backward"])
def test_backward_may_work_in_place(name, K):
    kernel, y, dy = getattr(kernels, name), np.abs(normal(1, 13, K, scale=0.3)), normal(2, 13, K)
    y[::2] *= -1 if name != "smx_backward" else 1
    (apart,) = call(kernel, (y, dy), y.shape)
    kernel(y, dy, dy)
    np.testing.assert_array_equal(dy, apart)


@each_width
@pytest.mark.parametrize("name", ["sce_loss", "sft_loss", "bce_loss", "l2l_loss"])
def test_losses_may_write_the_gradient_over_their_input(name, K):
    kernel, x = getattr(kernels, name), normal(1, 13, K)
    target = np.full((13, 1), K - 1, np.float32) if name == "sce_loss" else normal(2, 13, K)
    if name in ("sft_loss", "bce_loss"):
        target = np.clip(target, 0, 1)
    apart, losses = call(kernel, (x, target), x.shape, (13,))
    again = np.empty(13, np.float32)
    kernel(x, target, x, again)
    np.testing.assert_array_equal(x, apart)
    np.testing.assert_array_equal(again, losses)


def test_kernels_with_a_number_may_work_in_place():
    x, dy, target = (normal(seed, 13, 2 * LANES + 3) for seed in range(3))
    (y,) = call(lambda x, y: kernels.lky_forward(x, 0.25, y), (x,), x.shape)
    (dx,) = call(lambda y, dy, dx: kernels.lky_backward(y, 0.25, dy, dx), (y, dy), x.shape)
    gradient, losses = call(lambda *a: kernels.hub_loss(*a[:2], 0.5, *a[2:]), (x, target), x.shape, (13,))
    kernels.lky_backward(y, 0.25, dy, dy)
    np.testing.assert_array_equal(dy, dx)
    again, twin = x.copy(), np.empty(13, np.float32)
    kernels.hub_loss(again, target, 0.5, again, twin)
    np.testing.assert_array_equal(again, gradient)
    np.testing.assert_array_equal(twin, losses)
    kernels.lky_forward(x, 0.25, x)
    np.testing.assert_array_equal(x, y)


def test_batch_norm_may_work_in_place():
    K = 2 * LANES + 3
    x, dy, scale, shift = normal(1, 13, K), normal(2, 13, K), normal(3, K), normal(4, K)
    y, mean, variance = call(kernels.bnm_forward, (x, scale, shift), x.shape, (K,), (K,))
    dx, dscale, dshift = call(kernels.bnm_backward, (x, scale, dy), x.shape, (K,), (K,))
    kernels.bnm_backward(x, scale, dy, dy, dscale, dshift)
    np.testing.assert_array_equal(dy, dx)
    kernels.bnm_forward(x, scale, shift, x, mean, variance)
    np.testing.assert_array_equal(x, y)


# Shapes that fit, and for each argument another one that does not.
SHAPES = {
    "lin_forward": ([(4, 3), (3, 5), (5,), (4, 5)], [(4, 2), (2, 5), (4,), (3, 5)]),
    "lin_backward": ([(3, 5), (4, 5), (4, 3)], [(3, 4), (4, 6), (4, 4)]),
    "lin_gradient": ([(4, 3), (4, 5), (3, 5), (5,)], [(5, 3), (4, 6), (3, 4), (6,)]),
    "rel_forward": ([(4, 5)] * 2, [(4, 4), (5, 4)]),
    "rel_backward": ([(4, 5)] * 3, [(4, 4), (5, 4), (2, 10)]),
    "tnh_forward": ([(4, 5)] * 2, [(4, 4), (5, 4)]),
    "tnh_backward": ([(4, 5)] * 3, [(4, 4), (5, 4), (2, 10)]),
    "sig_forward": ([(4, 5)] * 2, [(4, 4), (5, 4)]),
    "sig_backward": ([(4, 5)] * 3, [(4, 4), (5, 4), (2, 10)]),
    "lky_forward": ([(4, 5), 0.25, (4, 5)], [(4, 4), None, (5, 4)]),
    "lky_backward": ([(4, 5), 0.25, (4, 5), (4, 5)], [(4, 4), None, (5, 4), (2, 10)]),
    "smx_forward": ([(4, 5)] * 2, [(4, 4), (5, 4)]),
    "smx_backward": ([(4, 5)] * 3, [(4, 4), (5, 4), (2, 10)]),
    "sce_loss": ([(4, 5), (4, 1), (4, 5), (4,)], [(3, 5), (4, 5), (4, 4), (5,)]),
    "l2l_loss": ([(4, 5), (4, 5), (4, 5), (4,)], [(4, 4), (4, 1), (5, 4), (3,)]),
    "sft_loss": ([(4, 5), (4, 5), (4, 5), (4,)], [(4, 4), (4, 1), (5, 4), (3,)]),
    "bce_loss": ([(4, 5), (4, 5), (4, 5), (4,)], [(4, 4), (4, 1), (5, 4), (3,)]),
    "hub_loss": ([(4, 5), (4, 5), 0.5, (4, 5), (4,)], [(4, 4), (4, 1), None, (5, 4), (3,)]),
    "drp_forward": ([(4, 5), 0.5, 1, 2, 3, (4, 5)], [(4, 4), None, None, None, None, (5, 4)]),
    "drp_backward": ([(4, 5), 0.5, 1, 2, 3, (4, 5)], [(4, 4), None, None, None, None, (5, 4)]),
    "bnm_forward": ([(4, 5), (5,), (5,), (4, 5), (5,), (5,)], [(4, 4), (4,), (6,), (5, 4), (4,), (6,)]),
    "bnm_backward": ([(4, 5), (5,), (4, 5), (4, 5), (5,), (5,)], [(4, 4), (4,), (5, 5), (5, 4), (4,), (6,)]),
    "sgd_update": ([(4,), (4,), (4,), 0.1, 0.1, 0.1], [(3,), (5,), (3,)]),
}


def zeros(shape):
    """An array of this shape; a number is itself."""
    return np.zeros(shape, np.float32) if isinstance(shape, tuple) else shape


def test_the_table_of_shapes_has_every_kernel():
    assert {*SHAPES, "gemm"} == set(kernels.__all__)


@pytest.mark.parametrize(
    ("name", "place"), [(name, i) for name, (_, wrong) in SHAPES.items() for i, shape in enumerate(wrong) if shape]
)
def test_shapes_that_do_not_fit_raise_value_error(name, place):
    fitting, wrong = SHAPES[name]
    kernel = getattr(kernels, name)
    kernel(*map(zeros, fitting))
    shapes = [*fitting[:place], wrong[place], *fitting[place + 1 :]]
    with pytest.raises(ValueError, match=name):
        kernel(*map(zeros, shapes))


@pytest.mark.parametrize("label", [-1, -0.5, 5, 3.5, 1e9, np.nan, np.inf])
def test_sce_loss_refuses_a_target_that_is_not_a_class(label):
    target = np.array([[0], [label]], np.float32)
    with pytest.raises(ValueError, match="not a class number"):
        kernels.sce_loss(normal(1, 2, 5), target, np.empty((2, 5), np.float32), np.empty(2, np.float32))


@pytest.mark.parametrize("name", ["bce_loss", "sft_loss"])
@pytest.mark.parametrize("share", [-0.1, 1.001, np.nan, np.inf])
def test_losses_of_shares_refuse_a_target_that_is_none(name, share):
    target = np.zeros((2, 5), np.float32)
    target[1, 4] = share
    with pytest.raises(ValueError, match=rf"{name}: a target is not in \[0, 1\]"):
        getattr(kernels, name)(normal(1, 2, 5), target, np.empty((2, 5), np.float32), np.empty(2, np.float32))


@pytest.mark.parametrize("ratio", [-0.1, 1, np.nan])
def test_dropout_of_a_share_that_is_none_is_refused(ratio):
    for kernel in (kernels.drp_forward, kernels.drp_backward):
        with pytest.raises(ValueError, match=r"the ratio is not in \[0, 1\)"):
            kernel(*map(zeros, [(2, 5), ratio, 1, 2, 3, (2, 5)]))


def test_batch_norm_of_no_rows_is_refused():
    for kernel, shapes in ((kernels.bnm_forward, "bkkbkk"), (kernels.bnm_backward, "bkbbkk")):
        with pytest.raises(ValueError, match="do not fit together"):
            kernel(*(zeros((0, 5) if each == "b" else (5,)) for each in shapes))


@pytest.mark.parametrize("delta", [0, -1, np.nan])
def test_hub_loss_refuses_a_delta_that_is_not_positive(delta):
    with pytest.raises(ValueError, match="delta is not above 0"):
        kernels.hub_loss(*map(zeros, [(2, 5), (2, 5), delta, (2, 5), (2,)]))


def step(x, W, b, target, y, dy, dW, db, dx, losses, v):
    kernels.lin_forward(x, W, b, y)
    kernels.rel_forward(y, y)
    kernels.tnh_forward(y, y)
    kernels.smx_forward(y, dy)
    kernels.smx_backward(dy, y, dy)
    kernels.l2l_loss(y, dy, dy, losses)
    kernels.sce_loss(y, target, dy, losses)
    kernels.sig_forward(dy, dy)
    kernels.sig_backward(dy, y, dy)
    kernels.lky_forward(dy, np.float32(0.5), dy)
    kernels.lky_backward(dy, np.float32(0.5), y, dy)
    kernels.hub_loss(y, dy, np.float32(0.5), dy, losses)
    kernels.sig_forward(dy, dy)
    kernels.bce_loss(y, dy, dy, losses)
    kernels.smx_forward(dy, dy)
    kernels.sft_loss(y, dy, dy, losses)
    kernels.drp_forward(y, np.float32(0.25), 1, 2, 3, y)
    kernels.drp_backward(dy, np.float32(0.25), 1, 2, 3, dy)
    kernels.bnm_forward(y, b, b, y, db, v)
    kernels.bnm_backward(y, b, dy, dy, db, v)
    kernels.tnh_backward(y, dy, dy)
    kernels.rel_backward(y, dy, dy)
    kernels.lin_gradient(x, dy, dW, db)
    kernels.lin_backward(W, dy, dx)
    kernels.sgd_update(b, v, db, np.float32(0.1), np.float32(0.2), np.float32(0.3))


def test_layers_can_be_called_from_a_function_of_the_users_own():
    rows, F, K = 6, 9, 2 * LANES + 1

    def arrays():
        inputs = [normal(1, rows, F), normal(2, F, K), normal(3, K), np.full((rows, 1), 2, np.float32)]
        shapes = [(rows, K), (rows, K), (F, K), (K,), (rows, F), (rows,)]
        return [*inputs, *(np.empty(shape, np.float32) for shape in shapes), np.zeros(K, np.float32)]

    direct, compiled = arrays(), arrays()
    step(*direct)
    numba.njit(step)(*compiled)
    for one, other in zip(direct, compiled, strict=True):
        np.testing.assert_array_equal(one, other)


GUARDED = """
import numpy as np
from caffe64 import kernels
from caffe64.engine.compiler.cpu import LANES
from caffe64.engine.products.gemm import MR, NR
from reference.guarded import guarded

def ones(*shape):
    return guarded(np.ones(shape))

for rows in (1, MR - 1, MR, MR + 1):
    for K in range(1, NR + LANES + 2):
        for name in ("rel", "tnh", "sig", "smx"):
            getattr(kernels, name + "_forward")(ones(rows, K), ones(rows, K))
            getattr(kernels, name + "_backward")(ones(rows, K), ones(rows, K), ones(rows, K))
        kernels.sce_loss(ones(rows, K), guarded(np.zeros((rows, 1))), ones(rows, K), ones(rows))
        kernels.lky_forward(ones(rows, K), 0.5, ones(rows, K))
        kernels.lky_backward(ones(rows, K), 0.5, ones(rows, K), ones(rows, K))
        for name in ("l2l", "bce", "sft"):
            getattr(kernels, name + "_loss")(ones(rows, K), ones(rows, K), ones(rows, K), ones(rows))
        kernels.hub_loss(ones(rows, K), ones(rows, K), 0.5, ones(rows, K), ones(rows))
        kernels.drp_forward(ones(rows, K), 0.5, 1, 2, 3, ones(rows, K))
        kernels.bnm_forward(ones(rows, K), ones(K), ones(K), ones(rows, K), ones(K), ones(K))
        kernels.bnm_backward(ones(rows, K), ones(K), ones(rows, K), ones(rows, K), ones(K), ones(K))
        kernels.sgd_update(ones(K), ones(K), ones(K), 0.1, 0.1, 0.1)
        for F in (1, MR, NR + 1):
            kernels.lin_forward(ones(rows, F), ones(F, K), ones(K), ones(rows, K))
            kernels.lin_backward(ones(F, K), ones(rows, K), ones(rows, F))
            kernels.lin_gradient(ones(rows, F), ones(rows, K), ones(F, K), ones(K))
print("untouched")
"""


def test_no_layer_touches_memory_past_its_arrays():
    assert run_python(GUARDED).stdout.split() == ["untouched"]
