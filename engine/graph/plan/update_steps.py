"""Steps that update weights by their gradients: clipping, regularisation, Caffe's rules (`rules.py`).

They run over the vector of the weights; gradients, histories and numbers lie elsewhere in memory, at offsets from its
start. The numbers of an update are float64, `UpdateNumbers`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ...compiler.cpu import FLOAT_BYTES
from ...compiler.fields import field_count, read_fields, read_row
from ...parameters.rules import update_vectors
from ...parameters.squares import SQUARES, sum_squares
from ...vectors.simd import element
from ...vectors.views import double, store_double
from .steps import step_kernel

DOUBLE_BYTES = 8
CHUNK_BYTES = 32 << 10  # of the weights of an item


class UpdateNumbers(NamedTuple):
    """Of an iteration. `refused`: 0 if weights are to be updated; `rate` with Adam's correction; `limit` of the length
    of the gradients, negative for none; `length`: theirs, if there is a limit; `factor` by which they are shortened;
    `updates` so far; `before`: the sum of the losses of other passes; `any_loss`: 1 if one that is not finite counts
    like others."""

    refused: int
    rate: int
    limit: int
    length: int
    factor: int
    updates: int
    before: int
    any_loss: int


OF_UPDATE = UpdateNumbers(*(n * DOUBLE_BYTES for n in range(field_count(UpdateNumbers))))  # offsets


class Squares(NamedTuple):
    g: int
    part: int  # float32 of a part, whole cache lines
    items: int  # of a part
    numbers: int  # offset of UpdateNumbers
    sums: int  # float64, of each item


@step_kernel(Squares)
def add_squares(arena, weights, tables, at, item, thread):
    """The sum of SQUARES squares, or of as many as are left of a part, if there is a limit."""
    f = read_fields(tables, at, Squares)
    if double(arena, f.numbers + OF_UPDATE.limit) < 0:
        return
    part = item // f.items
    first = part * f.part + (item - part * f.items) * SQUARES
    count = min((part + 1) * f.part, first + SQUARES) - first
    total = sum_squares(arena, f.g + first * FLOAT_BYTES, count)
    store_double(arena, f.sums + item * DOUBLE_BYTES, total)


class Shortened(NamedTuple):
    numbers: int
    sums: int
    items: int


@step_kernel(Shortened)
def shorten(arena, weights, tables, at, item, thread):
    """The length of the gradients, and the factor that makes it the limit where it is larger."""
    f = read_fields(tables, at, Shortened)
    limit, total, factor = double(arena, f.numbers + OF_UPDATE.limit), np.float64(0), np.float32(1)
    if limit >= 0:
        for n in range(f.items):
            total += double(arena, f.sums + n * DOUBLE_BYTES)
        length = math.sqrt(total)
        if length > limit:  # not if it is NaN
            factor = np.float32(limit / length)
        store_double(arena, f.numbers + OF_UPDATE.length, length)
    store_double(arena, f.numbers + OF_UPDATE.factor, np.float64(factor))


class Chunk(NamedTuple):
    """`size` bytes of a slice from the byte `at` of the vector on; `own`: the offset of its decay and of what its rate
    is multiplied by."""

    at: int
    size: int
    own: int


class RuleNumbers(NamedTuple):
    """float32: 1 / passes, and those of `Rule`."""

    scale: int
    momentum: int
    other: int
    delta: int


OF_RULE = RuleNumbers(*(n * FLOAT_BYTES for n in range(field_count(RuleNumbers))))  # offsets


class Updated(NamedTuple):
    """Offsets of the vectors, from the start of the first one, the weights."""

    g: int
    h: int
    e: int
    numbers: int
    of_rule: int  # offset of RuleNumbers
    rule: int
    absolute: int
    chunks: int  # table: a Chunk per item


@step_kernel(Updated)
def update_weights(arena, weights, tables, at, item, thread):
    """The update of a chunk, unless it is refused."""
    f = read_fields(tables, at, Updated)
    c = read_row(tables, f.chunks, item, Chunk)
    if double(arena, f.numbers + OF_UPDATE.refused) != 0:
        return
    rate = np.float32(double(arena, f.numbers + OF_UPDATE.rate)) * element(arena, c.own + FLOAT_BYTES)
    factor = np.float32(double(arena, f.numbers + OF_UPDATE.factor))
    update_vectors(
        arena, c.at, f.g + c.at, f.h + c.at, f.e + c.at, c.size, f.rule, f.absolute,
        element(arena, f.of_rule + OF_RULE.scale), element(arena, c.own), rate,
        element(arena, f.of_rule + OF_RULE.momentum), element(arena, f.of_rule + OF_RULE.other),
        element(arena, f.of_rule + OF_RULE.delta), factor,
    )  # fmt: skip


class LossPart(NamedTuple):
    """`size` float32 of a loss, and the offset of the float32 by which they are weighted."""

    values: int
    size: int
    weight: int


class Decided(NamedTuple):
    numbers: int
    losses: int  # table: LossParts
    loss_count: int
    found: int  # table: offsets of float32 that are 0 where nothing wrong was found
    found_count: int


@step_kernel(Decided)
def decide(arena, weights, tables, at, item, thread):
    """The update is refused if something was found in the inputs, or the sum of the losses is not finite."""
    f = read_fields(tables, at, Decided)
    refused, total = np.float64(0), np.float32(double(arena, f.numbers + OF_UPDATE.before))
    for n in range(f.loss_count):
        part, own = read_row(tables, f.losses, n, LossPart), np.float32(0)
        for i in range(part.size):
            own += element(arena, part.values + i * FLOAT_BYTES)
        total += own * element(arena, part.weight)
    if not math.isfinite(total) and double(arena, f.numbers + OF_UPDATE.any_loss) == 0:
        refused = np.float64(1)
    for n in range(f.found_count):
        if element(arena, tables[f.found + n]) != 0:
            refused = np.float64(1)
    store_double(arena, f.numbers + OF_UPDATE.refused, refused)


class UpdateCount(NamedTuple):
    numbers: int


@step_kernel(UpdateCount)
def count_update(arena, weights, tables, at, item, thread):
    """One update more, unless it was refused."""
    f = read_fields(tables, at, UpdateCount)
    if double(arena, f.numbers + OF_UPDATE.refused) == 0:
        updates = f.numbers + OF_UPDATE.updates
        store_double(arena, updates, double(arena, updates) + 1)


UPDATE_KERNELS = (decide, add_squares, shorten, update_weights, count_update)
