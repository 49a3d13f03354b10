"""What is done to each channel of a BLOCKED blob by itself: BatchNorm, Scale and Bias with weights, ReLU, PReLU.

v = factor[c] * x + offset[c];   y = max(v, 0) + slope[c] * min(v, 0)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ....compiler.cpu import LANES, VECTOR_BYTES
from ....compiler.fields import read_fields
from ....vectors.simd import fma, load, maximum, minimum, store, zeros
from ...ir.graph import Node
from ...ops.batch_norm import global_statistics, uses_global_statistics
from ...ops.scale import operand
from ..emitter import Emitter
from ..steps import Strided, step_kernel
from ..storage import Kind, Storage, blocks
from .lowered import BLOCKED, Context, Lowered

RELU = ("ReLU", "PReLU")


class ScaledChannels(NamedTuple):
    x: Strided
    y: Strided
    planes: int  # of a picture
    rows: int
    columns: int
    factors: int  # these are offsets of constants [channels]: either the first two, or slopes; -1 for those not used
    offsets: int
    slopes: int


@step_kernel(ScaledChannels)
def scale_channels(arena, weights, tables, at, item, thread):
    """One block of channels of one picture: x [rows, columns, LANES] into y."""
    f = read_fields(tables, at, ScaledChannels)
    c = item % f.planes * VECTOR_BYTES
    x, y = f.x.offset + item * f.x.plane, f.y.offset + item * f.y.plane
    if f.slopes >= 0:
        slope = load(weights, f.slopes + c)
        for r in range(f.rows):
            for p in range(0, f.columns * VECTOR_BYTES, VECTOR_BYTES):  # y[r, p] from x[r, p]
                v = load(arena, x + r * f.x.row + p)
                store(arena, y + r * f.y.row + p, maximum(zeros(), v) + slope * minimum(zeros(), v))
    else:
        factor, offset = load(weights, f.factors + c), load(weights, f.offsets + c)
        for r in range(f.rows):
            for p in range(0, f.columns * VECTOR_BYTES, VECTOR_BYTES):
                store(arena, y + r * f.y.row + p, fma(load(arena, x + r * f.x.row + p), factor, offset))


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
        x, y, (rows, columns) = bottoms[0], tops[0], tops[0].four[2:]
        factors = offsets = slopes = -1
        if node.type in RELU:
            slopes = constant(emitter, _slopes)
        else:
            factors = constant(emitter, lambda node: _affine(node)[0])
            offsets = constant(emitter, lambda node: _affine(node)[1])
        emitter.step(
            scale_channels, y.four[0] * y.planes, x=x.strided, y=y.strided, planes=y.planes, rows=rows, columns=columns,
            factors=factors, offsets=offsets, slopes=slopes,
        )  # fmt: skip

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
    return node.weights[0].reshape(-1) if node.type == "PReLU" else node.attributes.negative_slope


def _affine(node: Node) -> tuple[np.ndarray, np.ndarray | float]:
    """Factors and offsets, in float64 where they are computed."""
    if node.type == "BatchNorm":
        mean, variance = global_statistics(node)
        with np.errstate(divide="ignore", invalid="ignore"):  # a negative variance gives NaN, as in Caffe
            factors = 1 / np.sqrt(variance + node.attributes.eps)
            return factors, -mean * factors
    if node.type == "Bias":
        return np.ones(node.weights[0].size), node.weights[0].reshape(-1)
    return node.weights[0].reshape(-1), node.weights[1].reshape(-1) if len(node.weights) > 1 else 0.0
