"""Sums of losses: each item adds up its terms, and the last step adds the sums in their order.

These sums, the divisor and the first label that is not a class are in memory outside the arena: backward steps read the
divisor, and after a run labels are checked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ....compiler.cpu import FLOAT_BYTES
from ....compiler.fields import read_fields
from ....compiler.jit import inline
from ....team.memory import aligned_zeros
from ....vectors.simd import element, store_element
from ...analysis.need_backward import loss_weights
from ...ir.graph import Node
from ...ops.checks import wrong_number
from ..emitter import Emitter
from ..steps import step_kernel
from ..storage import Storage
from .backward import BackwardBlobs

WHOLE_LIMIT = np.float32(2**62)  # labels beyond are none
UNCOUNTED, OTHER_CLASS = -1, -2  # in place of a class


class TermSums(NamedTuple):
    """float32 in front of the items' own: the divisor of the last run, the weight of a loss without a top, and, not 0
    then, whether a label was none."""

    divisor: int
    weight: int
    is_wrong: int


class ItemSums(NamedTuple):
    """float32 of an item: the sum of its terms, the number of labels that count, and, from 1 on, the position in the
    item of the first label that is none, and what it is."""

    total: int
    count: int
    wrong: int
    found: int


IN_FRONT, OF_ITEM = (kind(*(n * FLOAT_BYTES for n in range(len(kind._fields)))) for kind in (TermSums, ItemSums))
FRONT_BYTES, ITEM_BYTES = len(IN_FRONT) * FLOAT_BYTES, len(OF_ITEM) * FLOAT_BYTES


@inline
def write_sums(arena, sums, item, total, number, wrong, found):
    """The ItemSums of an item."""
    to = sums + FRONT_BYTES + item * ITEM_BYTES
    store_element(arena, to + OF_ITEM.total, np.float32(total))
    store_element(arena, to + OF_ITEM.count, np.float32(number))
    store_element(arena, to + OF_ITEM.wrong, np.float32(wrong))
    store_element(arena, to + OF_ITEM.found, found)


@inline
def class_of(f, label):
    """The class that a label stands for, cut off towards zero, UNCOUNTED or OTHER_CLASS, by the fields `classes`,
    `ignores` and `ignored`."""
    if not abs(label) < WHOLE_LIMIT:
        return OTHER_CLASS
    number = int(label)
    if f.ignores and number == f.ignored:
        return UNCOUNTED
    return number if 0 <= number < f.classes else OTHER_CLASS


class FinishedLoss(NamedTuple):
    sums: int
    items: int
    top: int  # offset of the loss, -1 without one
    divisor: int  # 0: the number of labels that count


@step_kernel(FinishedLoss)
def finish_loss(arena, weights, tables, at, item, thread):
    """Writes the divisor, the loss, and whether a label was none, from the sums of all items."""
    f = read_fields(tables, at, FinishedLoss)
    total, number, wrong = np.float64(0), np.float64(0), np.float32(0)
    for n in range(f.items):
        own = f.sums + FRONT_BYTES + n * ITEM_BYTES
        total += np.float64(element(arena, own + OF_ITEM.total))
        number += np.float64(element(arena, own + OF_ITEM.count))
        wrong += element(arena, own + OF_ITEM.wrong)
    by = np.float64(f.divisor) if f.divisor > 0 else max(number, np.float64(1))
    store_element(arena, f.sums + IN_FRONT.divisor, np.float32(by))
    store_element(arena, f.sums + IN_FRONT.is_wrong, wrong)
    if f.top >= 0:
        store_element(arena, f.top, np.float32(total / by))


def sums_of(node: Node, items: int) -> np.ndarray:
    """Memory of a loss layer for the sums of so many items, with its weight."""
    sums = aligned_zeros((FRONT_BYTES + items * ITEM_BYTES) // FLOAT_BYTES)
    sums[IN_FRONT.weight // FLOAT_BYTES] = loss_weights(node)[0]
    return sums


def emit_loss(emitter: Emitter, sums: np.ndarray, items: int, tops: list[Storage], divisor: int) -> None:
    """Emit the loss from the sums; `divisor` 0: of the labels that count."""
    top = tops[0].first if tops else -1
    emitter.step(finish_loss, 1, sums=emitter.outside(sums), items=items, top=top, divisor=divisor)


def weight_of(emitter: Emitter, sums: np.ndarray, blobs: BackwardBlobs) -> int:
    """The offset of the gradient of the loss."""
    return blobs.top_gradients[0].first if blobs.top_gradients else emitter.outside(sums) + IN_FRONT.weight


def emit_check(emitter: Emitter, node: Node, sums: np.ndarray, classes: int, first: Callable[[int], int]) -> None:
    """Let a run be followed by `check_labels`."""
    found = emitter.outside(sums) + IN_FRONT.is_wrong
    emitter.check(lambda: check_labels(node, sums, classes, first), found)


def check_labels(node: Node, sums: np.ndarray, classes: int, first: Callable[[int], int]) -> None:
    """Raises node.error for the first label of the last run that was not a class; `first(item)` is the position of an
    item's first label."""
    of_items = sums[FRONT_BYTES // FLOAT_BYTES :].reshape(-1, len(OF_ITEM))
    wrong = of_items[:, OF_ITEM.wrong // FLOAT_BYTES]
    if wrong.any():
        item = int((wrong > 0).argmax())
        value = of_items[item, OF_ITEM.found // FLOAT_BYTES]
        raise wrong_number(node, 1, value, first(item) + int(wrong[item]) - 1, classes)
