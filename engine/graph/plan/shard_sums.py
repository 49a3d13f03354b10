"""The sum of the gradients of the shards of one process, one after another, by steps that all threads run.

The order is that of `parameters/shards.py`: after shard number k, counted from 0, as many sums are complete as k ends
with ones in binary. Sums that wait for others lie in a stack of vectors; the last one is left in the gradient itself.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...compiler.cpu import VECTOR_BYTES
from ...compiler.fields import read_fields
from ...parameters.shards import Shards
from ...team.memory import aligned_zeros
from ...team.threads import choose_threads
from ...vectors.simd import load, store, zeros
from .emitter import Emitter
from .program import Program
from .steps import Scratch, step_kernel

SUM_BYTES = 128 << 10  # of the gradient, of an item: some microseconds
# Of a number of the gradient, as much work as so many multiply-accumulates. Derived: it moves 12 bytes.
SUM_MACS = 2


class ShardSum(NamedTuple):
    g: int  # offset of the gradient
    to: int  # of the sum
    size: int  # bytes, whole vectors
    addends: int  # table: offsets of vectors, in the order in which they are added
    count: int  # of them; without any the gradient is copied


@step_kernel(ShardSum)
def add_shard(arena, weights, tables, at, item, thread):
    """Adds complete sums to a stretch of the gradient. A sum has no -0, whatever the order of others was."""
    f = read_fields(tables, at, ShardSum)
    for i in range(item * SUM_BYTES, min(f.size, (item + 1) * SUM_BYTES), VECTOR_BYTES):
        total = load(arena, f.g + i)
        if f.count:
            for n in range(f.count):
                total = load(arena, tables[f.addends + n] + i) + total
            total = total + zeros()
        store(arena, f.to + i, total)


class ShardSums:
    """Of a process's shards; `gradient` float32 [shards.padded] is that of each in turn. `threads` None: as many as pay
    off."""

    def __init__(self, shards: Shards, gradient: np.ndarray, threads: int | None = None):
        self._gradient, depth = gradient, shards.own.bit_length() - 1
        self._stack = aligned_zeros(depth * gradient.size).reshape(depth, gradient.size)
        threads = choose_threads(threads, SUM_MACS * gradient.size)
        arena = gradient.view(np.uint8)
        emitter = Emitter(threads, Scratch(offset=0, thread=0), arena)
        for number in range(shards.own):
            self._emit(emitter, number, last=number == shards.own - 1)
        self._program = Program(arena, emitter.constants()[0], emitter.tables(), emitter.rows(), threads)

    def _emit(self, emitter: Emitter, number: int, *, last: bool) -> None:
        top, sums = number.bit_count(), (~number & (number + 1)).bit_length() - 1
        places = [emitter.outside(vector) for vector in self._stack]
        g, size = emitter.outside(self._gradient), self._gradient.nbytes
        emitter.step(
            add_shard, -(-size // SUM_BYTES), g=g, to=g if last else places[top - sums], size=size,
            addends=emitter.table(np.array(places[top - sums : top][::-1], np.int64)), count=sums,
        )  # fmt: skip

    def take(self, number: int) -> None:
        """The gradient is that of shard `number` (from 0); after the last one it is the sum of all."""
        self._program.run(number, number + 1)
