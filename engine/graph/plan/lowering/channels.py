"""What is done to each channel of a BLOCKED blob by itself: BatchNorm, Scale and Bias with weights, ReLU, PReLU.

v = factor[c] * x + offset[c];   y = max(v, 0) + slope[c] * min(v, 0)
"""

from __future__ import annotations

import numpy as np

from ....cpu import LANES
from ....jit import kernel
from ....simd import fma, load, maximum, minimum, store, zeros
from ...graph import Node
from ...layers.batch_norm import global_statistics, uses_global_statistics
from ...layers.scale import operand
from ..emitter import STEP, Emitter
from ..storage import Kind, Storage, blocks
from .lowered import BLOCKED, Context, Lowered

RELU = ("ReLU", "PReLU")


@kernel(STEP)
def scale_channels(arena, weights, tables, at, item, thread):
    """One block of channels of one picture. Arguments as `lower_channels` lists them."""
    x, x_plane, x_row, y, y_plane, y_row = (
        tables[at], tables[at + 1], tables[at + 2], tables[at + 3], tables[at + 4], tables[at + 5],
    )  # fmt: skip
    planes, rows, columns = tables[at + 6], tables[at + 7], tables[at + 8]
    factors, offsets, slopes = tables[at + 9], tables[at + 10], tables[at + 11]
    c = item % planes * LANES
    x, y = x + item * x_plane, y + item * y_plane
    if slopes >= 0:
        slope = load(weights, slopes + c)
        for r in range(rows):
            for p in range(0, columns * LANES, LANES):
                v = load(arena, x + r * x_row + p)
                store(arena, y + r * y_row + p, maximum(zeros(), v) + slope * minimum(zeros(), v))
    else:
        factor, offset = load(weights, factors + c), load(weights, offsets + c)
        for r in range(rows):
            for p in range(0, columns * LANES, LANES):
                store(arena, y + r * y_row + p, fma(load(arena, x + r * x_row + p), factor, offset))


def lower_channels(context: Context) -> Lowered | None:
    node, shape = context.group.main, context.bottoms[0]
    if not _is_per_channel(context):
        return None
    lines = blocks(shape[1]) * LANES

    def constant(emitter: Emitter, values) -> int:
        def write_to(constants):
            constants[: shape[1]] = values(node)

        return emitter.weights(node, lines, write_to)

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        x, y = bottoms[0], tops[0]
        if node.type in RELU:
            places = [-1, -1, constant(emitter, _slopes)]
        else:
            places = [
                constant(emitter, lambda node: _affine(node)[0]),
                constant(emitter, lambda node: _affine(node)[1]),
                -1,
            ]
        numbers = [x.first, x.plane, x.row, y.first, y.plane, y.row, y.planes, *y.four[2:], *places]
        emitter.step(scale_channels, numbers, y.four[0] * y.planes)

    return Lowered([BLOCKED], Kind.BLOCKED, emit, in_place=True)


def _is_per_channel(context: Context) -> bool:
    node, bottoms = context.group.main, context.bottoms
    if len(bottoms) != 1:
        return False
    if node.type == "BatchNorm":
        return uses_global_statistics(node)
    if node.type in ("Scale", "Bias"):
        axis, shape = operand(node, bottoms)
        return axis == 1 and shape == (bottoms[0][1],)
    return True


def _slopes(node: Node) -> np.ndarray | float:
    return node.weights[0].reshape(-1) if node.type == "PReLU" else node.message.relu_param.negative_slope


def _affine(node: Node) -> tuple[np.ndarray, np.ndarray | float]:
    """Factors and offsets, in float64 where they are computed."""
    if node.type == "BatchNorm":
        mean, variance = global_statistics(node)
        with np.errstate(divide="ignore", invalid="ignore"):  # a negative variance gives NaN, as in Caffe
            factors = 1 / np.sqrt(variance + node.message.batch_norm_param.eps)
            return factors, -mean * factors
    if node.type == "Bias":
        return np.ones(node.weights[0].size), node.weights[0].reshape(-1)
    return node.weights[0].reshape(-1), node.weights[1].reshape(-1) if len(node.weights) > 1 else 0.0
