"""Text nets and their kernels without any rows: the right result, or what is missing."""

from __future__ import annotations

import numpy as np
import pytest

import caffe64
from caffe64 import kernels
from caffe64.errors import UsageError

ONE_STEP = caffe64.Optimizer(rate=0.5, step=0, factor=1, decay=0, momentum=0, epochs=1)
X = np.empty((0, 3), np.float32)
HIDDEN = "inp 3 4 / lin 5 -1 / rel / lin 5 -1 / tnh / lin 4 -1 / smx / lin 2 -1"


@pytest.mark.parametrize("cap", ["sce", "l2l"])
def test_no_rows_have_no_outputs_and_can_neither_be_judged_nor_learned(cap):
    net = caffe64.Net(f"{HIDDEN} / {cap}")
    net.initialise(seed=0)
    assert net.predict(X).shape == (0, 2)
    Y = np.empty(0) if cap == "sce" else np.empty((0, 2))
    with pytest.raises(UsageError, match="X has 0 rows and Y has 0, expected at least one"):
        net.evaluate(X, Y)
    with pytest.raises(UsageError, match="there are 0 rows, but a minibatch of the net takes 4"):
        net.fit(X, Y, ONE_STEP)
    some = (np.ones((4, 3)), np.zeros(4) if cap == "sce" else np.zeros((4, 2)))
    with pytest.raises(UsageError, match="validation X has 0 rows"):
        net.fit(*some, ONE_STEP, validation=(X, Y))


def array(*shape):
    return np.full(shape, np.nan, np.float32)


def test_sums_over_no_rows_are_zeros():
    dW, db = array(3, 2), array(2)
    kernels.lin_gradient(X, array(0, 2), dW, db)
    assert not dW.any()
    assert not db.any()


def test_a_product_over_nothing_is_its_bias():
    c = array(2, 3)
    kernels.gemm(array(2, 0), array(0, 3), np.float32([1, 2, -3]), c, False, False, False, np.float32(0))
    np.testing.assert_array_equal(c, [[1, 2, 0]] * 2)


@pytest.mark.parametrize("name", ["rel_forward", "tnh_forward", "sig_forward", "smx_forward"])
def test_kernels_of_no_rows_do_nothing(name):
    getattr(kernels, name)(X, X)
    getattr(kernels, name.replace("forward", "backward"))(X, X, X)
    kernels.lin_forward(X, array(3, 2), array(2), array(0, 2))
    kernels.lin_backward(array(3, 2), array(0, 2), X)
    kernels.sce_loss(X, array(0, 1), X, array(0))
    kernels.lky_forward(X, 0.5, X)
    kernels.lky_backward(X, 0.5, X, X)
    kernels.l2l_loss(X, X, X, array(0))
    kernels.sft_loss(X, X, X, array(0))
    kernels.bce_loss(X, X, X, array(0))
    kernels.hub_loss(X, X, 0.5, X, array(0))
