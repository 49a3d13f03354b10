"""PSROIPooling: pooling of regions of pictures as R-FCN does. The mean of each of n * n cells of a region, in a channel
of its own: of output d in cell (i, j), channel (d*n + i)*n + j.

Regions as in `region_pooling.py`, but they begin and end within a pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...compiler import signatures as types
from ...compiler.jit import F1, F1_IN, exact_inline, f32, i64, kernel
from ..ir.graph import Node, Shape
from ..ir.op import Back, Gradient, Layers, Op, Run
from .region_pooling import REGION, check_scale, picture_of, region_numbers, regions_of, rounded

LEAST_SIZE = np.float32(0.1)  # pixels, of a region


@dataclass(frozen=True)
class PSROIPooling:
    """`output_dim`: channels of the top; `group_size`: its rows and columns."""

    spatial_scale: float = 0.0
    output_dim: int = 0
    group_size: int = 0


@exact_inline
def part_side(first, last, scale, cells):
    """As `whole_side`, for regions that begin and end within a pixel: both float32."""
    start, stop = rounded(first) * scale, (rounded(last) + np.float32(1)) * scale
    return start, max(stop - start, LEAST_SIZE) / np.float32(cells)


@exact_inline
def part_cell(start, step, cell, size):
    """As `whole_cell`, of `part_side`."""
    low, high = np.float32(0), np.float32(size)
    first = np.floor(np.float32(cell) * step + start)
    last = np.ceil(np.float32(cell + 1) * step + start)
    return np.int64(min(max(first, low), high)), np.int64(min(max(last, low), high))


PART_SIZES = (i64, i64, i64, i64, i64, f32)  # N, outputs, H, W, rows and columns of cells, scale


@kernel(types.void(F1_IN, F1_IN, *PART_SIZES, F1), fastmath=set())
def part_mean(x, rois, N, outputs, H, W, cells, scale, y):
    """x [N * outputs*cells*cells * H*W], rois [R*5]. Writes y [R * outputs*cells*cells]."""
    for region in range(rois.size // REGION):
        number, x1, y1, x2, y2 = region_numbers(rois, region)
        picture = picture_of(number, x1, y1, x2, y2, N)
        y_start, y_step = part_side(y1, y2, scale, cells)
        x_start, x_step = part_side(x1, x2, scale, cells)
        for r in range(cells):
            top, bottom = part_cell(y_start, y_step, r, H)
            for c in range(cells):
                left, right = part_cell(x_start, x_step, c, W)
                pixels = max(bottom - top, 0) * max(right - left, 0)
                for output in range(outputs):
                    channel, total = (output * cells + r) * cells + c, np.float32(0)
                    if picture >= 0 and pixels > 0:
                        plane = (picture * outputs * cells * cells + channel) * H
                        for h in range(top, bottom):
                            for w in range(left, right):
                                total += x[(plane + h) * W + w]
                        total /= np.float32(pixels)
                    y[region * outputs * cells * cells + channel] = total


@kernel(types.void(F1_IN, F1_IN, *PART_SIZES, F1), fastmath=set())
def part_gradient(rois, dy, N, outputs, H, W, cells, scale, dx):
    """dx = 0, plus dy over the pixels of each cell at all of them. Arguments as `part_mean`."""
    dx[:] = 0
    for region in range(rois.size // REGION):
        number, x1, y1, x2, y2 = region_numbers(rois, region)
        picture = picture_of(number, x1, y1, x2, y2, N)
        y_start, y_step = part_side(y1, y2, scale, cells)
        x_start, x_step = part_side(x1, x2, scale, cells)
        for r in range(cells if picture >= 0 else 0):
            top, bottom = part_cell(y_start, y_step, r, H)
            for c in range(cells):
                left, right = part_cell(x_start, x_step, c, W)
                for output in range(outputs):
                    channel = (output * cells + r) * cells + c
                    plane = (picture * outputs * cells * cells + channel) * H
                    at = region * outputs * cells * cells + channel
                    for h in range(top, bottom):
                        for w in range(left, right):
                            dx[(plane + h) * W + w] += dy[at] / np.float32((bottom - top) * (right - left))


def part_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    parameter, number = node.attributes, regions_of(node, bottoms)
    check_scale(node)
    outputs, cells = parameter.output_dim, parameter.group_size
    if outputs < 1 or cells < 1:
        raise node.error(f"output_dim {outputs} and group_size {cells}", "both from 1")
    if bottoms[0][1] != outputs * cells**2:
        expected = f"{outputs * cells**2}, output_dim * group_size * group_size"
        raise node.error(f"{bottoms[0][1]} channels with output_dim {outputs} and group_size {cells}", expected)
    return [(number, outputs, cells, cells)]


def part_sizes(node: Node, bottoms: list[Shape]) -> tuple:
    """The arguments that both kernels have behind their arrays."""
    parameter, (N, _, H, W) = node.attributes, bottoms[0]
    return N, parameter.output_dim, H, W, parameter.group_size, np.float32(parameter.spatial_scale)


def prepare_part(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    sizes = part_sizes(node, bottoms)

    def run(inputs, outputs):
        x, rois = (each.reshape(-1) for each in inputs)
        part_mean.run(x, rois, *sizes, outputs[0].reshape(-1))

    return run


def part_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
    sizes = part_sizes(node, bottoms)

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        rois, dy, dx = (each.reshape(-1) for each in (inputs[1], output_gradients[0], input_gradients[0]))
        part_gradient.run(rois, dy, *sizes, dx)

    return back


OPS = (
    Op(
        "PSROIPooling", part_shapes, prepare_part, bottoms=(2, 2), kernels=(part_mean,),
        gradient=Gradient(part_back, labels=(1,), kernels=(part_gradient,)),
    ),
)  # fmt: skip
