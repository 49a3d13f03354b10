"""BatchNorm and BN by the statistics of each batch, with the Scale and the ReLU behind them, of BLOCKED blobs.

    y = (x - mean[c]) * factor[c] + offset[c]        factor = gamma / sqrt(variance + eps), offset = beta

The sums of a part are of x less a vector that is the mean of its first pixels, so that no variance cancels however
large the mean is: these pixels are themselves some of the part. Parts are joined in float64, by

    sum of (x - mean)**2 = sum over parts of  those of the part's own mean + its number * (its mean - mean)**2

The mean is kept as two float32, whose second is in the offset: y has the rounding of float32 also where the mean
is many deviations large.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ....compiler.cpu import FLOAT_BYTES, LANES, VECTOR_BYTES
from ....compiler.fields import read_fields, read_row
from ....vectors.simd import broadcast, element, fma, load, maximum, store, store_element, zeros
from ...ir.graph import Node
from ...ops.bn import LEARN_EPS
from ..emitter import NO_LOWEST, ZEROS, Emitter
from ..groups import LayerGroup, normalises_each_batch
from ..steps import Strided, step_kernel
from ..storage import Storage, StorageKind, blocks
from .batch_norm_backward import NORMALISE_BACK_KERNELS, batch_norm_backward
from .filters import PACK_KERNELS, bias_offset, numbers_offset
from .lines import STRETCH_VECTORS, Lines, first_line, line_of, lines_of, per_lane, sum_bytes
from .lowered import BLOCKED, Context, Lowered, Lowering
from .normalisation import OF_BLOCK, OF_BLOCK_BYTES

BATCH_SUMS = 3  # vectors of a part: what is subtracted, the sum of the differences, that of their squares


class BatchSums(NamedTuple):
    x: Strided
    lines: Lines
    sums: int  # [parts, planes, BATCH_SUMS] vectors in the arena


@step_kernel(BatchSums)
def sum_batch(arena, weights, tables, at, item, thread):
    """A part of a block of channels: writes its sums."""
    f = read_fields(tables, at, BatchSums)
    block, part, size = item % f.lines.planes, item // f.lines.planes, f.lines.columns * VECTOR_BYTES
    first, last = first_line(f.lines, part), first_line(f.lines, part + 1)
    together = max(1, STRETCH_VECTORS // f.lines.columns)
    shift, total, squares = zeros(), zeros(), zeros()
    for line in range(first, min(last, first + together)):
        x = line_of(f.x, f.lines, block, line)
        for i in range(x, x + size, VECTOR_BYTES):
            shift = shift + load(arena, i)
    if first < last:
        shift = shift / broadcast(np.float32((min(last, first + together) - first) * f.lines.columns))
    for start in range(first, last, together):
        a, b, c, d = zeros(), zeros(), zeros(), zeros()
        for line in range(start, min(last, start + together)):
            x = line_of(f.x, f.lines, block, line)
            end = x + size
            for i in range(x, end - VECTOR_BYTES, 2 * VECTOR_BYTES):
                v, w = load(arena, i) - shift, load(arena, i + VECTOR_BYTES) - shift
                a, b, c, d = a + v, fma(v, v, b), c + w, fma(w, w, d)
            if f.lines.columns % 2:
                v = load(arena, end - VECTOR_BYTES) - shift
                a, b = a + v, fma(v, v, b)
        total, squares = total + (a + c), squares + (b + d)
    to = f.sums + item * BATCH_SUMS * VECTOR_BYTES
    store(arena, to, shift)
    store(arena, to + VECTOR_BYTES, total)
    store(arena, to + 2 * VECTOR_BYTES, squares)


class AverageOffsets(NamedTuple):
    """Offsets of moving averages from the start of the arena; `shares`, the sum of shares, only where there is one."""

    mean: int
    variance: int
    shares: int


class BatchStatistics(NamedTuple):
    lines: Lines
    sums: int
    normalisation: int  # offset of the vectors in the arena, OF_BLOCK_BYTES of each block
    channels: int
    gamma: int  # of constants [channels], filled up, as beta
    beta: int
    constants: (
        int  # eps; share of the old average, and of the new value; whether the variance that is added is unbiased
    )
    updates: int  # table: AverageOffsets
    averages: int  # their number, 0, 2 or 3


@step_kernel(BatchStatistics)
def find_statistics(arena, weights, tables, at, item, thread):
    """A block of channels: writes its normalisation, and adds to the moving averages."""
    f = read_fields(tables, at, BatchStatistics)
    to, number = f.normalisation + item * OF_BLOCK_BYTES, np.float64(f.lines.number * f.lines.columns)
    eps, kept = np.float64(element(weights, f.constants)), np.float64(element(weights, f.constants + FLOAT_BYTES))
    share = np.float64(element(weights, f.constants + 2 * FLOAT_BYTES))
    unbiased = element(weights, f.constants + 3 * FLOAT_BYTES) != 0 and number > 1
    averages = read_row(tables, f.updates, 0, AverageOffsets)
    for i in range(to, to + OF_BLOCK_BYTES, VECTOR_BYTES):
        store(arena, i, zeros())
    for lane in range(min(LANES, f.channels - item * LANES)):
        c, mean, squares = (item * LANES + lane) * FLOAT_BYTES, np.float64(0), np.float64(0)
        for part in range(f.lines.parts):
            sums = f.sums + (part * f.lines.planes + item) * BATCH_SUMS * VECTOR_BYTES + lane * FLOAT_BYTES
            size = (first_line(f.lines, part + 1) - first_line(f.lines, part)) * f.lines.columns
            mean += size * np.float64(element(arena, sums)) + np.float64(element(arena, sums + VECTOR_BYTES))
        mean /= number
        for part in range(f.lines.parts):
            sums = f.sums + (part * f.lines.planes + item) * BATCH_SUMS * VECTOR_BYTES + lane * FLOAT_BYTES
            size = (first_line(f.lines, part + 1) - first_line(f.lines, part)) * f.lines.columns
            apart, total = mean - np.float64(element(arena, sums)), np.float64(element(arena, sums + VECTOR_BYTES))
            squares += np.float64(element(arena, sums + 2 * VECTOR_BYTES)) + apart * (size * apart - 2 * total)
        variance = squares / number
        if variance < 0:  # by rounding; NaN stays
            variance = np.float64(0)
        inverse, rounded = 1 / np.sqrt(variance + eps), np.float32(mean)
        rest = mean - np.float64(rounded)
        factor = np.float64(element(weights, f.gamma + c)) * inverse
        lanes = to + lane * FLOAT_BYTES
        store_element(arena, lanes + OF_BLOCK.mean, rounded)
        store_element(arena, lanes + OF_BLOCK.factor, np.float32(factor))
        store_element(arena, lanes + OF_BLOCK.offset, np.float32(element(weights, f.beta + c) - rest * factor))
        store_element(arena, lanes + OF_BLOCK.inverse, np.float32(inverse))
        store_element(arena, lanes + OF_BLOCK.rest, np.float32(-rest * inverse))
        if f.averages > 0:
            if unbiased:
                variance *= number / (number - 1)
            old = averages.mean + c
            store_element(arena, old, np.float32(kept * np.float64(element(arena, old)) + share * mean))
            old = averages.variance + c
            store_element(arena, old, np.float32(kept * np.float64(element(arena, old)) + share * variance))
    if f.averages == 3 and item == 0:
        old = averages.shares
        store_element(arena, old, np.float32(kept * np.float64(element(arena, old)) + share))


class NormalisedLines(NamedTuple):
    x: Strided
    y: Strided
    lines: Lines
    normalisation: int
    lowest: int  # of a constant


@step_kernel(NormalisedLines)
def normalise(arena, weights, tables, at, item, thread):
    """A part of a block of channels: writes y from x; y may be x."""
    f = read_fields(tables, at, NormalisedLines)
    block, part, size = item % f.lines.planes, item // f.lines.planes, f.lines.columns * VECTOR_BYTES
    own, lowest = f.normalisation + block * OF_BLOCK_BYTES, broadcast(element(weights, f.lowest))
    mean, factor = load(arena, own + OF_BLOCK.mean), load(arena, own + OF_BLOCK.factor)
    offset = load(arena, own + OF_BLOCK.offset)
    for line in range(first_line(f.lines, part), first_line(f.lines, part + 1)):
        x, y = line_of(f.x, f.lines, block, line), line_of(f.y, f.lines, block, line)
        for p in range(0, size, VECTOR_BYTES):
            store(arena, y + p, maximum(lowest, fma(load(arena, x + p) - mean, factor, offset)))


def affine_of(group: LayerGroup) -> Node | None:
    """The layer whose first blobs are gamma and beta; without them they are 1 and 0."""
    return group.main if group.main.type == "BN" else group.scale


def lower_batch_norm(context: Context) -> Lowered | None:
    node, shape = context.group.main, context.bottoms[0]
    if not normalises_each_batch(node) or len(context.tops) > 1 or 0 in shape:
        return None
    affine = affine_of(context.group)
    own, statistics = sum_bytes(shape, BATCH_SUMS), blocks(shape[1]) * OF_BLOCK_BYTES

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        lines, (x, y) = lines_of(bottoms[0], tops[0])
        sums = emitter.scratch.offset
        normalisation = emitter.kept if emitter.kept >= 0 else sums + own
        emitter.step(sum_batch, lines.parts * lines.planes, x=x, lines=lines, sums=sums)
        _emit_statistics(emitter, node, affine, shape[1], lines=lines, sums=sums, normalisation=normalisation)
        emitter.step(
            normalise, lines.parts * lines.planes, x=x, y=y, lines=lines, normalisation=normalisation,
            lowest=ZEROS if context.group.activation else NO_LOWEST,
        )  # fmt: skip

    return Lowered(
        [BLOCKED], StorageKind.BLOCKED, emit, shared_scratch=own + statistics, kept=statistics, in_place=True,
        backward=batch_norm_backward(shape, affine, context.group.activation is not None),
    )  # fmt: skip


def _emit_statistics(emitter: Emitter, node: Node, affine: Node | None, channels: int, **fields) -> None:
    attributes, averages = node.attributes, averages_of(node)
    if node.type == "BatchNorm":
        constants = attributes.eps, attributes.moving_average_fraction, 1, 1
    else:
        eps = attributes.eps if averages else LEARN_EPS
        constants = eps, attributes.momentum, 1 - np.float32(attributes.momentum), 0
    gamma, beta = emitter.constant([1.0] * per_lane(channels)), emitter.constant([0.0] * per_lane(channels))
    if affine:
        gamma, beta = numbers_offset(emitter, affine, 0, channels), bias_offset(emitter, affine, channels)
    emitter.step(
        find_statistics, blocks(channels), channels=channels, gamma=gamma, beta=beta,
        constants=emitter.constant(constants), updates=emitter.updated(node, averages) if averages else 0,
        averages=len(averages), **fields,
    )  # fmt: skip


def averages_of(node: Node) -> Sequence[int]:
    """The blobs of moving averages: of the mean, of the variance, of the sum of their shares, if there is one."""
    if node.type == "BatchNorm":
        return 0, 1, 2
    return (2, 3) if node.attributes.bn_mode is None else ()


BATCH_NORM = Lowering(
    lower_batch_norm,
    kernels=(sum_batch, find_statistics, normalise, *PACK_KERNELS),
    backward_kernels=NORMALISE_BACK_KERNELS,
)
