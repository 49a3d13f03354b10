"""Operations on each channel of a BLOCKED blob by itself: BatchNorm, BN, Scale and Bias.

y = factor[c] * x + offset[c]    with weights
y = factor[n, c] * x,  x + offset[n, c]    with a second bottom, one number per picture and channel
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ....compiler.cpu import FLOAT_BYTES, VECTOR_BYTES
from ....compiler.fields import read_fields
from ....vectors.simd import element, fma, load, store, store_element
from ...ir.graph import Node, Shape
from ...ops.batch_norm import disables, uses_global_statistics
from ...ops.bn import normalises_batch
from ...ops.scale import operand
from ..emitter import Emitter
from ..steps import NO_BLOB, PackingSource, StepKernel, Strided, step_kernel
from ..storage import Storage, StorageKind
from .backward import Backward, BackwardBlobs
from .channels_backward import CHANNELS_BACK_KERNELS, emit_operand_gradient, emit_weight_gradients, shared_bytes
from .filters import PACK_KERNELS, bias_offset, numbers_offset
from .lines import per_lane
from .lowered import BLOCKED, Context, Lowered, Lowering


class ScaledChannels(NamedTuple):
    x: Strided
    y: Strided
    planes: int  # of a picture
    rows: int
    columns: int
    factors: int  # of constants [channels], as the offsets
    offsets: int
    operand: Strided  # in the arena, [pictures, channels], or NO_BLOB
    adds: int  # 1: the operand is an offset, 0: a factor


@step_kernel(ScaledChannels)
def scale_channels(arena, weights, tables, at, item, thread):
    """One block of channels of one picture: writes y [rows, columns, LANES], BLOCKED, from x; y may be x."""
    f = read_fields(tables, at, ScaledChannels)
    c = item % f.planes * VECTOR_BYTES
    x, y = f.x.offset + item * f.x.plane, f.y.offset + item * f.y.plane
    factor, offset = load(weights, f.factors + c), load(weights, f.offsets + c)
    if f.operand.offset >= 0:
        operand = load(arena, f.operand.offset + item * f.operand.plane)
        if f.adds:
            offset = operand
        else:
            factor = operand
    for r in range(f.rows):
        for p in range(0, f.columns * VECTOR_BYTES, VECTOR_BYTES):  # y[r, p] from x[r, p]
            store(arena, y + r * f.y.row + p, fma(load(arena, x + r * f.x.row + p), factor, offset))


class PackedStatistics(NamedTuple):
    source: PackingSource
    to: int  # the factors
    offsets: int  # behind them
    channels: int
    eps: int  # of a constant


@step_kernel(PackedStatistics)
def pack_statistics(arena, weights, tables, at, item, thread):
    """Writes the constants of a BatchNorm, float32 factors [channels] and offsets [channels], from its blobs mean
    [channels], variance [channels] and factor [1], in float64. A negative variance gives NaN, as in Caffe."""
    f = read_fields(tables, at, PackedStatistics)
    factor, share = np.float64(element(weights, f.source.third)), np.float64(0)
    if factor != 0:
        share = 1 / factor
    eps = np.float64(element(arena, f.eps))
    for c in range(0, f.channels * FLOAT_BYTES, FLOAT_BYTES):
        mean, variance = np.float64(element(weights, f.source.first + c)), element(weights, f.source.second + c)
        scale = 1 / np.sqrt(variance * share + eps)
        store_element(arena, f.to + c, np.float32(scale))
        store_element(arena, f.to + f.offsets + c, np.float32(-(mean * share) * scale))


@step_kernel(PackedStatistics)
def pack_scaled_statistics(arena, weights, tables, at, item, thread):
    """The same of PSPNet's BN, from its blobs slope, bias, mean and variance, [channels] each."""
    f = read_fields(tables, at, PackedStatistics)
    eps = np.float64(element(arena, f.eps))
    for c in range(0, f.channels * FLOAT_BYTES, FLOAT_BYTES):
        slope, bias = np.float64(element(weights, f.source.first + c)), element(weights, f.source.second + c)
        mean, variance = np.float64(element(weights, f.source.third + c)), element(weights, f.source.fourth + c)
        scale = slope / np.sqrt(variance + eps)
        store_element(arena, f.to + c, np.float32(scale))
        store_element(arena, f.to + f.offsets + c, np.float32(bias - mean * scale))


def lower_channels(context: Context) -> Lowered | None:
    node, channels = context.group.main, context.bottoms[0][1]
    if not _is_per_channel(context):
        return None

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        factors, offsets = _affine(emitter, node, channels)
        operand = bottoms[1] if len(bottoms) > 1 else None
        _emit_scaling(emitter, bottoms[0], tops[0], operand, factors=factors, offsets=offsets, adds=_adds(node))

    wants = [BLOCKED] * len(context.bottoms)
    return Lowered(wants, StorageKind.BLOCKED, emit, in_place=True, backward=_backward(node, context.bottoms))


def _emit_scaling(emitter: Emitter, x: Storage, y: Storage, operand: Storage | None, **constants) -> None:
    rows, columns = y.four[2:]
    emitter.step(
        scale_channels, y.four[0] * y.planes, x=x.strided, y=y.strided, planes=y.planes, rows=rows, columns=columns,
        operand=operand.strided if operand else NO_BLOB, **constants,
    )  # fmt: skip


def _adds(node: Node) -> bool:
    return node.type == "Bias"


def _backward(node: Node, bottoms: list[Shape]) -> Backward | None:
    """None for a BN that learns with stored statistics."""
    if node.type == "BN" and node.attributes.bn_mode is None and not node.attributes.frozen:
        return None
    learns = node.type in ("Scale", "Bias") or (node.type == "BN" and node.attributes.bn_mode is not None)
    multiplies, channels = learns and not _adds(node), bottoms[0][1]

    def emit(emitter: Emitter, blobs: BackwardBlobs) -> None:
        dy, (dx, *others) = blobs.top_gradients[0], blobs.bottom_gradients
        x = blobs.bottoms[0] if multiplies else None
        operand = blobs.bottoms[1] if len(bottoms) > 1 else None
        given = blobs.weights.get(node, [])
        if learns and given:
            gradients = [*given[:2], None][:2] if multiplies else [None, given[0]]
            emit_weight_gradients(emitter, x, dy, blobs.shared, *gradients)
        if any(others):
            emit_operand_gradient(emitter, x, dy, others[0])
        if dx:
            factors, _ = _affine(emitter, node, channels)
            zeros = emitter.constant([0.0] * per_lane(channels))
            factor = None if _adds(node) else operand
            _emit_scaling(emitter, dy, dx, factor, factors=factors, offsets=zeros, adds=False)

    return Backward(emit, reads_bottoms=multiplies, in_place=True, shared=shared_bytes(bottoms[0]) if learns else 0)


CHANNELS = Lowering(
    lower_channels,
    kernels=(scale_channels, *PACK_KERNELS, pack_statistics, pack_scaled_statistics),
    backward_kernels=CHANNELS_BACK_KERNELS,
)


def _affine(emitter: Emitter, node: Node, channels: int) -> tuple[int, int]:
    """The offsets of factors and offsets, in whole vectors."""
    packing = _packing(node)
    if packing:
        lines = per_lane(channels)
        offsets, eps = lines * FLOAT_BYTES, emitter.constant([node.attributes.eps])
        kernel, blobs = packing
        factors = emitter.packed(kernel, 1, node, blobs, 2 * lines, offsets=offsets, channels=channels, eps=eps)
        return factors, factors + offsets
    number = per_lane(channels)
    if len(node.bottoms) == 2:  # what is not the second bottom
        return emitter.constant([1.0] * number), emitter.constant([0.0] * number)
    if node.type == "Bias":
        return emitter.constant([1.0] * number), numbers_offset(emitter, node, 0, channels)
    return numbers_offset(emitter, node, 0, channels), bias_offset(emitter, node, channels)


def _packing(node: Node) -> tuple[StepKernel, tuple[int, ...]] | None:
    """What packs the statistics of a layer that has some, and from which blobs."""
    if node.type == "BatchNorm":
        return pack_statistics, (0, 1, 2)
    if node.type == "BN" and node.attributes.bn_mode is None:
        return pack_scaled_statistics, (0, 1, 2, 3)
    return None


def _is_per_channel(context: Context) -> bool:
    node, bottoms = context.group.main, context.bottoms
    if node.type == "BatchNorm":
        return uses_global_statistics(node) and not disables(node)
    if node.type == "BN":
        return not normalises_batch(node)
    axis, shape = operand(node, bottoms)
    if len(bottoms) == 2:
        return axis == 0 and len(bottoms[0]) > 2 and shape == bottoms[0][:2] and not node.weights
    return axis == 1 and shape == (bottoms[0][1],)
