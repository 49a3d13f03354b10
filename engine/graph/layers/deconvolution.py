"""Deconvolution: the adjoint of the convolution with the same parameters, and a bias.

A group is a product of matrices, its weights [channels, outputs * taps] transposed times a picture [channels, pixels];
each row of that product is added to where the convolution would read it, in the planes of `windows.py`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ... import signatures as types
from ...cpu import LANES
from ...jit import F1, F1_IN, I1_IN, i64, kernel
from ...memory import aligned_zeros
from ...simd import load, load_part, store, store_part
from ..graph import Node, Shape
from ..op import MANY, Op, Run, count
from .convolution import NO_BIAS, fill
from .product import PANELS, multiply
from .windows import LARGEST, filter_shapes, plan_planes, read_window


@kernel(types.void(F1_IN, F1_IN, I1_IN, I1_IN, I1_IN, i64, F1, F1))
def add_columns(columns, bias, sizes, taps, starts, row, planes, y):
    """One group's y [outputs, ...] = bias + the sum of what `columns` [taps * pixels] has for each place.

    bias [outputs] or empty; planes is scratch. See `windows.py` for the others.
    """
    fill(planes, 0, planes.size, np.float32(0))
    full, i = row // LANES * LANES, 0
    for t in range(taps.size):
        for r in range(starts.size):
            to = taps[t] + starts[r]
            for p in range(0, full, LANES):
                store(planes, to + p, load(planes, to + p) + load(columns, i + p))
            if full < row:
                rest = row - full
                total = load_part(planes, to + full, rest) + load_part(columns, i + full, rest)
                store_part(planes, to + full, total, rest)
            i += row
    outputs, D, H, W, deep, high, wide = sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5], sizes[6]
    before, above, left, stride, phases = sizes[7], sizes[8], sizes[9], sizes[10], sizes[11]
    for o in range(outputs):
        shift = bias[o] if bias.size else np.float32(0)
        for d in range(D):
            for h in range(H):
                line = ((o * deep + d + before) * high + h + above) * phases * wide
                to = ((o * D + d) * H + h) * W
                column, phase = left // stride, left % stride
                for w in range(W):
                    # with a stride longer than the kernel there are places that nothing is added to
                    y[to + w] = shift + (planes[line + phase * wide + column] if phase < phases else np.float32(0))
                    phase += 1
                    if phase == stride:
                        phase, column = 0, column + 1


def deconvolution_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    window = read_window(node, bottoms)
    output = window.deconvolved()
    if not all(side > 0 for side in output):
        raise node.error(f"has pad {list(window.pad)}, which leaves {list(output)} pixels", "at least 1 on each axis")
    return [(*bottoms[0][: window.axis], window.outputs, *output)] * len(bottoms)


def deconvolution_weights(node: Node, bottoms: list[Shape]) -> list[Shape]:
    window = read_window(node, bottoms)
    return filter_shapes(node, window, window.channels, window.outputs)


def prepare_deconvolution(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    window = read_window(node, bottoms)
    output = tops[0][window.axis + 1 :]
    adjoint = replace(window, size=output, channels=window.outputs, outputs=window.channels)
    plan, group, pixels = plan_planes(node, adjoint, window.size), window.group, count(window.size)
    depth = window.channels // group
    if plan.taps.size * pixels > LARGEST:
        raise node.error(f"needs {plan.taps.size * pixels} numbers for its products", f"at most {LARGEST}")
    taps, size = plan.taps.size, count(output) * window.outputs // group
    columns, planes, panels = (aligned_zeros(floats) for floats in (taps * pixels, plan.floats, PANELS))

    def run(inputs, outputs):
        weights = node.weights[0].reshape(group, depth * taps)
        biases = node.weights[1].reshape(group, -1) if len(node.weights) > 1 else [NO_BIAS] * group
        for x, y in zip(inputs, outputs, strict=True):
            parts = zip(x.reshape(window.outer * group, depth * pixels), y.reshape(-1, size), strict=True)
            for number, (picture, result) in enumerate(parts):
                g = number % group
                multiply.run(weights[g], 1, taps, picture, 0, NO_BIAS, taps, pixels, depth, panels, columns)
                add_columns.run(columns, biases[g], plan.sizes, plan.taps, plan.starts, plan.row, planes, result)

    return run


def deconvolution_macs(node: Node, bottoms: list[Shape], tops: list[Shape]) -> int:
    return len(bottoms) * count(bottoms[0]) * count(deconvolution_weights(node, bottoms)[0], 1)


OPS = (
    Op(
        "Deconvolution", deconvolution_shapes, prepare_deconvolution, deconvolution_weights, deconvolution_macs,
        (1, MANY), (1, MANY),
    ),
)  # fmt: skip
