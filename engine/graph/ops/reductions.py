"""Layers that sum up or pick among the values of a blob: Reduction, ArgMax, and SSD's Normalize."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..ir.graph import Node, Shape
from ..ir.op import Back, Gradient, Layers, Op, Run, axis_of, count
from .checks import at_most_four_axes

REDUCE_SUM, REDUCE_ASUM, REDUCE_SUMSQ, REDUCE_MEAN = range(1, 5)  # as in ReductionParameter


@dataclass(frozen=True)
class Reduction:
    """`operation`: one of REDUCE_*."""

    operation: int = REDUCE_SUM
    axis: int = 0
    coeff: float = 1.0


@dataclass(frozen=True)
class ArgMax:
    """Without an `axis`, of all values of a row."""

    out_max_val: bool = False
    top_k: int = 1
    axis: int | None = None


@dataclass(frozen=True)
class Normalize:
    across_spatial: bool = True
    channel_shared: bool = True
    eps: float = 1e-10


def reduction_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    return [bottoms[0][: axis_of(node, node.attributes.axis, len(bottoms[0]))]]


def prepare_reduction(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    """coeff * (sum, sum of magnitudes, sum of squares, mean) over all axes from `axis` on."""
    kind, rows = node.attributes.operation, count(tops[0])
    size = count(bottoms[0], len(tops[0]))
    factor = np.float32(node.attributes.coeff / (size if kind == REDUCE_MEAN and size else 1))
    change = {REDUCE_ASUM: np.abs, REDUCE_SUMSQ: np.square}.get(kind)
    changed = np.empty((rows, size), np.float32) if change else None

    def run(inputs, outputs):
        x, y = inputs[0].reshape(rows, size), outputs[0].reshape(rows)
        np.sum(x if change is None else change(x, out=changed), axis=1, out=y)
        np.multiply(y, factor, out=y)

    return run


def argmax_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    parameter, shape = node.attributes, bottoms[0]
    by_axis = parameter.axis is not None
    axis = axis_of(node, parameter.axis if by_axis else 0, len(shape))
    size = shape[axis] if by_axis else count(shape, 1)
    if not 1 <= parameter.top_k <= size:
        raise node.error(f"top_k {parameter.top_k} of {size} values", f"1 to {size}")
    if by_axis:
        return [(*shape[:axis], parameter.top_k, *shape[axis + 1 :])]
    return [(shape[0], 1 + parameter.out_max_val, parameter.top_k, *[1] * (len(shape) - 3))]


def prepare_argmax(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    """The indices of the largest values, largest first, of equal ones the later first; and (or, of one axis: instead)
    the values."""
    parameter, shape = node.attributes, bottoms[0]
    by_axis, top_k, values = parameter.axis is not None, parameter.top_k, parameter.out_max_val
    axis = axis_of(node, parameter.axis, len(shape)) if by_axis else 1
    rows = shape if by_axis else (shape[0], count(shape, 1))

    def run(inputs, outputs):
        x = inputs[0].reshape(rows)
        indices = largest(x, axis, top_k)
        found = np.take_along_axis(x, indices, axis) if values else None
        if by_axis:
            outputs[0][...] = found if values else indices
        else:
            top = outputs[0].reshape(shape[0], 1 + values, top_k)
            top[:, 0] = indices
            if values:
                top[:, 1] = found

    return run


def largest(x: np.ndarray, axis: int, number: int) -> np.ndarray:
    """Indices along `axis` of the largest values, the largest first; of equal values the later comes first."""
    if number == 1:
        return x.shape[axis] - 1 - np.flip(x, axis).argmax(axis, keepdims=True)
    order = np.flip(x.argsort(axis, kind="stable"), axis)
    return order.take(range(number), axis)


def normalize_weights(node: Node, bottoms: list[Shape]) -> list[Shape]:
    return [() if node.attributes.channel_shared else (bottoms[0][1],)]


def normalize_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    at_most_four_axes(node, bottoms)
    if len(bottoms[0]) < 2:
        raise node.error(f"a bottom of shape {list(bottoms[0])}", "2 to 4 axes, of which axis 1 are the channels")
    return [bottoms[0]]


def prepare_normalize(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    """y = scale * x / sqrt(sum of x**2 + eps), summed over an image, or over the channels of each position."""
    parameter, shape = node.attributes, bottoms[0]
    rows = (shape[0], shape[1], count(shape, 2))
    squares = np.empty(rows, np.float32)
    axes, eps = (1, 2) if parameter.across_spatial else 1, np.float32(parameter.eps)
    norms = np.empty((rows[0], 1, 1 if parameter.across_spatial else rows[2]), np.float32)

    def run(inputs, outputs):
        x, y = inputs[0].reshape(rows), outputs[0].reshape(rows)
        np.square(x, out=squares)
        np.sum(squares, axis=axes, keepdims=True, out=norms)
        np.add(norms, eps, out=norms)
        np.sqrt(norms, out=norms)
        np.divide(x, norms, out=y)
        np.multiply(y, node.weights[0].reshape(-1, 1), out=y)

    return run


# ------------------------------------------------------------------------------------------------------------- gradient
# Gradient of Reduction:   dx = coeff * dy * {SUM 1, ASUM sign(x), SUMSQ 2x, MEAN 1 over the number of values}.
def reduction_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
    kind, rows = node.attributes.operation, count(tops[0])
    size = count(bottoms[0], len(tops[0]))
    scale = {REDUCE_MEAN: 1 / max(1, size), REDUCE_SUMSQ: 2}.get(kind, 1)
    factor = np.float32(node.attributes.coeff * scale)

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        x, dx = inputs[0].reshape(rows, size), input_gradients[0].reshape(rows, size)
        slopes = output_gradients[0].reshape(rows, 1) * factor
        if kind == REDUCE_ASUM:
            np.multiply(np.sign(x, out=dx), slopes, out=dx)
        elif kind == REDUCE_SUMSQ:
            np.multiply(x, slopes, out=dx)
        else:
            dx[:] = slopes

    return back


OPS = (
    Op("Reduction", reduction_shapes, prepare_reduction, gradient=Gradient(reduction_back)),
    Op("ArgMax", argmax_shapes, prepare_argmax),
    Op("Normalize", normalize_shapes, prepare_normalize, normalize_weights),
)
