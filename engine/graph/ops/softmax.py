"""Softmax over any axis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...compiler import signatures as types
from ...compiler.cpu import LANES
from ...compiler.jit import F1, F1_IN, i64, inline, kernel
from ...vectors import simd
from ...vectors.elementary import exp
from ..ir.graph import Node, Shape
from ..ir.op import Back, Gradient, Layers, Op, Run, axis_of, count, same_shape


@dataclass(frozen=True)
class Softmax:
    axis: int = 1


@dataclass(frozen=True)
class LogSoftmax:
    """x - max - log of the sum of exp(x - max), along `axis`."""

    axis: int = 1


@inline
def softmax_row(x, y, at, to, size):
    """y[to:to+size] = softmax of x[at:at+size], along the lanes."""
    whole = size // LANES * LANES
    highest = simd.element(x, at)
    if whole:
        most = simd.load(x, at)
        for c in range(LANES, whole, LANES):
            most = simd.maximum(most, simd.load(x, at + c))
        highest = simd.reduce_max(most)
    for c in range(whole, size):
        highest = max(highest, simd.element(x, at + c))
    shift, sums = simd.broadcast(highest), simd.zeros()
    for c in range(0, whole, LANES):
        v = exp(simd.load(x, at + c) - shift)
        simd.store(y, to + c, v)
        sums = sums + v
    total = simd.reduce_add(sums)
    if whole < size:
        v = exp(simd.load_part(x, at + whole, size - whole) - shift)
        simd.store_part(y, to + whole, v, size - whole)
        for c in range(whole, size):
            total += simd.element(y, to + c)
    divisor = simd.broadcast(total)
    for c in range(0, whole, LANES):
        simd.store(y, to + c, simd.load(y, to + c) / divisor)
    if whole < size:
        v = simd.load_part(y, to + whole, size - whole)
        simd.store_part(y, to + whole, v / divisor, size - whole)


@inline
def softmax_columns(x, y, at, size, step, width):
    """Softmax of `width` columns side by side, at most LANES, each of `size` values that lie `step` apart."""
    most = simd.load_part(x, at, width)
    for c in range(1, size):
        most = simd.maximum(most, simd.load_part(x, at + c * step, width))
    sums = simd.zeros()
    for c in range(size):
        v = exp(simd.load_part(x, at + c * step, width) - most)
        simd.store_part(y, at + c * step, v, width)
        sums = sums + v
    for c in range(size):
        simd.store_part(y, at + c * step, simd.load_part(y, at + c * step, width) / sums, width)


@kernel(types.void(F1_IN, F1, i64, i64, i64))
def softmax(x, y, outer, size, inner):
    """y = exp(x - max) / sum of that, over the middle axis.   x, y [outer * size * inner]; y may be x. NaN spreads."""
    if inner == 1:
        for o in range(outer):
            softmax_row(x, y, o * size, o * size, size)
    else:
        for o in range(outer):
            for i in range(0, inner, LANES):
                softmax_columns(x, y, o * size * inner + i, size, inner, min(LANES, inner - i))


def axis_sizes(node: Node, shape: Shape) -> tuple[int, int, int]:
    """The counts before the axis of a Softmax or of its loss, along it, and after it."""
    axis = axis_of(node, node.attributes.axis, len(shape))
    return count(shape, 0, axis), shape[axis], count(shape, axis + 1)


def softmax_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    axis_sizes(node, bottoms[0])
    return same_shape(node, bottoms)


def prepare_softmax(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    sizes = axis_sizes(node, bottoms[0])
    if not np.prod(sizes):
        return lambda inputs, outputs: None  # no values, so none to start a maximum with
    return lambda inputs, outputs: softmax.run(inputs[0].reshape(-1), outputs[0].reshape(-1), *sizes)


def prepare_log_softmax(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    """NumPy's: few nets have it, as their last layer."""
    sizes = axis_sizes(node, bottoms[0])
    powers, (outer, _, inner) = np.empty(sizes, np.float32), sizes
    shift = np.empty((outer, 1, inner), np.float32)

    def run(inputs, outputs):
        x, y = inputs[0].reshape(sizes), outputs[0].reshape(sizes)
        np.max(x, axis=1, keepdims=True, initial=-np.inf, out=shift)
        np.subtract(x, shift, out=y)
        np.exp(y, out=powers)
        np.sum(powers, axis=1, keepdims=True, out=shift)
        np.log(shift, out=shift)
        np.subtract(y, shift, out=y)

    return run


# ------------------------------------------------------------------------------------------------------------- gradient
# Gradient of Softmax:   dx = y * (dy - sum of dy * y over the axis).    LogSoftmax:   dx = dy - exp(y) * sum of dy.
def softmax_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
    sizes = axis_sizes(node, bottoms[0])

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        y, dy, dx = (array.reshape(sizes) for array in (outputs[0], output_gradients[0], input_gradients[0]))
        shared = np.einsum("oci,oci->oi", y, dy)
        np.subtract(dy, shared[:, None], out=dx)
        np.multiply(dx, y, out=dx)

    return back


def log_softmax_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
    sizes = axis_sizes(node, bottoms[0])
    shares = np.empty(sizes, np.float32)

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        y, dy, dx = (array.reshape(sizes) for array in (outputs[0], output_gradients[0], input_gradients[0]))
        np.exp(y, out=shares)
        np.multiply(shares, dy.sum(axis=1, keepdims=True), out=shares)
        np.subtract(dy, shares, out=dx)

    return back


OPS = (
    Op(
        "Softmax", softmax_shapes, prepare_softmax, in_place=True, kernels=(softmax,),
        gradient=Gradient(softmax_back),
    ),
    Op(
        "LogSoftmax", softmax_shapes, prepare_log_softmax, in_place=True, gradient=Gradient(log_softmax_back),
        attributes=LogSoftmax,
    ),
)  # fmt: skip
