"""LRN and MVN, which normalise by neighbouring values.

LRN, across channels:    y = x * s**-beta,   s[c] = k + alpha/size * sum of x**2 over `size` channels around c
LRN, within a channel:   y = x * s**-beta,   s = 1 + alpha * mean of x**2 over size * size pixels around; k is not used
MVN:                     y = (x - mean) / (deviation + eps)   over each channel's pixels, or over all of a picture

Values outside are 0, and count in the mean.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ...compiler import signatures as types
from ...compiler.cpu import LANES
from ...compiler.jit import F1, F1_IN, f32, i64, kernel
from ...team.memory import aligned_zeros
from ...vectors.simd import broadcast, fma, load, load_part, store, store_part, zeros
from ..ir.graph import Node, Shape
from ..ir.op import NO_VALUES, Back, Gradient, Layers, Op, Run, count, same_shape
from .channels import channel_sums, moments, normalised_gradient
from .pooling import pool_mean, windows_around
from .scale import affine

WITHIN_CHANNEL = 1  # NormRegion
IMAGE_AXES = 4


@dataclass(frozen=True)
class LRN:
    """`norm_region`: across channels, or WITHIN_CHANNEL."""

    local_size: int = 5
    alpha: float = 1.0
    beta: float = 0.75
    norm_region: int = 0
    k: float = 1.0


@dataclass(frozen=True)
class MVN:
    normalize_variance: bool = True
    across_channels: bool = False
    eps: float = 1e-9


@kernel(types.void(F1_IN, i64, i64, i64, i64, f32, f32, F1))
def sum_channels(x, pictures, channels, pixels, reach, k, share, y):
    """y[c] = k + share * sum of x[c']**2 over the channels c' with |c' - c| <= reach.

    x, y [pictures * channels * pixels], no overlap; writes y.
    """
    shifts, shares = broadcast(k), broadcast(share)
    for n in range(pictures):
        for c in range(channels):
            first, last = n * channels + max(0, c - reach), n * channels + min(channels, c + reach + 1)
            for p in range(0, pixels, LANES):
                total, left = zeros(), pixels - p
                if left >= LANES:
                    for line in range(first, last):
                        v = load(x, line * pixels + p)
                        total = fma(v, v, total)
                    store(y, (n * channels + c) * pixels + p, fma(total, shares, shifts))
                else:
                    for line in range(first, last):
                        v = load_part(x, line * pixels + p, left)
                        total = fma(v, v, total)
                    store_part(y, (n * channels + c) * pixels + p, fma(total, shares, shifts), left)


@kernel(types.void(F1_IN, F1))
def divide_by_power(x, y):
    """y = x * y**-0.75, by square roots.   x, y [P]; y is overwritten."""
    for i in range(y.size):
        root = math.sqrt(y[i])
        y[i] = x[i] / (root * math.sqrt(root))


def lrn_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    size = node.attributes.local_size
    if size % 2 == 0:
        raise node.error(f"has local_size {size}", "an odd number")
    if len(bottoms[0]) != IMAGE_AXES:
        raise node.error(f"has a bottom with {len(bottoms[0])} axes, {list(bottoms[0])}", f"{IMAGE_AXES}")
    return same_shape(node, bottoms)


def prepare_lrn(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    within = node.attributes.norm_region == WITHIN_CHANNEL
    sums = _sums_within(node, bottoms[0]) if within else _sums_across(node, bottoms[0])
    beta = np.float32(node.attributes.beta)

    def run(inputs, outputs):
        x, y = inputs[0].reshape(-1), outputs[0].reshape(-1)
        sums(x, y)
        if beta == np.float32(0.75):
            divide_by_power.run(x, y)
        else:
            np.power(y, -beta, out=y)
            np.multiply(x, y, out=y)

    return run


def _sums_across(node: Node, bottom: Shape):
    parameter, (N, C), pixels = node.attributes, bottom[:2], count(bottom, 2)
    size, share = parameter.local_size, np.float32(parameter.alpha) / np.float32(parameter.local_size)
    return lambda x, y: sum_channels.run(x, N, C, pixels, size // 2, parameter.k, share, y)


def _sums_within(node: Node, bottom: Shape):
    (N, C, H, W), size = bottom, node.attributes.local_size
    rows, columns = windows_around(H, W, size)
    rows[:, 2] = columns[:, 2] = size  # the mean is over whole windows
    squares, line = np.empty(count(bottom), np.float32), aligned_zeros(W + LANES)
    alpha = np.float32(node.attributes.alpha)

    def sums(x, y):
        np.multiply(x, x, out=squares)
        pool_mean.run(squares, N * C, H, W, rows, columns, line, y)
        np.multiply(y, alpha, out=y)
        np.add(y, np.float32(1), out=y)

    return sums


def mvn_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    bottom = bottoms[0]
    if not 1 <= len(bottom) <= IMAGE_AXES:
        raise node.error(f"has a bottom with {len(bottom)} axes, {list(bottom)}", f"1 to {IMAGE_AXES}")
    return [bottom + (1,) * (IMAGE_AXES - len(bottom))]


def prepare_mvn(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    parameter = node.attributes
    axes = 1 if parameter.across_channels else 2
    rows, size = count(tops[0], 0, axes), count(tops[0], axes)
    mean, variance = np.empty(rows), np.empty(rows)

    def run(inputs, outputs):
        x = inputs[0].reshape(-1)
        moments.run(x, 1, rows, size, mean, variance)
        factors = NO_VALUES
        if parameter.normalize_variance:
            with np.errstate(divide="ignore"):  # eps may be 0
                factors = (1 / (np.sqrt(variance) + parameter.eps)).astype(np.float32)
        affine.run(x, mean.astype(np.float32), factors, NO_VALUES, 1, rows, size, outputs[0].reshape(-1))

    return run


# ------------------------------------------------------------------------------------------------------------- gradient
# Gradients of LRN and MVN.
#
# LRN    dx = dy * s**-beta - 2*alpha*beta/n * x * (sum of dy * y / s over the numbers around),  n of them, s as forward
# MVN    dx = (dy - mean of dy - y * mean of dy * y) / (deviation + eps), without variance dy - mean of dy
def lrn_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
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


def mvn_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
    parameter = node.attributes
    axes = 1 if parameter.across_channels else 2
    rows, size = count(tops[0], 0, axes), count(tops[0], axes)
    mean, variance, sums, products = (np.empty(rows) for _ in range(4))

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        x, y, dy, dx = (array.reshape(-1) for array in (inputs[0], outputs[0], output_gradients[0], input_gradients[0]))
        channel_sums.run(y, dy, 1, rows, size, sums, products)
        means, slopes = ((each / size).astype(np.float32) for each in (sums, products))
        if not parameter.normalize_variance:
            affine.run(dy, means, NO_VALUES, NO_VALUES, 1, rows, size, dx)
            return
        moments.run(x, 1, rows, size, mean, variance)
        factors = (1 / (np.sqrt(variance) + parameter.eps)).astype(np.float32)
        normalised_gradient.run(y, dy, means, slopes, factors, 1, rows, size, dx)

    return back


OPS = (
    Op(
        "LRN", lrn_shapes, prepare_lrn, kernels=(sum_channels, divide_by_power, pool_mean),
        gradient=Gradient(lrn_back, kernels=(pool_mean,)),
    ),
    Op(
        "MVN", mvn_shapes, prepare_mvn, in_place=True, kernels=(moments, affine),
        gradient=Gradient(mvn_back, kernels=(affine, channel_sums, moments, normalised_gradient)),
    ),
)  # fmt: skip
