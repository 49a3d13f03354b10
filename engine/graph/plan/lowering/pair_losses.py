"""Losses that are sums of terms of pairs of values, PLANAR: EuclideanLoss and SigmoidCrossEntropyLoss.

EUCLIDEAN       (x - t)**2,  of which the gradient is that of half of it       CROSS_ENTROPY   as in `ops/losses.py`
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ....compiler.cpu import FLOAT_BYTES, LANES
from ....compiler.fields import read_fields
from ....compiler.jit import inline
from ....vectors.bits import where_bits
from ....vectors.elementary import decay, softplus_rest
from ....vectors.simd import (
    absolute,
    broadcast,
    element,
    fma,
    load,
    load_part,
    reduce_add,
    store,
    store_part,
    where_less,
    zeros,
)
from ...ir.op import count
from ...ops.losses import NORMALIZE_VALID, divisor
from ..emitter import Emitter
from ..steps import step_kernel
from ..storage import Storage, StorageKind
from .backward import Backward, BackwardBlobs
from .loss_sums import IN_FRONT, emit_loss, finish_loss, sums_of, weight_of, write_sums
from .lowered import PLANAR, Context, Lowered, Lowering

EUCLIDEAN, CROSS_ENTROPY = range(2)
ITEM_PAIRS = 8 << 10  # some microseconds
RUN_PAIRS = 32 * LANES  # whose terms are added up in vectors


class Pairs(NamedTuple):
    """Values x and t. Pairs with t between `low` and `high` do not count."""

    kind: int
    x: int  # offset
    t: int
    size: int
    low: int  # offset of a constant
    high: int
    sums: int  # offset of what is in front of the items' own


@inline
def euclidean_term(x, t):
    return (x - t) * (x - t)


@inline
def cross_entropy_term(x, t):
    """max(x, 0) - x*t + log(1 + exp(-|x|))."""
    above = where_less(zeros(), x, broadcast(np.float32(1)), zeros())
    return fma(x, above - t, softplus_rest(x))


@inline
def euclidean_slope(x, t):
    return x - t


@inline
def cross_entropy_slope(x, t):
    """sigmoid(x) - t, from s = sigmoid(-|x|), where 1 - t comes first: next to t = 1, s is what remains."""
    e, one = decay(-absolute(x)), broadcast(np.float32(1))
    s = e / (one + e)
    return where_less(zeros(), x, (one - t) - s, s - t)


@inline
def counted(t, low, high, term):
    """`term` where the pair counts, else 0."""
    return where_less(low, t, where_less(t, high, zeros(), term), term)


@inline
def add_terms(function, arena, weights, f, first, last):
    """The sum of the terms [first, last), and the number of those that count."""
    total, number, one = np.float64(0), np.float64(0), broadcast(np.float32(1))
    low, high = broadcast(element(weights, f.low)), broadcast(element(weights, f.high))
    for start in range(first, last, RUN_PAIRS):
        sums, numbers, end = zeros(), zeros(), min(last, start + RUN_PAIRS)
        whole = start + (end - start) // LANES * LANES
        for i in range(start * FLOAT_BYTES, whole * FLOAT_BYTES, LANES * FLOAT_BYTES):
            t = load(arena, f.t + i)
            sums = sums + counted(t, low, high, function(load(arena, f.x + i), t))
            numbers = numbers + counted(t, low, high, one)
        if whole < end:
            i, left = whole * FLOAT_BYTES, end - whole
            x, t, some = load_part(arena, f.x + i, left), load_part(arena, f.t + i, left), (1 << left) - 1
            sums = sums + where_bits(some, counted(t, low, high, function(x, t)), zeros())
            numbers = numbers + where_bits(some, counted(t, low, high, one), zeros())
        total, number = total + reduce_add(sums), number + reduce_add(numbers)
    return total, number


@step_kernel(Pairs)
def add_pair_terms(arena, weights, tables, at, item, thread):
    """The terms of an item: writes its ItemSums."""
    f = read_fields(tables, at, Pairs)
    first = item * ITEM_PAIRS
    last = min(f.size, first + ITEM_PAIRS)
    if f.kind == EUCLIDEAN:
        total, number = add_terms(euclidean_term, arena, weights, f, first, last)
    else:
        total, number = add_terms(cross_entropy_term, arena, weights, f, first, last)
    write_sums(arena, f.sums, item, total, number, 0, np.float32(0))


class PairsBack(NamedTuple):
    of: Pairs
    dx: int
    weight: int  # offset of the gradient of the loss
    factor: int  # of a constant: of a term's gradient


@inline
def write_slopes(function, arena, weights, f, dx, factor, first, last):
    low, high = broadcast(element(weights, f.low)), broadcast(element(weights, f.high))
    whole = first + (last - first) // LANES * LANES
    for i in range(first * FLOAT_BYTES, whole * FLOAT_BYTES, LANES * FLOAT_BYTES):
        t = load(arena, f.t + i)
        store(arena, dx + i, counted(t, low, high, function(load(arena, f.x + i), t) * factor))
    if whole < last:
        i, left = whole * FLOAT_BYTES, last - whole
        x, t = load_part(arena, f.x + i, left), load_part(arena, f.t + i, left)
        store_part(arena, dx + i, counted(t, low, high, function(x, t) * factor), left)


@step_kernel(PairsBack)
def pairs_back(arena, weights, tables, at, item, thread):
    """Writes dx of an item."""
    fields = read_fields(tables, at, PairsBack)
    f, first = fields.of, item * ITEM_PAIRS
    last = min(f.size, first + ITEM_PAIRS)
    factor = element(arena, fields.weight) * element(weights, fields.factor) / element(arena, f.sums + IN_FRONT.divisor)
    if f.kind == EUCLIDEAN:
        write_slopes(euclidean_slope, arena, weights, f, fields.dx, broadcast(factor), first, last)
    else:
        write_slopes(cross_entropy_slope, arena, weights, f, fields.dx, broadcast(factor), first, last)


def lower_euclidean(context: Context) -> Lowered | None:
    """Over twice the rows; the second bottom has the negative gradient of the first."""
    return _lowered(context, EUCLIDEAN, 2 * context.bottoms[0][0], (2, -2), (np.inf, -np.inf))


def lower_cross_entropy(context: Context) -> Lowered | None:
    parameter, shape = context.group.main.attributes, context.bottoms[0]
    mode = parameter.normalization
    fixed = 0 if mode == NORMALIZE_VALID else divisor(mode, shape[0], count(shape, 1), 0)
    return _lowered(context, CROSS_ENTROPY, fixed, (1,), values_cut_off_to(parameter.ignore_label))


def values_cut_off_to(number: int | None) -> tuple[float, float]:
    """The float32 between which all are that are `number` when cut off towards zero; of None none are."""
    if number is None:
        return np.inf, -np.inf
    whole, ends = np.float32(number), (np.float32(-np.inf), np.float32(np.inf))
    before, behind = (np.nextafter(whole, end) for end in ends)
    low = before if number > 0 else min(before, whole - np.float32(1))
    high = behind if number < 0 else max(behind, whole + np.float32(1))
    return float(low), float(high)


def _lowered(
    context: Context, kind: int, fixed: int, factors: tuple[int, ...], between: tuple[float, float]
) -> Lowered | None:
    """A loss whose terms' gradients are those of each bottom times its factor. `fixed`: the divisor, 0 for the number
    of pairs that count."""
    size = count(context.bottoms[0])
    if not size:
        return None
    items = -(-size // ITEM_PAIRS)
    sums = sums_of(context.group.main, items)

    def pairs(emitter: Emitter, x: Storage, t: Storage) -> Pairs:
        low, high = (emitter.constant([value]) for value in between)
        return Pairs(kind=kind, x=x.first, t=t.first, size=size, low=low, high=high, sums=emitter.outside(sums))

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        of = pairs(emitter, *bottoms)
        emitter.step(add_pair_terms, items, **of._asdict())
        emit_loss(emitter, sums, items, tops, fixed)

    def emit_back(emitter: Emitter, blobs: BackwardBlobs) -> None:
        for dx, factor in zip(blobs.bottom_gradients, factors, strict=False):
            if dx is not None:
                emitter.step(
                    pairs_back, items, of=pairs(emitter, *blobs.bottoms), dx=dx.first,
                    weight=weight_of(emitter, sums, blobs), factor=emitter.constant([factor]),
                )  # fmt: skip

    backward = Backward(emit_back, StorageKind.PLANAR, reads_bottoms=True)
    return Lowered([PLANAR, PLANAR], StorageKind.PLANAR, emit, backward=backward)


EUCLIDEAN_LOSS, CROSS_ENTROPY_LOSS = (
    Lowering(each, kernels=(add_pair_terms, finish_loss), any_rank=True, backward_kernels=(pairs_back,))
    for each in (lower_euclidean, lower_cross_entropy)
)
