"""Products and layers in JAX, jitted; every call allocates its results, as JAX does."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np


def product(left: np.ndarray, right: np.ndarray, out: np.ndarray) -> Callable[[], jax.Array]:
    """left [M, K] @ right [K, N]; the operands may be transposed views, and are transposed by XLA. `out` stays."""
    a_transposed, b_transposed = not left.flags.c_contiguous, not right.flags.c_contiguous
    a, b = jnp.asarray(left.T if a_transposed else left), jnp.asarray(right.T if b_transposed else right)
    multiply = jax.jit(lambda a, b: (a.T if a_transposed else a) @ (b.T if b_transposed else b))
    return lambda: multiply(a, b).block_until_ready()


def layer(name: str, arguments: list) -> Callable[[], object]:
    """The kernel `name` of caffe64; returns what that would write."""
    function, inputs = _LAYERS[name]
    function, values = jax.jit(function), [jnp.asarray(argument) for argument in arguments[:inputs]]
    values += map(jnp.asarray, arguments[3:] if name == "sgd_update" else ())
    return lambda: jax.block_until_ready(function(*values))


def _sce_loss(x, target):
    labels = target.astype(jnp.int32)
    logarithms = jax.nn.log_softmax(x, axis=1)
    losses = -jnp.take_along_axis(logarithms, labels, 1)[:, 0]
    return jnp.exp(logarithms) - jax.nn.one_hot(labels[:, 0], x.shape[1]), losses


def _l2l_loss(x, target):
    difference = x - target
    return difference, (difference * difference).sum(1)


def _sgd_update(w, v, g, rate, decay, momentum):
    v = momentum * v + rate * (g + decay * w)
    return w - v, v


_LAYERS = {  # function, how many of the kernel's arguments are inputs
    "rel_forward": (lambda x: jax.nn.relu(x), 1),
    "rel_backward": (lambda y, dy: jnp.where(y > 0, dy, 0), 2),
    "tnh_forward": (jnp.tanh, 1),
    "tnh_backward": (lambda y, dy: dy * (1 - y * y), 2),
    "smx_forward": (lambda x: jax.nn.softmax(x, axis=1), 1),
    "smx_backward": (lambda y, dy: y * (dy - (dy * y).sum(1, keepdims=True)), 2),
    "sce_loss": (_sce_loss, 2),
    "l2l_loss": (_l2l_loss, 2),
    "sgd_update": (_sgd_update, 3),
    "lin_forward": (lambda x, W, b: x @ W + b, 3),
    "lin_backward": (lambda W, dy: dy @ W.T, 2),
    "lin_gradient": (lambda x, dy: (x.T @ dy, dy.sum(0)), 2),
}
