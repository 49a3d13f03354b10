"""ROIPooling: pooling of regions of pictures as R-CNN does. The largest value of each cell of a region, of every
channel. (R-FCN's is in `part_pooling.py`.)

A region is a row (picture, x1, y1, x2, y2) of the second bottom, [R, 5] or [R, 5, 1, 1]. The number of its picture is
cut off towards zero. One of a picture that is not there, such as the -1 of the rows that fill up a Proposal's top, or
with a number that is not finite, has no cells inside the picture: 0 everywhere.

As in Pooling, NaN is never the maximum: a cell without any number above -FLT_MAX gives -FLT_MAX.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...compiler import signatures as types
from ...compiler.cpu import LANES
from ...compiler.jit import F1, F1_IN, I1, exact_inline, f32, i64, kernel
from ...team.memory import aligned_zeros
from ...vectors.simd import broadcast, load, load_part, maximum, store
from ..ir.graph import Node, Shape
from ..ir.op import Back, Gradient, Layers, Op, Run
from .pooling import LOWEST_FLOAT32, place_of

REGION = 5  # numbers of a region
FARTHEST = np.float32(2**30)  # pixels: a bound of corners, which keeps sums of them whole numbers


@dataclass(frozen=True)
class ROIPooling:
    """`spatial_scale`: pixels of the first bottom per pixel of the picture."""

    pooled_h: int = 0
    pooled_w: int = 0
    spatial_scale: float = 1.0


# ----------------------------------------------------------------------------------------- the cells of a region
@exact_inline
def picture_of(number, x1, y1, x2, y2, pictures):
    """The picture of a region, -1 for none."""
    finite = (x1 - x1) + (y1 - y1) + (x2 - x2) + (y2 - y2) == 0
    return np.int64(number) if finite and number > -1 and number < pictures else np.int64(-1)


@exact_inline
def region_numbers(rois, region):
    """Its picture and corners."""
    i = REGION * region
    return rois[i], rois[i + 1], rois[i + 2], rois[i + 3], rois[i + 4]


@exact_inline
def rounded(value):
    """The nearest whole number, halves away from zero."""
    whole = np.trunc(value)
    if abs(value - whole) >= np.float32(0.5):
        whole += np.copysign(np.float32(1), value)
    return whole


@exact_inline
def whole_side(first, last, scale, cells):
    """The first pixel of a region along one axis, and the pixels of each of its `cells`, a float32."""
    start = min(max(rounded(first * scale), -FARTHEST), FARTHEST)
    stop = min(max(rounded(last * scale), -FARTHEST), FARTHEST)
    pixels = max(np.int64(stop) - np.int64(start) + 1, 1)
    return np.int64(start), np.float32(pixels) / np.float32(cells)


@exact_inline
def whole_cell(start, step, cell, size):
    """Pixels [first, last) of a cell of `whole_side`, inside 0 ... size."""
    first = np.int64(np.floor(np.float32(cell) * step)) + start
    last = np.int64(np.ceil(np.float32(cell + 1) * step)) + start
    return min(max(first, 0), size), min(max(last, 0), size)


@exact_inline
def whole_cells(rois, region, pictures, H, W, rows, columns, scale, down, across):
    """Write the cells of a region of ROIPooling: (first, last) of each row and column. Returns its picture; without one
    all cells are empty."""
    number, x1, y1, x2, y2 = region_numbers(rois, region)
    picture = picture_of(number, x1, y1, x2, y2, pictures)
    if picture < 0:
        down[:], across[:] = 0, 0
        return picture
    start, step = whole_side(y1, y2, scale, rows)
    for r in range(rows):
        down[2 * r], down[2 * r + 1] = whole_cell(start, step, r, H)
    start, step = whole_side(x1, x2, scale, columns)
    for c in range(columns):
        across[2 * c], across[2 * c + 1] = whole_cell(start, step, c, W)
    return picture


# ----------------------------------------------------------------------------------------------------- ROIPooling
SIZES = (i64, i64, i64, i64, i64, i64, f32)  # N, C, H, W, rows and columns of cells, scale


@kernel(types.void(F1_IN, F1_IN, *SIZES, I1, I1, F1, F1), fastmath=set())
def roi_maximum(x, rois, N, C, H, W, rows, columns, scale, down, across, line, y):
    """x [N*C*H*W], rois [R*5]; down [2*rows], across [2*columns] and line [W + LANES] are scratch. Writes
    y [R*C*rows*columns]."""
    to = 0
    for region in range(rois.size // REGION):
        picture = whole_cells(rois, region, N, H, W, rows, columns, scale, down, across)
        left, right = across[0], across[2 * columns - 1]
        for channel in range(C):
            plane = (picture * C + channel) * H
            for r in range(rows):
                for w in range(left, right, LANES):  # first down the columns of the picture, then across
                    highest = broadcast(LOWEST_FLOAT32)
                    for h in range(down[2 * r], down[2 * r + 1]):
                        i = (plane + h) * W + w
                        highest = maximum(load(x, i) if i + LANES <= x.size else load_part(x, i, W - w), highest)
                    store(line, w, highest)
                for c in range(columns):
                    first, last = across[2 * c], across[2 * c + 1]
                    empty = first >= last or down[2 * r] >= down[2 * r + 1]
                    value = np.float32(0) if empty else LOWEST_FLOAT32
                    if not empty:
                        for w in range(first, last):
                            value = line[w] if line[w] > value else value
                    y[to] = value
                    to += 1


@kernel(types.void(F1_IN, F1_IN, *SIZES, I1, I1, F1_IN, F1_IN, F1), fastmath=set())
def roi_gradient(x, rois, N, C, H, W, rows, columns, scale, down, across, y, dy, dx):
    """dx = 0, plus dy at the first maximum of each cell; a cell without a number above -FLT_MAX has none."""
    dx[:] = 0
    at = 0
    for region in range(rois.size // REGION):
        picture = whole_cells(rois, region, N, H, W, rows, columns, scale, down, across)
        for channel in range(C):
            plane = (picture * C + channel) * H
            for r in range(rows):
                top, bottom = down[2 * r], down[2 * r + 1]
                for c in range(columns):
                    left, right = across[2 * c], across[2 * c + 1]
                    if y[at] > LOWEST_FLOAT32:
                        i = place_of(x, y[at], (plane + top) * W, W, bottom - top, left, right)
                        if i >= 0:
                            dx[i] += dy[at]
                    at += 1


def regions_of(node: Node, bottoms: list[Shape]) -> int:
    """The number of regions. Raises node.error for bottoms of other shapes than [N, C, H, W] and [R, 5]."""
    x, rois = bottoms
    if len(x) != 4 or len(rois) not in (2, 4) or (*rois, 1, 1)[1:4] != (REGION, 1, 1):
        found = f"bottoms of shapes {list(x)} and {list(rois)}"
        raise node.error(found, "[N, C, H, W] and [regions, 5], of the picture and two corners")
    return rois[0]


def check_scale(node: Node) -> None:
    if not 0 < node.attributes.spatial_scale < np.inf:
        raise node.error(f"spatial_scale {node.attributes.spatial_scale:g}", "a positive number")


def roi_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    parameter, number = node.attributes, regions_of(node, bottoms)
    check_scale(node)
    if parameter.pooled_h < 1 or parameter.pooled_w < 1:
        raise node.error(f"pooled_h {parameter.pooled_h} and pooled_w {parameter.pooled_w}", "both from 1")
    return [(number, bottoms[0][1], parameter.pooled_h, parameter.pooled_w)]


def roi_sizes(node: Node, bottoms: list[Shape]) -> tuple:
    """The arguments that both kernels have behind x and rois, with scratch."""
    parameter = node.attributes
    down, across = (np.zeros(2 * number, np.int64) for number in (parameter.pooled_h, parameter.pooled_w))
    return *bottoms[0], parameter.pooled_h, parameter.pooled_w, np.float32(parameter.spatial_scale), down, across


def prepare_roi(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    sizes, line = roi_sizes(node, bottoms), aligned_zeros(bottoms[0][3] + LANES)

    def run(inputs, outputs):
        x, rois = (each.reshape(-1) for each in inputs)
        roi_maximum.run(x, rois, *sizes, line, outputs[0].reshape(-1))

    return run


def roi_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
    sizes = roi_sizes(node, bottoms)

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        x, rois = (each.reshape(-1) for each in inputs)
        y, dy, dx = (each[0].reshape(-1) for each in (outputs, output_gradients, input_gradients))
        roi_gradient.run(x, rois, *sizes, y, dy, dx)

    return back


OPS = (
    Op(
        "ROIPooling", roi_shapes, prepare_roi, bottoms=(2, 2), kernels=(roi_maximum,),
        gradient=Gradient(roi_back, labels=(1,), kernels=(roi_gradient,)),
    ),
)  # fmt: skip
