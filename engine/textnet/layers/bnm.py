"""bnm: batch norm. Each channel over the B rows of a minibatch, with mean m and variance s2 = sum (x - m)**2 / B:

    n = (x - m) / sqrt(s2 + 1e-5)        y = scale * n + shift
    dscale = sum dy * n                  dshift = sum dy
    dx = scale / sqrt(s2 + 1e-5) * (dy - dshift / B - n * dscale / B)

p holds scale [K], shift [K], and what predictions take instead of m and s2: running mean [K] and running variance [K].
Of each minibatch these take in a tenth (AVERAGING_FACTOR), of the variance its unbiased estimate, with B - 1 for B; of
a single row, the variance is 0. Where minibatches are cut into shards, all this is of the rows of a shard, and the
running ones take in the mean over the shards.

Columns are shared among threads, in whole vectors; sums over rows are in the order of rows. Statistics are computed
again by backward and update, which costs less than to keep them.
"""

from __future__ import annotations

import numpy as np

from ....formats.network import GRAMMAR
from ...compiler import signatures as types
from ...compiler.cpu import LANES
from ...compiler.jit import F1, F1_IN, F2, F2_IN, inline, kernel
from ...parameters.sgd import step_vectors
from ...vectors.elementary import ONE
from ...vectors.simd import broadcast, fma, load_part, maximum, square_root, store_part, zeros
from .layer import COLUMN_SHARE, COLUMN_SHARES, FORWARD, TRAIN, TRAIN_BACKWARD, UPDATE, TextLayer

EPSILON = np.float32(1e-5)


@inline
def own_columns(K, share, shares):
    """The columns [first, last) of a share: whole vectors, the last one perhaps but for its end."""
    vectors = (K + LANES - 1) // LANES
    return vectors * share // shares * LANES, min(K, vectors * (share + 1) // shares * LANES)


@inline
def column_statistics(x, k, count):
    """Of the columns [k, k + count) of x [B, K], at most a vector: their means, sums of squared differences from these,
    and 1 / sqrt(variance + EPSILON). Vectors."""
    rows, K = x.shape
    each = broadcast(ONE / np.float32(rows))
    total = zeros()
    for b in range(rows):
        total = total + load_part(x, b * K + k, count)
    mean = total * each
    total = zeros()
    for b in range(rows):
        difference = load_part(x, b * K + k, count) - mean
        total = fma(difference, difference, total)
    return mean, total, broadcast(ONE) / square_root(fma(total, each, broadcast(EPSILON)))


@inline
def column_sums(x, dy, k, count, mean, inverse):
    """Of the same columns: sum dy * n and sum dy. Vectors."""
    rows, K = x.shape
    products, total = zeros(), zeros()
    for b in range(rows):
        gradient = load_part(dy, b * K + k, count)
        products = fma(gradient, (load_part(x, b * K + k, count) - mean) * inverse, products)
        total = total + gradient
    return products, total


@inline
def column_gradient(x, dy, k, count, mean, inverse, scale, products, total, dx):
    """dx in the same columns, from their sums; dx may be dy."""
    rows, K = x.shape
    each, factor = broadcast(ONE / np.float32(rows)), scale * inverse
    products, total = products * each * inverse, total * each
    for b in range(rows):
        at = b * K + k
        centred = load_part(dy, at, count) - total
        store_part(dx, at, factor * fma(mean - load_part(x, at, count), products, centred), count)


@inline
def scale_columns(x, k, count, mean, factor, shift, y):
    """y = (x - mean) * factor + shift in the columns [k, k + count)."""
    rows, K = x.shape
    for b in range(rows):
        at = b * K + k
        store_part(y, at, fma(load_part(x, at, count) - mean, factor, shift), count)


@kernel(FORWARD)
def forward(x, p, settings, y, scratch):
    """Writes y [B, K] from x [B, K] by the running mean and variance."""
    K = x.shape[1]
    for k in range(0, K, LANES):
        count = min(LANES, K - k)
        variance = maximum(zeros(), load_part(p, 3 * K + k, count))  # of a file, it may be anything
        factor = load_part(p, k, count) / square_root(variance + broadcast(EPSILON))
        scale_columns(x, k, count, load_part(p, 2 * K + k, count), factor, load_part(p, K + k, count), y)


@kernel(TRAIN)
def train(x, p, settings, y, scratch, place):
    """Writes this share's columns of y [B, K] from those of x [B, K]."""
    K = x.shape[1]
    first, last = own_columns(K, place[COLUMN_SHARE], place[COLUMN_SHARES])
    for k in range(first, last, LANES):
        count = min(LANES, last - k)
        mean, _, inverse = column_statistics(x, k, count)
        scale_columns(x, k, count, mean, load_part(p, k, count) * inverse, load_part(p, K + k, count), y)


@kernel(TRAIN_BACKWARD)
def backward(x, p, settings, y, dy, dx, scratch, place):
    """Writes this share's columns of dx [B, K] from those of x and dy [B, K]. Does not read y."""
    K = x.shape[1]
    first, last = own_columns(K, place[COLUMN_SHARE], place[COLUMN_SHARES])
    for k in range(first, last, LANES):
        count = min(LANES, last - k)
        mean, _, inverse = column_statistics(x, k, count)
        products, total = column_sums(x, dy, k, count, mean, inverse)
        column_gradient(x, dy, k, count, mean, inverse, load_part(p, k, count), products, total, dx)


@kernel(UPDATE)
def update(x, dy, p, v, rate, decay, momentum, share, shares, scratch):
    """Writes scale, shift and their v, and into the rest of v rate times mean and variance; this share's columns."""
    rows, K = x.shape
    freedom, rates = broadcast(ONE / np.float32(max(rows - 1, 1))), broadcast(rate)
    first, last = own_columns(K, share, shares)
    for k in range(first, last, LANES):
        count = min(LANES, last - k)
        mean, squares, inverse = column_statistics(x, k, count)
        products, total = column_sums(x, dy, k, count, mean, inverse)
        store_part(v, 2 * K + k, rates * mean, count)
        store_part(v, 3 * K + k, rates * squares * freedom, count)
        store_part(scratch, 0, products, count)
        step_vectors(p, k, v, k, scratch, 0, count, rate, decay, momentum)
        store_part(scratch, 0, total, count)
        step_vectors(p, K + k, v, K + k, scratch, 0, count, rate, decay, momentum)


@kernel(types.void(F2_IN, F1_IN, F1_IN, F2, F1, F1))
def bnm_forward(
    x: types.Floats, scale: types.Floats, shift: types.Floats, y: types.Floats, mean: types.Floats,
    variance: types.Floats,
) -> None:  # fmt: skip
    """y = scale * (x - mean) / sqrt(variance + 1e-5) + shift, with mean and variance (over B) of the rows of x.

    x [B, K], B >= 1, scale, shift [K], float32; writes y [B, K], which may be x, and mean, variance [K].
    ValueError on other shapes.
    """
    rows, K = x.shape
    sizes_fit = scale.size == K and shift.size == K and mean.size == K and variance.size == K
    if rows == 0 or y.shape != x.shape or not sizes_fit:
        raise ValueError("bnm_forward: x, y [B, K], scale, shift, mean, variance [K] do not fit together")
    each = broadcast(ONE / np.float32(rows))
    for k in range(0, K, LANES):
        count = min(LANES, K - k)
        means, squares, inverse = column_statistics(x, k, count)
        store_part(mean, k, means, count)
        store_part(variance, k, squares * each, count)
        scale_columns(x, k, count, means, load_part(scale, k, count) * inverse, load_part(shift, k, count), y)


@kernel(types.void(F2_IN, F1_IN, F2_IN, F2, F1, F1))
def bnm_backward(
    x: types.Floats, scale: types.Floats, dy: types.Floats, dx: types.Floats, dscale: types.Floats,
    dshift: types.Floats,
) -> None:  # fmt: skip
    """The gradients of `bnm_forward`, from the gradient dy by its y.

    x [B, K], B >= 1, scale [K], dy [B, K], float32; writes dx [B, K], which may be dy, and dscale, dshift [K].
    ValueError on other shapes.
    """
    rows, K = x.shape
    sizes_fit = scale.size == K and dscale.size == K and dshift.size == K
    if rows == 0 or dy.shape != x.shape or dx.shape != x.shape or not sizes_fit:
        raise ValueError("bnm_backward: x, dy, dx [B, K], scale, dscale, dshift [K] do not fit together")
    for k in range(0, K, LANES):
        count = min(LANES, K - k)
        mean, _, inverse = column_statistics(x, k, count)
        products, total = column_sums(x, dy, k, count, mean, inverse)
        store_part(dscale, k, products, count)
        store_part(dshift, k, total, count)
        column_gradient(x, dy, k, count, mean, inverse, load_part(scale, k, count), products, total, dx)


LAYER = TextLayer(
    word=GRAMMAR["bnm"],
    forward=forward,
    train=train,
    backward=backward,
    update=update,
    across=True,
    parameters=lambda inputs, values: 4 * inputs,
    shapes=lambda inputs, outputs: dict.fromkeys(("scale", "shift", "mean", "variance"), (inputs,)),
    averages=lambda inputs, outputs: 2 * inputs,
    initial=lambda drawn, inputs, values: np.repeat(np.float32([1, 0, 0, 1]), inputs),
    scratch_size=lambda inputs, outputs, rows: LANES,
    reads_parameters=False,
    reads_output=False,
)
