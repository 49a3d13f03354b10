"""smx: softmax over the channels of a row,  y[k] = exp(x[k] - m) / sum_j exp(x[j] - m),  m = max x.

    dx[k] = y[k] * (dy[k] - sum_j dy[j] * y[j])

The original passes no gradient through an smx; this is the true one.
"""

from __future__ import annotations

from ....formats.network import GRAMMAR
from ...compiler import signatures as types
from ...compiler.cpu import LANES
from ...compiler.jit import F2, F2_IN, inline, kernel
from ...vectors.elementary import ONE, exp
from ...vectors.simd import (
    broadcast,
    element,
    fma,
    load,
    load_part,
    maximum,
    reduce_add,
    reduce_max,
    store,
    store_part,
    zeros,
)
from .layer import BACKWARD, FORWARD, TextLayer


@inline
def row_maximum(x, at, K):
    """max x.flat[at:at+K]; undefined if there is a NaN."""
    whole = K // LANES * LANES
    highest = element(x, at)
    if whole:
        top = load(x, at)
        for k in range(LANES, whole, LANES):
            top = maximum(top, load(x, at + k))
        highest = reduce_max(top)
    for k in range(whole, K):
        highest = max(highest, element(x, at + k))
    return highest


@inline
def row_exponentials(x, y, at, K):
    """y = exp(x - max x) for one row; returns the maximum and the sum of y. y may be x."""
    highest = row_maximum(x, at, K)
    shift = broadcast(highest)
    whole = K // LANES * LANES
    total = zeros()
    for k in range(0, whole, LANES):
        power = exp(load(x, at + k) - shift)
        store(y, at + k, power)
        total = total + power
    if whole < K:
        rest = K - whole
        store_part(y, at + whole, exp(load_part(x, at + whole, rest) - shift), rest)
        total = total + load_part(y, at + whole, rest)  # reloaded: the lanes past the row count as 0
    return highest, reduce_add(total)


@inline
def scale_row(y, at, K, factor):
    """y.flat[at:at+K] *= factor."""
    factors = broadcast(factor)
    whole = K // LANES * LANES
    for k in range(0, whole, LANES):
        store(y, at + k, load(y, at + k) * factors)
    if whole < K:
        rest = K - whole
        store_part(y, at + whole, load_part(y, at + whole, rest) * factors, rest)


@inline
def softmax(x, y):
    """y = softmax of each row of x [B, K]; y may be x."""
    rows, K = x.shape
    for b in range(rows):
        _, total = row_exponentials(x, y, b * K, K)
        scale_row(y, b * K, K, ONE / total)


@inline
def softmax_gradient(y, dy, dx):
    """dx = y * (dy - sum(dy * y)) per row of [B, K]; dx may be dy."""
    rows, K = y.shape
    whole = K // LANES * LANES
    rest = K - whole
    for b in range(rows):
        at = b * K
        total = zeros()
        for k in range(0, whole, LANES):
            total = fma(load(dy, at + k), load(y, at + k), total)
        if rest:
            total = fma(load_part(dy, at + whole, rest), load_part(y, at + whole, rest), total)
        mean = broadcast(reduce_add(total))
        for k in range(0, whole, LANES):
            store(dx, at + k, load(y, at + k) * (load(dy, at + k) - mean))
        if rest:
            gradient = load_part(y, at + whole, rest) * (load_part(dy, at + whole, rest) - mean)
            store_part(dx, at + whole, gradient, rest)


@kernel(FORWARD)
def forward(x, p, settings, y, scratch):
    """Writes y [B, K] from x [B, K]; y may be x."""
    softmax(x, y)


@kernel(BACKWARD)
def backward(x, p, settings, y, dy, dx, scratch):
    """Writes dx [B, K] from y and dy [B, K]; dx may be dy. Does not read x."""
    softmax_gradient(y, dy, dx)


@kernel(types.void(F2_IN, F2))
def smx_forward(x: types.Floats, y: types.Floats) -> None:
    """y = softmax of each row of x.   x, y [B, K] float32; y may be x. ValueError on different shapes."""
    if x.shape != y.shape:
        raise ValueError("smx_forward: x and y differ in shape")
    softmax(x, y)


@kernel(types.void(F2_IN, F2_IN, F2))
def smx_backward(y: types.Floats, dy: types.Floats, dx: types.Floats) -> None:
    """dx = y * (dy - sum(dy * y)) per row.   y, dy, dx [B, K] float32; dx may be dy. ValueError on different shapes."""
    if y.shape != dy.shape or y.shape != dx.shape:
        raise ValueError("smx_backward: y, dy and dx differ in shape")
    softmax_gradient(y, dy, dx)


LAYER = TextLayer(word=GRAMMAR["smx"], forward=forward, backward=backward, reads_input=False)
