"""Gradients of LRN and MVN.

LRN    dx = dy * s**-beta - 2*alpha*beta/n * x * (sum of dy * y / s over the numbers around),  n of them, s as forward
MVN    dx = (dy - mean of dy - y * mean of dy * y) / (deviation + eps), without variance dy - mean of dy
"""

from __future__ import annotations

import numpy as np

from ...compiler.cpu import LANES
from ...team.memory import aligned_zeros
from ..ir.graph import Node, Shape
from ..ir.op import Run, count
from ..ops.batch_norm import moments
from ..ops.normalise import WITHIN_CHANNEL
from ..ops.pooling import pool_mean, windows_around
from ..ops.scale import NONE, affine
from .channels import channel_sums, normalised_gradient
from .op import Back, Backward


def prepare_lrn(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run) -> Back:
    parameter, shape = node.attributes, bottoms[0]
    within, size, beta = parameter.norm_region == WITHIN_CHANNEL, parameter.local_size, np.float32(parameter.beta)
    around = sums_within(shape, size) if within else sums_across(shape, size)
    number = size * size if within else size
    alpha, k = np.float32(parameter.alpha / number), np.float32(1 if within else parameter.k)
    scales, part, sums = (np.empty(shape, np.float32) for _ in range(3))

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        x, y, dy, dx = inputs[0], outputs[0], output_gradients[0], input_gradients[0]
        around(np.square(x, out=part), scales)
        np.add(np.multiply(scales, alpha, out=scales), k, out=scales)
        np.divide(np.multiply(dy, y, out=part), scales, out=part)
        around(part, sums)
        np.multiply(np.multiply(sums, x, out=sums), 2 * alpha * beta, out=sums)
        np.multiply(np.power(scales, -beta, out=scales), dy, out=dx)
        np.subtract(dx, sums, out=dx)

    return back


def sums_across(shape: Shape, size: int):
    """A function (x, y): y = the sums of x over `size` channels around each."""
    channels = shape[1]

    def around(x, y):
        np.copyto(y, x)
        for far in range(1, min(size // 2 + 1, channels)):
            np.add(y[:, far:], x[:, :-far], out=y[:, far:])
            np.add(y[:, :-far], x[:, far:], out=y[:, :-far])

    return around


def sums_within(shape: Shape, size: int):
    """A function (x, y): y = the sums of x over size * size pixels around each."""
    N, C, H, W = shape
    rows, columns = windows_around(H, W, size)
    rows[:, 2] = columns[:, 2] = 1  # sums, not means
    line = aligned_zeros(W + LANES)
    return lambda x, y: pool_mean.run(x.reshape(-1), N * C, H, W, rows, columns, line, y.reshape(-1))


def prepare_mvn(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run) -> Back:
    parameter = node.attributes
    axes = 1 if parameter.across_channels else 2
    rows, size = count(tops[0], 0, axes), count(tops[0], axes)
    mean, variance, sums, products = (np.empty(rows) for _ in range(4))

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        x, y, dy, dx = (array.reshape(-1) for array in (inputs[0], outputs[0], output_gradients[0], input_gradients[0]))
        channel_sums.run(y, dy, 1, rows, size, sums, products)
        means, slopes = ((each / size).astype(np.float32) for each in (sums, products))
        if not parameter.normalize_variance:
            affine.run(dy, means, NONE, NONE, 1, rows, size, dx)
            return
        moments.run(x, 1, rows, size, mean, variance)
        factors = (1 / (np.sqrt(variance) + parameter.eps)).astype(np.float32)
        normalised_gradient.run(y, dy, means, slopes, factors, 1, rows, size, dx)

    return back


BACKWARDS = (Backward("LRN", prepare_lrn), Backward("MVN", prepare_mvn))
