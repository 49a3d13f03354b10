"""SoftmaxWithLoss of PLANAR scores: the loss, and its gradient, for which the scores are normalised again.

Backward steps read the divisor of the run forward. After a run labels are checked.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ....compiler.cpu import FLOAT_BYTES, LANES, VECTOR_BYTES
from ....compiler.fields import read_fields
from ....compiler.jit import inline
from ....vectors.simd import broadcast, element, load, load_part, store, store_part
from ....vectors.views import view1
from ...ops.losses import NORMALIZE_VALID, SMALLEST_NORMAL, divisor
from ...ops.softmax import axis_sizes, softmax_columns, softmax_row
from ..emitter import Emitter
from ..steps import Scratch, step_kernel
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

ITEM_SCORES = 16 << 10  # scores: some 10 microseconds


class Labelled(NamedTuple):
    """Scores [outer, classes, inner] and labels [outer, inner]. An item is a part of the columns of one of the `outer`,
    or, if `inner` is 1, some rows."""

    x: int  # offset of the scores
    labels: int
    outer: int
    classes: int
    inner: int
    together: int  # rows of an item, or columns side by side
    parts: int  # items of one of the outer
    ignores: int  # 1: labels `ignored` do not count
    ignored: int
    sums: int  # offset of what is in front of the items' own, SUM_FLOATS each


@inline
def add_term(total, p):
    """`total` less the logarithm of a probability."""
    return total - math.log(np.float64(SMALLEST_NORMAL if p < SMALLEST_NORMAL else p))


class LossTerms(NamedTuple):
    of: Labelled
    scratch: Scratch  # a row of scores, or of columns side by side all


@step_kernel(LossTerms)
def add_loss_terms(arena, weights, tables, at, item, thread):
    """The terms of an item: writes its ItemSums."""
    fields = read_fields(tables, at, LossTerms)
    f, own = fields.of, fields.scratch.offset + thread * fields.scratch.thread
    total, number, wrong, found = np.float64(0), 0, 0, np.float32(0)
    outer, start = item // f.parts, item % f.parts * f.together
    if f.inner == 1:
        first, last = item * f.together, min(f.outer, (item + 1) * f.together)
        probabilities = view1(arena, own, f.classes)
        for row in range(first, last):
            label = element(arena, f.labels + row * FLOAT_BYTES)
            n = class_of(f, label)
            if n >= 0:
                x = view1(arena, f.x + row * f.classes * FLOAT_BYTES, f.classes)
                softmax_row(x, probabilities, 0, 0, f.classes)
                total, number = add_term(total, probabilities[n]), number + 1
            elif n == OTHER_CLASS and wrong == 0:
                wrong, found = row - first + 1, label
    else:
        for column in range(start, min(f.inner, start + f.together), LANES):
            width, step = min(LANES, f.inner - column), f.inner * FLOAT_BYTES
            x = f.x + (outer * f.classes * f.inner + column) * FLOAT_BYTES
            for c in range(f.classes):  # side by side
                store(arena, own + c * VECTOR_BYTES, load_part(arena, x + c * step, width))
            columns = view1(arena, own, f.classes * LANES)
            softmax_columns(columns, columns, 0, f.classes, LANES, LANES)
            for lane in range(width):
                label = element(arena, f.labels + (outer * f.inner + column + lane) * FLOAT_BYTES)
                n = class_of(f, label)
                if n >= 0:
                    total, number = add_term(total, columns[n * LANES + lane]), number + 1
                elif n == OTHER_CLASS and wrong == 0:
                    wrong, found = column + lane - start + 1, label
    write_sums(arena, f.sums, item, total, number, wrong, found)


class LossBack(NamedTuple):
    of: Labelled
    dx: int
    weight: int  # offset of the gradient of the loss


@step_kernel(LossBack)
def loss_back(arena, weights, tables, at, item, thread):
    """Writes dx of an item: (p - 1 of the label's class) * weight / divisor, 0 where the label does not count."""
    fields = read_fields(tables, at, LossBack)
    f, size = fields.of, fields.of.outer * fields.of.classes * fields.of.inner
    factor = element(arena, fields.weight) / element(arena, f.sums + IN_FRONT.divisor)
    outer, start = item // f.parts, item % f.parts * f.together
    if f.inner == 1:
        for row in range(item * f.together, min(f.outer, (item + 1) * f.together)):
            n, at_row = class_of(f, element(arena, f.labels + row * FLOAT_BYTES)), row * f.classes * FLOAT_BYTES
            dx = view1(arena, fields.dx + at_row, f.classes)
            if n >= 0:
                softmax_row(view1(arena, f.x + at_row, f.classes), dx, 0, 0, f.classes)
                dx[n] -= np.float32(1)
                multiply(dx, factor)
            else:
                for c in range(f.classes):
                    dx[c] = 0
        return
    x, dx = view1(arena, f.x, size), view1(arena, fields.dx, size)
    for column in range(start, min(f.inner, start + f.together), LANES):
        width, first = min(LANES, f.inner - column), outer * f.classes * f.inner + column
        softmax_columns(x, dx, first, f.classes, f.inner, width)
        for lane in range(width):
            n = class_of(f, element(arena, f.labels + (outer * f.inner + column + lane) * FLOAT_BYTES))
            if n >= 0:
                dx[first + n * f.inner + lane] -= np.float32(1)
            else:
                for c in range(f.classes):
                    dx[first + c * f.inner + lane] = 0
        for i in range(first, first + f.classes * f.inner, max(1, f.inner)):
            store_part(dx, i, load_part(dx, i, width) * broadcast(factor), width)


@inline
def multiply(x, factor):
    """x *= factor."""
    whole = x.size // LANES * LANES
    for i in range(0, whole, LANES):
        store(x, i, load(x, i) * broadcast(factor))
    for i in range(whole, x.size):
        x[i] *= factor


def lower_softmax_loss(context: Context) -> Lowered | None:
    node = context.group.main
    outer, classes, inner = axis_sizes(node, context.bottoms[0])
    if not outer * classes * inner:
        return None
    ignored, mode = node.attributes.ignore_label, node.attributes.normalization
    together = max(1, ITEM_SCORES // classes)
    together = min(together, outer) if inner == 1 else min(-(-together // LANES) * LANES, inner)
    parts = 1 if inner == 1 else -(-inner // together)
    items = -(-outer // together) if inner == 1 else outer * parts
    sums = sums_of(node, items)

    def labelled(emitter: Emitter, x: Storage, labels: Storage) -> Labelled:
        return Labelled(
            x=x.first, labels=labels.first, outer=outer, classes=classes, inner=inner, together=together, parts=parts,
            ignores=ignored is not None, ignored=ignored or 0, sums=emitter.outside(sums),
        )  # fmt: skip

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        emitter.step(add_loss_terms, items, of=labelled(emitter, *bottoms), scratch=emitter.scratch)
        emit_loss(emitter, sums, items, tops, 0 if mode == NORMALIZE_VALID else divisor(mode, outer, inner, 0))
        emit_check(emitter, node, sums, classes, first_label)

    def first_label(item: int) -> int:
        return item * together if inner == 1 else item // parts * inner + item % parts * together

    def emit_back(emitter: Emitter, blobs: BackwardBlobs) -> None:
        of, dx = labelled(emitter, *blobs.bottoms), blobs.bottom_gradients[0]
        emitter.step(loss_back, items, of=of, dx=dx.first, weight=weight_of(emitter, sums, blobs))

    scratch = (classes if inner == 1 else classes * LANES) * FLOAT_BYTES
    backward = Backward(emit_back, StorageKind.PLANAR, reads_bottoms=True)
    return Lowered([PLANAR, PLANAR], StorageKind.PLANAR, emit, scratch=scratch, backward=backward)


SOFTMAX_LOSS = Lowering(
    lower_softmax_loss, kernels=(add_loss_terms, finish_loss), any_rank=True, backward_kernels=(loss_back,)
)
