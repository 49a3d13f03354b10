"""Losses of rows of values, PLANAR: HingeLoss, by each row's label, and ContrastiveLoss, of pairs of rows."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ....compiler.cpu import FLOAT_BYTES, LANES
from ....compiler.fields import read_fields
from ....compiler.jit import inline
from ....vectors.bits import where_bits
from ....vectors.simd import broadcast, element, fma, load_part, maximum, reduce_add, store_part, where_less, zeros
from ...ir.op import count
from ...ops.contrastive import DISTANCE_ADDEND, pair_sizes
from ..emitter import Emitter
from ..steps import step_kernel
from ..storage import Storage, StorageKind
from .backward import Backward, BackwardBlobs
from .loss_sums import (
    IN_FRONT,
    OTHER_CLASS,
    class_of,
    emit_check,
    emit_loss,
    finish_loss,
    sums_of,
    weight_of,
    write_sums,
)
from .lowered import PLANAR, Context, Lowered, Lowering

LOSS_ITEM_VALUES = 8 << 10  # some microseconds


class LabelledRows(NamedTuple):
    """Rows of scores, each with a label."""

    x: int  # offset
    labels: int
    rows: int
    classes: int
    together: int  # rows of an item
    ignores: int  # 0
    ignored: int
    squared: int  # 1: the squares of margins
    sums: int


@inline
def load_margins(arena, row, c, width, label):
    """max(0, 1 + d*x) of some scores of a row from c on, and d, which is -1 for the label's class and 1 for others."""
    one = broadcast(np.float32(1))
    signs = where_bits(1 << (label - c) if 0 <= label - c < LANES else 0, -one, one)
    return maximum(fma(signs, load_part(arena, row + c * FLOAT_BYTES, width), one), zeros()), signs


@step_kernel(LabelledRows)
def add_margins(arena, weights, tables, at, item, thread):
    """Some rows: writes their ItemSums."""
    f = read_fields(tables, at, LabelledRows)
    total, wrong, found, first = np.float64(0), 0, np.float32(0), item * f.together
    for r in range(first, min(f.rows, first + f.together)):
        label = element(arena, f.labels + r * FLOAT_BYTES)
        n, row, sums = class_of(f, label), f.x + r * f.classes * FLOAT_BYTES, zeros()
        if n == OTHER_CLASS and wrong == 0:
            wrong, found = r - first + 1, label
        for c in range(0, f.classes, LANES):
            width = min(LANES, f.classes - c)
            m, _ = load_margins(arena, row, c, width, n)
            m = where_bits((1 << width) - 1, m, zeros())
            sums = sums + (m * m if f.squared else m)
        total += reduce_add(sums)
    write_sums(arena, f.sums, item, total, 0, wrong, found)


class LabelledRowsBack(NamedTuple):
    of: LabelledRows
    dx: int
    weight: int  # offset of the gradient of the loss


@step_kernel(LabelledRowsBack)
def margins_back(arena, weights, tables, at, item, thread):
    """Some rows: writes dx, d * sign(m), or 2*d*m of squares, times weight / rows."""
    fields = read_fields(tables, at, LabelledRowsBack)
    f = fields.of
    scale = element(arena, fields.weight) / element(arena, f.sums + IN_FRONT.divisor)
    factor = broadcast(scale + scale if f.squared else scale)
    for r in range(item * f.together, min(f.rows, (item + 1) * f.together)):
        n, row = class_of(f, element(arena, f.labels + r * FLOAT_BYTES)), r * f.classes * FLOAT_BYTES
        for c in range(0, f.classes, LANES):
            width = min(LANES, f.classes - c)
            m, signs = load_margins(arena, f.x + row, c, width, n)
            slope = m if f.squared else where_less(zeros(), m, broadcast(np.float32(1)), zeros())
            store_part(arena, fields.dx + row + c * FLOAT_BYTES, signs * slope * factor, width)


def lower_hinge(context: Context) -> Lowered | None:
    node, shape = context.group.main, context.bottoms[0]
    rows, classes = shape[0], count(shape, 1)
    if not rows * classes or count(context.bottoms[1]) < rows:
        return None
    together = max(1, LOSS_ITEM_VALUES // classes)
    items = -(-rows // together)
    sums = sums_of(node, items)

    def labelled(emitter: Emitter, x: Storage, labels: Storage) -> LabelledRows:
        return LabelledRows(
            x=x.first, labels=labels.first, rows=rows, classes=classes, together=together, ignores=0, ignored=0,
            squared=node.attributes.norm == 2, sums=emitter.outside(sums),
        )  # fmt: skip

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        emitter.step(add_margins, items, **labelled(emitter, *bottoms)._asdict())
        emit_loss(emitter, sums, items, tops, rows)
        emit_check(emitter, node, sums, classes, lambda item: item * together)

    def emit_back(emitter: Emitter, blobs: BackwardBlobs) -> None:
        of, weight = labelled(emitter, *blobs.bottoms), weight_of(emitter, sums, blobs)
        emitter.step(margins_back, items, of=of, dx=blobs.bottom_gradients[0].first, weight=weight)

    backward = Backward(emit_back, StorageKind.PLANAR, reads_bottoms=True)
    return Lowered([PLANAR, PLANAR], StorageKind.PLANAR, emit, backward=backward)


class Distances(NamedTuple):
    """Rows a and b, similar or not: a whole number but 0."""

    a: int  # offset
    b: int
    similar: int
    rows: int
    size: int
    together: int  # rows of an item
    legacy: int  # 1: the margin is one of squared distances
    margin: int  # offset of a constant
    sums: int


@inline
def are_similar(arena, f, r):
    """Whether a row's number, cut off, is not 0: of NaN it is not."""
    return not abs(element(arena, f.similar + r * FLOAT_BYTES)) < np.float32(1)


@inline
def square_distance(arena, f, r):
    total, row = zeros(), r * f.size * FLOAT_BYTES
    for c in range(0, f.size, LANES):
        i, width = row + c * FLOAT_BYTES, min(LANES, f.size - c)
        d = load_part(arena, f.a + i, width) - load_part(arena, f.b + i, width)
        total = fma(d, d, total)
    return reduce_add(total)


@step_kernel(Distances)
def add_distances(arena, weights, tables, at, item, thread):
    """Some pairs of rows: writes their ItemSums."""
    f = read_fields(tables, at, Distances)
    total, margin = np.float64(0), element(weights, f.margin)
    for r in range(item * f.together, min(f.rows, (item + 1) * f.together)):
        square = square_distance(arena, f, r)
        if are_similar(arena, f, r):
            total += square
        else:
            beyond = margin - (square if f.legacy else math.sqrt(square))
            beyond = np.float32(0) if beyond < 0 else beyond
            total += beyond if f.legacy else beyond * beyond
    write_sums(arena, f.sums, item, total, 0, 0, np.float32(0))


class DistancesBack(NamedTuple):
    of: Distances
    dx: int
    weight: int  # offset of the gradient of the loss
    sign: int  # of a constant: 2 for a, -2 for b


@step_kernel(DistancesBack)
def distances_back(arena, weights, tables, at, item, thread):
    """Some rows: writes dx, as `contrastive_back` in `ops/contrastive.py`."""
    fields = read_fields(tables, at, DistancesBack)
    f, margin = fields.of, element(weights, fields.of.margin)
    scale = element(arena, fields.weight) * element(weights, fields.sign) / element(arena, f.sums + IN_FRONT.divisor)
    for r in range(item * f.together, min(f.rows, (item + 1) * f.together)):
        factor, row = np.float32(1), r * f.size * FLOAT_BYTES
        if not are_similar(arena, f, r):
            square = square_distance(arena, f, r)
            distance = square if f.legacy else math.sqrt(square)
            push = np.float32(-1) if f.legacy else -(margin - distance) / (distance + DISTANCE_ADDEND)
            factor = push if distance < margin else np.float32(0)
        times = broadcast(np.float32(factor * scale))
        for c in range(0, f.size, LANES):
            i, width = row + c * FLOAT_BYTES, min(LANES, f.size - c)
            d = load_part(arena, f.a + i, width) - load_part(arena, f.b + i, width)
            store_part(arena, fields.dx + i, d * times, width)


def lower_contrastive(context: Context) -> Lowered | None:
    node, (rows, size) = context.group.main, pair_sizes(context.bottoms)
    if not rows * size:
        return None
    together = max(1, LOSS_ITEM_VALUES // size)
    items = -(-rows // together)
    sums = sums_of(node, items)

    def pairs(emitter: Emitter, a: Storage, b: Storage, similar: Storage) -> Distances:
        return Distances(
            a=a.first, b=b.first, similar=similar.first, rows=rows, size=size, together=together,
            legacy=node.attributes.legacy_version, margin=emitter.constant([node.attributes.margin]),
            sums=emitter.outside(sums),
        )  # fmt: skip

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        emitter.step(add_distances, items, **pairs(emitter, *bottoms)._asdict())
        emit_loss(emitter, sums, items, tops, 2 * rows)

    def emit_back(emitter: Emitter, blobs: BackwardBlobs) -> None:
        for dx, sign in zip(blobs.bottom_gradients, (2, -2), strict=False):
            if dx is not None:
                emitter.step(
                    distances_back, items, of=pairs(emitter, *blobs.bottoms), dx=dx.first,
                    weight=weight_of(emitter, sums, blobs), sign=emitter.constant([sign]),
                )  # fmt: skip

    backward = Backward(emit_back, StorageKind.PLANAR, reads_bottoms=True)
    return Lowered([PLANAR] * 3, StorageKind.PLANAR, emit, backward=backward)


HINGE_LOSS = Lowering(lower_hinge, kernels=(add_margins, finish_loss), any_rank=True, backward_kernels=(margins_back,))
CONTRASTIVE_LOSS = Lowering(
    lower_contrastive, kernels=(add_distances, finish_loss), any_rank=True, backward_kernels=(distances_back,)
)
