"""The public layer kernels as benchmarks: their arguments, their work, and their results in float64 NumPy.

Tolerances: a float32 sum of n terms errs by at most about (n + 2) * 2**-24 times the sum of the magnitudes; the
exponential and tanh of `engine/vectors/elementary.py` by a few units in the last place, here taken as SLACK of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

UNIT = 2.0**-24
SLACK = 16.0
RATE, DECAY, MOMENTUM = 1e-3, 1e-4, 0.9
WIDE = ((100, 100), (300, 784), (4096, 2048))  # rows, channels: within L2, within L3, in memory
PRODUCTS = ((100, 784, 100), (300, 100, 60), (256, 1024, 1024))  # rows, inputs, outputs
QUICK_WIDE, QUICK_PRODUCTS = ((300, 784),), ((100, 784, 100),)

Array = np.ndarray
Check = list[tuple[Array, Array | float]]  # expected value and tolerance of each output


@dataclass(frozen=True)
class LayerCase:
    """One kernel. `make(random, *sizes)` gives its arguments, of which `outputs` are written (and read too, if
    `in_place`); `flops` counts the operations of its source, for each element of the first argument or as a function
    of the sizes."""

    make: Callable[..., list]
    outputs: tuple[int, ...]
    flops: float | Callable[..., float]
    expected: Callable[..., Check]
    in_place: bool = False

    def work(self, arguments: list, sizes: tuple[int, ...]) -> tuple[float, float, int]:
        """Floating-point operations and bytes moved by one call, each input read once and each output written once,
        and the bytes of its arrays."""
        flops = self.flops(*sizes) if callable(self.flops) else self.flops * arguments[0].size
        footprint = sum(argument.nbytes for argument in arguments if isinstance(argument, np.ndarray))
        again = sum(arguments[index].nbytes for index in self.outputs) if self.in_place else 0
        return float(flops), float(footprint + again), footprint


def _normal(random, *shape) -> Array:
    return random.standard_normal(shape, np.float32)


def _forward(random, rows, channels):
    return [_normal(random, rows, channels), np.empty((rows, channels), np.float32)]


def _backward(random, rows, channels):
    y = np.tanh(_normal(random, rows, channels))
    return [y, _normal(random, rows, channels), np.empty_like(y)]


def _cap(random, rows, channels, classes):
    x = _normal(random, rows, channels)
    target = random.integers(0, channels, (rows, 1)).astype(np.float32) if classes else _normal(random, rows, channels)
    return [x, target, np.empty_like(x), np.empty(rows, np.float32)]


def _sgd(random, rows, channels):
    return [*(_normal(random, rows * channels) for _ in range(3)), *map(np.float32, (RATE, DECAY, MOMENTUM))]


def _softmax(x):
    powers = np.exp(x - x.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def _softmax_expected(x) -> Check:
    y = _softmax(x)
    return [(y, (x.shape[1] + SLACK + 2 * np.abs(x).max()) * UNIT * y)]


def _softmax_backward_expected(y, dy) -> Check:
    mean = (y * dy).sum(1, keepdims=True)
    size = np.abs(y) * (np.abs(dy) + np.abs(y * dy).sum(1, keepdims=True))
    return [(y * (dy - mean), (y.shape[1] + 4) * UNIT * size)]


def _sce_expected(x, target) -> Check:
    rows, labels = np.arange(len(x)), target[:, 0].astype(int)
    dx = _softmax(x)
    losses = -np.log(dx[rows, labels])
    allowed = (x.shape[1] + SLACK + 2 * np.abs(x).max()) * UNIT
    dx[rows, labels] -= 1
    return [(dx, allowed * np.ones_like(dx)), (losses, allowed * (1 + losses))]


def _l2l_expected(x, target) -> Check:
    difference = x - target
    losses = (difference**2).sum(1)
    return [(difference, UNIT * np.abs(difference)), (losses, (x.shape[1] + 4) * UNIT * losses)]


def _sgd_expected(w, v, g, rate, decay, momentum) -> Check:
    velocity = momentum * v + rate * (g + decay * w)
    size = np.abs(momentum * v) + np.abs(rate * g) + np.abs(rate * decay * w)
    return [(w - velocity, 8 * UNIT * (np.abs(w) + size)), (velocity, 8 * UNIT * size)]


def product(a, b, start=0.0) -> tuple[Array, Array]:
    """a @ b + start and its tolerance."""
    return a @ b + start, (a.shape[1] + 2) * 1.01 * UNIT * (np.abs(a) @ np.abs(b) + np.abs(start))


LAYERS = {
    "rel_forward": LayerCase(_forward, (1,), 1, lambda x: [(np.maximum(x, 0), 0.0)]),
    "rel_backward": LayerCase(_backward, (2,), 1, lambda y, dy: [(np.where(y > 0, dy, 0), 0.0)]),
    "tnh_forward": LayerCase(_forward, (1,), 42, lambda x: [(np.tanh(x), SLACK * UNIT * np.abs(np.tanh(x)))]),
    "tnh_backward": LayerCase(
        _backward, (2,), 3, lambda y, dy: [(dy * (1 - y * y), 4 * UNIT * np.abs(dy))]
    ),
    "smx_forward": LayerCase(_forward, (1,), 27, _softmax_expected),
    "smx_backward": LayerCase(_backward, (2,), 4, _softmax_backward_expected),
    "sce_loss": LayerCase(lambda *sizes: _cap(*sizes, True), (2, 3), 27, _sce_expected),
    "l2l_loss": LayerCase(lambda *sizes: _cap(*sizes, False), (2, 3), 3, _l2l_expected),
    "sgd_update": LayerCase(_sgd, (0, 1), 6, _sgd_expected, in_place=True),
    "lin_forward": LayerCase(
        lambda random, B, F, K: [
            _normal(random, B, F), _normal(random, F, K), _normal(random, K), np.empty((B, K), np.float32),
        ],
        (3,),
        lambda B, F, K: 2 * B * F * K,
        lambda x, W, b: [product(x, W, b)],
    ),
    "lin_backward": LayerCase(
        lambda random, B, F, K: [_normal(random, F, K), _normal(random, B, K), np.empty((B, F), np.float32)],
        (2,),
        lambda B, F, K: 2 * B * F * K,
        lambda W, dy: [product(dy, W.T)],
    ),
    "lin_gradient": LayerCase(
        lambda random, B, F, K: [
            _normal(random, B, F), _normal(random, B, K), np.empty((F, K), np.float32), np.empty(K, np.float32),
        ],
        (2, 3),
        lambda B, F, K: 2 * B * F * K + B * K,
        lambda x, dy: [product(x.T, dy), (dy.sum(0), (len(dy) + 2) * UNIT * np.abs(dy).sum(0))],
    ),
}  # fmt: skip


def cases(quick: bool):
    """(name of the kernel, sizes) of everything that is timed."""
    for name in LAYERS:
        if name.startswith("lin_"):
            yield from ((name, sizes) for sizes in (QUICK_PRODUCTS if quick else PRODUCTS))
        else:
            yield from ((name, sizes) for sizes in (QUICK_WIDE if quick else WIDE))
