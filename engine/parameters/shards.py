"""Sums over the shards of a minibatch, in an order that does not depend on how many processes share them.

A minibatch is cut into S shards, and its gradient is *defined* as the balanced binary tree over theirs:

    S = 8, ranks 4:   ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7))
                        rank 0    rank 1          rank 2    rank 3

S is a power of two, so is the number of ranks R, and R divides S: what one rank sums is a node of the tree. Losses, in
float64, are summed likewise.

The vector of parameters is filled up to `padded` floats, a multiple of 16 for each shard, and cut into S equal parts.
A rank holds the momentum of its `share`, S / R of these parts, and updates these weights for all.

    for each of a rank's shards k:  the gradient into row place_of(k) of a stack, then merge_stack(k)
    Alltoall                        each rank gets R parts of its share
    add_parts                       their sum, by the upper levels of the tree
    the step                        of the own share
    Allgather                       of the weights
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from ...errors import UsageError
from ..compiler import signatures as types
from ..compiler.cpu import LANES
from ..compiler.jit import F2, i64, inline, kernel
from ..team.memory import CACHE_LINE_BYTES, aligned_zeros
from ..vectors.simd import load, store, zeros

Addend = TypeVar("Addend", float, np.ndarray)
LINE_FLOATS = CACHE_LINE_BYTES // 4  # and a multiple of every vector's lanes
SUMMED_FLOATS = 1024  # of each part at a time, so that the levels above the first find them in L1: 4 KiB each; derived


def is_power_of_two(number: int) -> bool:
    return number > 0 and number & (number - 1) == 0


@dataclass(frozen=True)
class Shards:
    """`count` shards, of which rank `rank` of `ranks` computes those from `first` to before `last`; the vector has
    `size` floats. See the module's docstring."""

    count: int
    ranks: int
    rank: int
    size: int

    @property
    def own(self) -> int:
        """How many shards a rank computes."""
        return self.count // self.ranks

    @property
    def first(self) -> int:
        return self.rank * self.own

    @property
    def last(self) -> int:
        return self.first + self.own

    @property
    def part(self) -> int:
        """Floats of each of the `count` parts."""
        return -(-self.size // (LINE_FLOATS * self.count)) * LINE_FLOATS

    @property
    def padded(self) -> int:
        return self.part * self.count

    @property
    def share(self) -> int:
        """Floats of a rank's share: from `begin` of the padded vector on."""
        return self.part * self.own

    @property
    def begin(self) -> int:
        return self.rank * self.share

    @property
    def end(self) -> int:
        """Where the share ends, or the vector that is not padded; not before `begin`."""
        return max(self.begin, min(self.begin + self.share, self.size))

    @property
    def levels(self) -> int:
        """Of the tree of a rank's own shards."""
        return self.own.bit_length()

    def stack(self) -> np.ndarray:
        """Memory for the sums of a rank's shards so far: float32 [levels, padded]; row 0 is their sum in the end."""
        return aligned_zeros(self.levels * self.padded).reshape(self.levels, self.padded)

    def rows(self, shard: int, minibatch: int) -> tuple[int, int]:
        """The first row of a shard in a minibatch of so many rows, and that of the next shard."""
        return minibatch * shard // self.count, minibatch * (shard + 1) // self.count


def check_shards(shards: int, ranks: int, minibatch: int) -> None:
    """Raises UsageError unless a minibatch of so many rows can be cut so, for so many ranks."""
    if not is_power_of_two(shards):
        raise UsageError(f"shards are {shards}, expected a power of two: 1, 2, 4, 8, ...")
    if not is_power_of_two(ranks):
        raise UsageError(f"there are {ranks} ranks, expected a power of two: 1, 2, 4, 8, ...")
    if ranks > shards:
        raise UsageError(f"{ranks} ranks have {shards} shards to share, expected {ranks} or a larger power of two")
    if minibatch < shards:
        raise UsageError(f"a minibatch of {minibatch} rows cannot be cut into {shards} shards (fewer, or a larger one)")


def tree_sum(values: Iterable[Addend]) -> Addend:
    """The sum of 1, 2, 4, 8, ... numbers, or arrays of one shape, by the balanced binary tree."""
    found = list(values)
    while len(found) > 1:
        found = [a + b for a, b in zip(found[::2], found[1::2], strict=True)]
    return found[0]


@inline
def trailing_ones(number):
    """How many sums shard `number` of a rank, counted from 0, completes."""
    found = 0
    while number & 1:
        found += 1
        number >>= 1
    return found


@inline
def place_of(number):
    """The vector of the stack for the gradient of a rank's shard `number`: as many lie below as the number has ones,
    each the sum of as many shards as that one is worth."""
    found = 0
    while number:
        found += number & 1
        number >>= 1
    return found


@inline
def merge_stack(stack, number, begin, end):
    """After shard `number`: the sums that it completes, of the elements [begin, end) of stack [levels, padded]; whole
    vectors. The last sum of a tree is the one that counts, and has no -0, whatever the order of others was."""
    padded, top, sums = stack.shape[1], place_of(number), trailing_ones(number)
    if sums:
        bottom = (top - sums) * padded
        for i in range(begin, end, LANES):
            total = load(stack, top * padded + i)
            for level in range(top - 1, top - sums - 1, -1):
                total = load(stack, level * padded + i) + total
            store(stack, bottom + i, total + zeros())


@inline
def add_ranks(parts, begin, end):
    """parts[0, begin:end] = the sum of all rows of parts [R, width], by the tree; overwrites others. Whole vectors."""
    ranks, width = parts.shape
    for block in range(begin, end, SUMMED_FLOATS):
        last, step = min(end, block + SUMMED_FLOATS), 1
        while step < ranks:
            for rank in range(0, ranks, 2 * step):
                a, b = rank * width, (rank + step) * width
                for i in range(block, last, LANES):
                    store(parts, a + i, load(parts, a + i) + load(parts, b + i) + zeros())
            step *= 2


@kernel(types.void(F2, i64, i64))
def add_parts(parts, begin, end):
    """As `add_ranks`; begin and end are multiples of LINE_FLOATS."""
    add_ranks(parts, begin, end)
