"""Sums over channels, for normalisations and the gradients of weights."""

from __future__ import annotations

import numpy as np

from ...compiler import signatures as types
from ...compiler.cpu import LANES
from ...compiler.jit import D1, F1, F1_IN, i64, inline, kernel
from ...vectors.simd import broadcast, element, fma, load, load_part, reduce_add, store, store_part, zeros

SUM_BLOCK = 64 * LANES  # floats: the rounding errors of 64 additions per lane are negligible


@inline
def row_sum(x, at, size):
    """Sum of x.flat[at:at+size], float64: of blocks that are summed in float32."""
    total = np.float64(0)
    for block in range(at, at + size, SUM_BLOCK):
        end, sums = min(block + SUM_BLOCK, at + size), zeros()
        full = (end - block) // LANES * LANES
        for i in range(block, block + full, LANES):
            sums = sums + load(x, i)
        if block + full < end:
            sums = sums + load_part(x, block + full, end - block - full)
        total += np.float64(reduce_add(sums))
    return total


@inline
def row_squares(x, at, size, middle):
    """Sum of (x.flat[at:at+size] - middle)**2, as `row_sum`."""
    total, middles = np.float64(0), broadcast(middle)
    for block in range(at, at + size, SUM_BLOCK):
        end, sums = min(block + SUM_BLOCK, at + size), zeros()
        full = (end - block) // LANES * LANES
        for i in range(block, block + full, LANES):
            distance = load(x, i) - middles
            sums = fma(distance, distance, sums)
        total += np.float64(reduce_add(sums))
        for i in range(block + full, end):
            rest = element(x, i) - middle
            total += np.float64(rest * rest)
    return total


@kernel(types.void(F1_IN, i64, i64, i64, D1, D1))
def moments(x, outer, channels, inner, mean, variance):
    """Mean and biased variance of each channel.   x [outer * channels * inner]; writes float64 [channels] each.

    In two passes, since the difference of two large sums would lose the variance.
    """
    number = outer * inner
    for c in range(channels):
        total, squares = np.float64(0), np.float64(0)
        for n in range(outer):
            total += row_sum(x, (n * channels + c) * inner, inner)
        mean[c] = total / number
        for n in range(outer):
            squares += row_squares(x, (n * channels + c) * inner, inner, np.float32(mean[c]))
        variance[c] = squares / number


@inline
def row_product(x, y, at, size):
    """Sum of x.flat[at + i] * y.flat[at + i] for i < size, float64: of blocks that are summed in float32."""
    total = np.float64(0)
    for block in range(at, at + size, SUM_BLOCK):
        end, sums = min(block + SUM_BLOCK, at + size), zeros()
        full = (end - block) // LANES * LANES
        for i in range(block, block + full, LANES):
            sums = fma(load(x, i), load(y, i), sums)
        if block + full < end:
            i, left = block + full, end - block - full
            sums = fma(load_part(x, i, left), load_part(y, i, left), sums)
        total += np.float64(reduce_add(sums))
    return total


@kernel(types.void(F1_IN, F1_IN, i64, i64, i64, D1, D1))
def channel_sums(x, y, outer, channels, inner, sums, products):
    """sums[c] = sum of y, and unless x is empty products[c] = sum of x * y, over all but the channels.

    x, y [outer * channels * inner]; writes float64 [channels] each.
    """
    sums[:] = 0
    products[:] = 0
    for n in range(outer):
        for c in range(channels):
            i = (n * channels + c) * inner
            if inner == 1:
                value = element(y, i)
                sums[c] += value
                if x.size:
                    products[c] += element(x, i) * value
            else:
                sums[c] += row_sum(y, i, inner)
                if x.size:
                    products[c] += row_product(x, y, i, inner)


@inline
def centred(d, v, mean, slope, factor):
    return (d - fma(slope, v, mean)) * factor


@kernel(types.void(F1_IN, F1_IN, F1_IN, F1_IN, F1_IN, i64, i64, i64, F1))
def normalised_gradient(y, dy, means, slopes, factors, outer, channels, inner, dx):
    """dx = (dy - means[c] - y * slopes[c]) * factors[c].   y, dy, dx [outer * channels * inner]; dx may be dy."""
    full = inner // LANES * LANES
    for row in range(outer * channels):
        c, at = row % channels, row * inner
        if inner == 1:
            dx[row] = (dy[row] - means[c] - y[row] * slopes[c]) * factors[c]
            continue
        mean, slope, factor = (
            broadcast(element(means, c)), broadcast(element(slopes, c)), broadcast(element(factors, c))
        )  # fmt: skip
        for i in range(at, at + full, LANES):
            store(dx, i, centred(load(dy, i), load(y, i), mean, slope, factor))
        if full < inner:
            i, left = at + full, inner - full
            store_part(dx, i, centred(load_part(dy, i, left), load_part(y, i, left), mean, slope, factor), left)


def add_sums(gradient: np.ndarray, sums: np.ndarray) -> None:
    """gradient += sums, of as many values, in any shapes."""
    flat = gradient.reshape(-1)
    np.add(flat, sums, out=flat, casting="unsafe")
