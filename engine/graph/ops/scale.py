"""Scale:  y = x * gamma + beta      Bias:  y = x + beta      broadcast over the axes before and behind theirs.

gamma (of Bias: beta) is the second bottom, else a blob with the shape of `num_axes` of the bottom's axes from `axis`
on: -1 is all that follow, 0 is one number. Scale's beta is a further blob, if there is one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...compiler import signatures as types
from ...compiler.cpu import LANES
from ...compiler.jit import F1, F1_IN, i64, inline, kernel
from ...vectors.simd import broadcast, element, fma, load, load_part, store, store_part
from ..ir.graph import Node, Shape
from ..ir.op import NO_VALUES, Back, Gradient, Layers, Op, Run, axis_of, count
from .channels import add_sums, channel_sums


@dataclass(frozen=True)
class Scale:
    """The operand has the shape of `num_axes` axes of the bottom from `axis` on, -1 of all that follow."""

    axis: int = 1
    num_axes: int = 1
    bias_term: bool = False


@dataclass(frozen=True)
class Bias:
    """As `Scale`."""

    axis: int = 1
    num_axes: int = 1


@inline
def value_of(values, c, otherwise):
    """A vector of values[c], or of `otherwise` without values."""
    return broadcast(element(values, c) if values.size else otherwise)


@inline
def values_of(values, c, size, otherwise):
    """values[c:c+LANES], only `size` of them, or `otherwise` without values."""
    if values.size == 0:
        return broadcast(otherwise)
    return load(values, c) if size >= LANES else load_part(values, c, size)


@kernel(types.void(F1_IN, F1_IN, F1_IN, F1_IN, i64, i64, i64, F1))
def affine(x, shift, factor, offset, outer, channels, inner, y):
    """y = (x - shift[c]) * factor[c] + offset[c].   x, y [outer * channels * inner], y may be x.

    shift, factor and offset are [channels], or empty for 0, 1 and 0.
    """
    zero, unit = np.float32(0), np.float32(1)
    if inner == 1:
        for n in range(outer):
            for c in range(0, channels, LANES):
                i, left = n * channels + c, channels - c
                shifts, factors = values_of(shift, c, left, zero), values_of(factor, c, left, unit)
                offsets = values_of(offset, c, left, zero)
                if left >= LANES:
                    store(y, i, fma(load(x, i) - shifts, factors, offsets))
                else:
                    store_part(y, i, fma(load_part(x, i, left) - shifts, factors, offsets), left)
        return
    full = inner // LANES * LANES
    for row in range(outer * channels):
        c, at = row % channels, row * inner
        shifts, factors, offsets = value_of(shift, c, zero), value_of(factor, c, unit), value_of(offset, c, zero)
        for i in range(at, at + full, LANES):
            store(y, i, fma(load(x, i) - shifts, factors, offsets))
        if full < inner:
            i, left = at + full, inner - full
            store_part(y, i, fma(load_part(x, i, left) - shifts, factors, offsets), left)


def operand(node: Node, bottoms: list[Shape]) -> tuple[int, Shape]:
    """The axis at which the operand starts, and its shape. Raises node.error where it does not fit."""
    parameter, bottom = node.attributes, bottoms[0]
    if len(bottoms) == 2:
        shape = bottoms[1]
        # a single number multiplies all, for any `axis`
        axis = axis_of(node, parameter.axis, len(bottom)) if shape else 0
        if bottom[axis : axis + len(shape)] != shape:
            raise node.error(f"has a second bottom of shape {list(shape)}", f"axes {axis} on of {list(bottom)}")
        return axis, shape
    axis, axes = axis_of(node, parameter.axis, len(bottom)), parameter.num_axes
    if axes < -1 or axis + axes > len(bottom):
        raise node.error(
            f"has axis {axis} and num_axes {axes} for a bottom {list(bottom)}", "-1, or axes of the bottom"
        )
    return axis, bottom[axis:] if axes == -1 else bottom[axis : axis + axes]


def scale_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    operand(node, bottoms)
    return [bottoms[0]]


def scale_weights(node: Node, bottoms: list[Shape]) -> list[Shape]:
    shape = operand(node, bottoms)[1]
    has_beta = node.type == "Scale" and node.attributes.bias_term
    return [shape] * ((len(bottoms) == 1) + has_beta)


def prepare_scale(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    axis, shape = operand(node, bottoms)
    outer, channels, inner = count(bottoms[0], 0, axis), count(shape), count(bottoms[0], axis + len(shape))
    if channels == 1:
        outer, inner = 1, outer * inner

    def run(inputs, outputs):
        operands = [array.reshape(-1) for array in (*inputs[1:], *node.weights)]
        factor, offset = [*operands, NO_VALUES][:2] if node.type == "Scale" else (NO_VALUES, operands[0])
        affine.run(inputs[0].reshape(-1), NO_VALUES, factor, offset, outer, channels, inner, outputs[0].reshape(-1))

    return run


def scale_macs(node: Node, bottoms: list[Shape], tops: list[Shape]) -> int:
    return count(tops[0])


# ------------------------------------------------------------------------------------------------------------- gradient
# Gradients of Scale and Bias:   dx = dy * gamma    dgamma = sum of dy * x    dbeta = sum of dy,  over other axes.
def scale_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
    axis, shape = operand(node, bottoms)
    sizes = outer, channels, inner = count(bottoms[0], 0, axis), count(shape), count(bottoms[0], axis + len(shape))
    if channels == 1:
        sizes = 1, 1, outer * inner
    sums, products = np.empty(channels), np.empty(channels)
    scaling, second = node.type == "Scale", len(bottoms) == 2

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        dy = output_gradients[0].reshape(-1)
        wanted = [*input_gradients[1:], *weight_gradients]  # gamma's and beta's, of Bias beta's alone
        if any(gradient is not None for gradient in wanted):
            factor_wanted = scaling and wanted[0] is not None
            x = inputs[0].reshape(-1) if factor_wanted else NO_VALUES
            channel_sums.run(x, dy, *sizes, sums, products)
            for number, gradient in enumerate(wanted):
                if gradient is not None:
                    if number < second:
                        gradient.fill(0)
                    add_sums(gradient, products if scaling and number == 0 else sums)
        if input_gradients[0] is not None:
            factor = (inputs[1] if second else node.weights[0]).reshape(-1) if scaling else NO_VALUES
            affine.run(dy, NO_VALUES, factor, NO_VALUES, *sizes, input_gradients[0].reshape(-1))

    return back


OPS = tuple(
    Op(
        kind, scale_shapes, prepare_scale, scale_weights, scale_macs, (1, 2), in_place=True, kernels=(affine,),
        gradient=Gradient(scale_back, kernels=(affine, channel_sums)),
    )
    for kind in ("Scale", "Bias")
)  # fmt: skip
