"""Products and layers in PyTorch, into tensors that share the given arrays' memory."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

torch.set_num_threads(1)
_aten = torch.ops.aten


def product(left: np.ndarray, right: np.ndarray, out: np.ndarray) -> Callable[[], torch.Tensor]:
    """left [M, K] @ right [K, N] into out [M, N]; the operands may be transposed views."""
    a, b, c = map(torch.from_numpy, (left, right, out))
    return lambda: torch.mm(a, b, out=c)


def layer(name: str, arguments: list) -> Callable[[], None]:
    """The kernel `name` of caffe64, with its arguments; writes what it writes."""
    function = globals()[f"_{name}"]
    tensors = [torch.from_numpy(a) if isinstance(a, np.ndarray) else float(a) for a in arguments]

    def call() -> None:
        with torch.inference_mode():
            function(*tensors)

    return call


def _rel_forward(x, y):
    torch.clamp_min(x, 0, out=y)


def _rel_backward(y, dy, dx):
    _aten.threshold_backward(dy, y, 0, grad_input=dx)


def _tnh_forward(x, y):
    torch.tanh(x, out=y)


def _tnh_backward(y, dy, dx):
    _aten.tanh_backward(dy, y, grad_input=dx)


def _smx_forward(x, y):
    torch.softmax(x, 1, out=y)


def _smx_backward(y, dy, dx):
    _aten._softmax_backward_data(dy, y, 1, torch.float32, grad_input=dx)


def _sce_loss(x, target, dx, losses):
    labels = target.to(torch.int64)
    logarithms = torch.log_softmax(x, 1)
    torch.neg(logarithms.gather(1, labels)[:, 0], out=losses)
    torch.exp(logarithms, out=dx)
    dx.scatter_add_(1, labels, -torch.ones_like(target))


def _l2l_loss(x, target, dx, losses):
    torch.sub(x, target, out=dx)
    torch.sum(dx * dx, 1, out=losses)


def _sgd_update(w, v, g, rate, decay, momentum):
    v.mul_(momentum).add_(g, alpha=rate).add_(w, alpha=rate * decay)
    w.sub_(v)


def _lin_forward(x, W, b, y):
    torch.addmm(b, x, W, out=y)


def _lin_backward(W, dy, dx):
    torch.mm(dy, W.T, out=dx)


def _lin_gradient(x, dy, dW, db):
    torch.mm(x.T, dy, out=dW)
    torch.sum(dy, 0, out=db)
