"""Running the steps of a program: one compiled loop in each of some threads.

Threads take the items of a step from a counter, so a delayed one takes fewer; the result of an item does not depend on
the thread. Two threads start from both ends: in the next step each takes about the channels or pixels that
it has just written, which are still in its L2. After each step is a barrier (`barrier.py`), unless the next one does
not depend on it.
"""

from __future__ import annotations

from typing import NamedTuple

from ...compiler import signatures as types
from ...compiler.fields import field_count, read_row
from ...compiler.jit import I1, I1_IN, i64, kernel
from ...compiler.pointer_call import pointer_call
from ...team.atomics import atomic_add, cycles
from ...team.barrier import barrier
from ...vectors.views import bytes_at, words_at
from .steps import STEP

call_step = pointer_call(STEP)


class ProgramRow(NamedTuple):
    """A step in `program`."""

    address: int  # of the kernel's C entry point
    at: int  # the index of its fields in the tables
    items: int
    barrier: int  # 1: all threads wait for each other after it


class ProgramPart(NamedTuple):
    """Steps [first, last) of a program, the last one with a barrier. The others are addresses of its memory."""

    arena: int
    weights: int
    tables: int
    program: int  # rows as ProgramRow
    taken: int  # counters of the steps, zeros
    ticks: int
    first: int
    last: int


PART_NUMBERS = field_count(ProgramPart)


@kernel(types.void(I1_IN, I1, i64, i64))
def run_steps(parts, sync, thread, threads):
    """The `parts`, rows as ProgramPart, one behind the other; all threads call it with the same arguments but `thread`.

    Of each part, thread 0 writes ticks [steps + 1]: when each step began, in CPU cycles, and when the last one ended.
    """
    for n in range(parts.size // PART_NUMBERS):
        part = read_row(parts, 0, n, ProgramPart)
        arena, weights = bytes_at(part.arena), bytes_at(part.weights)
        tables, program = words_at(part.tables), words_at(part.program)
        taken, ticks = words_at(part.taken), words_at(part.ticks)
        for step in range(part.first, part.last):
            row = read_row(program, 0, step, ProgramRow)
            if thread == 0:
                ticks[step] = cycles()
            if threads == 1:
                for item in range(row.items):
                    call_step(row.address, (arena, weights, tables, row.at, item, thread))
            else:
                mine, number = 0, atomic_add(taken, step, 1)
                while number < row.items:
                    item = number
                    if threads == 2:  # one comes from each end
                        item = mine if thread == 0 else row.items - 1 - mine
                    call_step(row.address, (arena, weights, tables, row.at, item, thread))
                    mine, number = mine + 1, atomic_add(taken, step, 1)
                if row.barrier:
                    barrier(sync, threads)
        if thread == 0:
            ticks[part.last] = cycles()
            if threads > 1:
                for step in range(part.first, part.last):
                    taken[step] = 0  # all threads are behind the last barrier
