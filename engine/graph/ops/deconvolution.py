"""Deconvolution: the adjoint of the convolution with the same parameters, and a bias.

A group is a product of matrices, its weights [channels, outputs * taps] transposed times a picture [channels, pixels];
each row of that product is added at the offsets where the convolution would read it, in the planes of `windows.py`. A
group of few channels (each on its own in upsampling) is too small for a product: the weighted rows of the picture are
added directly.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...compiler import signatures as types
from ...compiler.cpu import LANES
from ...compiler.fields import read_fields
from ...compiler.jit import F1, F1_IN, I1_IN, i64, inline, kernel
from ...products.gemm import MR
from ...team.memory import aligned_zeros
from ...vectors.simd import broadcast, element, fma, load, load_part, store, store_part
from ..ir.graph import Node, Shape
from ..ir.op import MANY, NO_VALUES, Back, Gradient, Layers, Op, Run, count
from .adjoint import bias_sums, lend_weights, twin_of
from .channels import channel_sums
from .convolution import fill
from .filter_gradient import FILTER_KERNELS, prepare_filter_gradient
from .product import PANELS, multiply
from .windows import MOST_NUMBERS, PlaneSizes, filter_shapes, plan_planes, window_of


@inline
def add_line(planes, to, x, at, size, weight):
    """planes.flat[to:to+size] += weight * x.flat[at:at+size]."""
    weights, full = broadcast(weight), size // LANES * LANES
    for i in range(0, full, LANES):
        store(planes, to + i, fma(weights, load(x, at + i), load(planes, to + i)))
    if full < size:
        rest = size - full
        total = fma(weights, load_part(x, at + full, rest), load_part(planes, to + full, rest))
        store_part(planes, to + full, total, rest)


@inline
def take_out(planes, sizes, bias, first, y, at):
    """The pictures y.flat[at:] in the planes of one group, plus bias[first], ...: the inverse of `lay_out`."""
    s = read_fields(sizes, 0, PlaneSizes)
    for o in range(s.channels):
        shift = bias[first + o] if bias.size else np.float32(0)
        for d in range(s.depth):
            for h in range(s.height):  # y[o, d, h] = planes[o, d + before, h + above]
                line = ((o * s.deep + d + s.before) * s.high + h + s.above) * s.phases * s.wide
                to = at + ((o * s.depth + d) * s.height + h) * s.width
                column, phase = s.left // s.stride, s.left % s.stride
                for w in range(s.width):
                    # with a stride longer than the kernel some pixels get no term
                    value = element(planes, line + phase * s.wide + column) if phase < s.phases else np.float32(0)
                    y[to + w] = shift + value
                    phase += 1
                    if phase == s.stride:
                        phase, column = 0, column + 1


@kernel(types.void(F1_IN, F1_IN, I1_IN, I1_IN, I1_IN, i64, F1, F1))
def add_columns(columns, bias, sizes, taps, starts, row, planes, y):
    """One group's y [outputs, ...] = bias + the sum of the terms of `columns` [taps * pixels] for each pixel.

    bias [outputs] or empty; planes is scratch. See `windows.py` for the others.
    """
    fill(planes, 0, planes.size, np.float32(0))
    at = 0
    for t in range(taps.size):
        for r in range(starts.size):
            add_line(planes, taps[t] + starts[r], columns, at, row, np.float32(1))
            at += row
    take_out(planes, sizes, bias, 0, y, 0)


@kernel(types.void(F1_IN, F1_IN, F1_IN, i64, i64, i64, I1_IN, I1_IN, I1_IN, i64, F1, F1))
def deconvolve_directly(x, w, bias, parts, groups, depth, sizes, taps, starts, row, planes, y):
    """All pictures and groups, `parts` of them, for groups of few channels (depth): without columns."""
    s = read_fields(sizes, 0, PlaneSizes)
    for part in range(parts):
        g, at = part % groups, part * depth * starts.size * row
        fill(planes, 0, planes.size, np.float32(0))
        for c in range(depth):
            for t in range(taps.size):
                weight = w[(g * depth + c) * taps.size + t]
                for r in range(starts.size):
                    add_line(planes, taps[t] + starts[r], x, at + (c * starts.size + r) * row, row, weight)
        take_out(planes, sizes, bias, g * s.channels, y, part * s.picture)


def deconvolution_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    window = window_of(node, bottoms)
    output = window.deconvolved()
    if not all(side > 0 for side in output):
        raise node.error(
            f"has pad {list(window.before)}, which leaves {list(output)} pixels", "at least 1 on each axis"
        )
    return [(*bottoms[0][: window.axis], window.outputs, *output)] * len(bottoms)


def deconvolution_weights(node: Node, bottoms: list[Shape]) -> list[Shape]:
    window = window_of(node, bottoms)
    return filter_shapes(node, window, window.channels, window.outputs)


def prepare_deconvolution(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    window = window_of(node, bottoms)
    output = tops[0][window.axis + 1 :]
    adjoint = replace(window, size=output, channels=window.outputs, outputs=window.channels)
    plan, group, depth = plan_planes(node, adjoint, window.size), window.group, window.channels // window.group
    indices, planes = (plan.sizes, plan.taps, plan.starts, plan.row), aligned_zeros(plan.floats)
    sizes = count(window.size), depth, window.outputs // group
    multiply_group = None if depth < MR else _by_columns(node, *sizes, (*indices, planes))

    def run(inputs, outputs):
        weights, bias = node.weights[0].reshape(-1), node.weights[1] if len(node.weights) > 1 else NO_VALUES
        parts = window.outer * group
        for x, y in zip(inputs, outputs, strict=True):
            if multiply_group is None:
                arrays = x.reshape(-1), weights, bias
                deconvolve_directly.run(*arrays, parts, group, depth, *indices, planes, y.reshape(-1))
                continue
            for part in range(parts):
                picture, result = (array.reshape(-1)[part * array.size // parts :] for array in (x, y))
                multiply_group(picture, weights, bias, part % group, result)

    return run


def _by_columns(node: Node, pixels: int, depth: int, outputs: int, arguments):
    """The product of one group with its weights, and the sums of its columns, in memory of its own."""
    taps = arguments[1].size
    if taps * pixels > MOST_NUMBERS:
        raise node.error(f"needs {taps * pixels} numbers for its products", f"at most {MOST_NUMBERS}")
    columns, panels = aligned_zeros(taps * pixels), aligned_zeros(PANELS)

    def multiply_group(picture, weights, bias, g, result):
        weights, bias = weights[g * depth * taps :], bias[g * outputs : (g + 1) * outputs]
        multiply.run(weights, 1, taps, picture, 0, NO_VALUES, taps, pixels, depth, panels, columns)
        add_columns.run(columns, bias, *arguments, result)

    return multiply_group


def deconvolution_macs(node: Node, bottoms: list[Shape], tops: list[Shape]) -> int:
    return len(bottoms) * count(bottoms[0]) * count(deconvolution_weights(node, bottoms)[0], 1)


# ------------------------------------------------------------------------------------------------------------- gradient
def deconvolution_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
    window = window_of(node, bottoms)
    turned = replace(
        window, size=tops[0][window.axis + 1 :], channels=window.outputs, outputs=window.channels
    )  # the convolution whose adjoint this layer is
    weigh = prepare_filter_gradient(node, turned, window.size, layers.threads)
    twin = twin_of(node, "Convolution", turned)
    lend_weights(node, twin)
    run_twin = layers.prepare(twin, [tops[0]], [bottoms[0]])
    add_bias = bias_sums(window, tops[0])

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        if weight_gradients[0] is not None:
            weigh(output_gradients, inputs, weight_gradients[0])
        for gradient in weight_gradients[1:]:
            if gradient is not None:
                add_bias(output_gradients, gradient)
        for dy, dx in zip(output_gradients, input_gradients, strict=True):
            if dx is not None:
                run_twin([dy], [dx])

    return back


DECONVOLUTION_GRADIENT = Gradient(deconvolution_back, kernels=(*FILTER_KERNELS, channel_sums), layers=("Convolution",))
OPS = (
    Op(
        "Deconvolution", deconvolution_shapes, prepare_deconvolution, deconvolution_weights, deconvolution_macs,
        (1, MANY), (1, MANY), kernels=(add_columns, deconvolve_directly, multiply),
        gradient=DECONVOLUTION_GRADIENT,
    ),
)  # fmt: skip
