"""Products and layers in NumPy, into given arrays."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def product(left: np.ndarray, right: np.ndarray, out: np.ndarray) -> Callable[[], np.ndarray]:
    """left [M, K] @ right [K, N] into out [M, N]; the operands may be transposed views."""
    return lambda: np.matmul(left, right, out=out)


def layer(name: str, arguments: list) -> Callable[[], None]:
    """The kernel `name` of caffe64, with its arguments; writes what it writes."""
    function = globals()[f"_{name}"]
    return lambda: function(*arguments)


def _rel_forward(x, y):
    np.maximum(x, 0, out=y)


def _rel_backward(y, dy, dx):
    np.multiply(dy, y > 0, out=dx)


def _tnh_forward(x, y):
    np.tanh(x, out=y)


def _tnh_backward(y, dy, dx):
    np.multiply(y, y, out=dx)
    np.subtract(1, dx, out=dx)
    np.multiply(dx, dy, out=dx)


def _smx_forward(x, y):
    np.subtract(x, x.max(1, keepdims=True), out=y)
    np.exp(y, out=y)
    y /= y.sum(1, keepdims=True)


def _smx_backward(y, dy, dx):
    np.subtract(dy, np.einsum("bk,bk->b", y, dy)[:, None], out=dx)
    dx *= y


def _sce_loss(x, target, dx, losses):
    rows, labels = np.arange(len(x)), target[:, 0].astype(np.int64)
    np.subtract(x, x.max(1, keepdims=True), out=dx)
    wanted = dx[rows, labels]
    np.exp(dx, out=dx)
    total = dx.sum(1)
    np.subtract(np.log(total), wanted, out=losses)
    dx /= total[:, None]
    dx[rows, labels] -= 1


def _l2l_loss(x, target, dx, losses):
    np.subtract(x, target, out=dx)
    np.einsum("bk,bk->b", dx, dx, out=losses)


def _sgd_update(w, v, g, rate, decay, momentum):
    v *= momentum
    v += rate * (g + decay * w)
    w -= v


def _lin_forward(x, W, b, y):
    np.matmul(x, W, out=y)
    y += b


def _lin_backward(W, dy, dx):
    np.matmul(dy, W.T, out=dx)


def _lin_gradient(x, dy, dW, db):
    np.matmul(x.T, dy, out=dW)
    dy.sum(0, out=db)
