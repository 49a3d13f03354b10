"""Running the steps of a program: one compiled loop in each of some threads.

Threads take the items of a step from a counter, so one that was held up takes fewer; what an item computes does not
depend on who takes it. Two threads come from both ends: of the next step each takes about the channels or pixels that
it has just written, which are still in its L2. After each step they meet (`sync.py`), unless the next one does not
need it.
"""

from __future__ import annotations

from ... import signatures as types
from ...jit import F1, F1_IN, I1, I1_IN, i64, kernel
from ...lowlevel import atomic_add, cycles, pointer_call
from ...sync import meet
from .emitter import STEP

call_step = pointer_call(STEP)
FIELDS = 4  # of a step in `program`: address, arguments, items, whether they meet behind it


@kernel(types.void(F1, F1_IN, I1_IN, I1_IN, I1, I1, I1, i64, i64, i64, i64))
def run_steps(arena, constants, tables, program, taken, ticks, sync, first, last, thread, threads):
    """Steps [first, last) of the program; thread 0 writes into ticks [steps + 1] when each began, in CPU cycles.

    taken [steps] are counters, zeros at the start. All threads get the same arguments but `thread`.
    """
    for step in range(first, last):
        address, at, items = program[step * FIELDS], program[step * FIELDS + 1], program[step * FIELDS + 2]
        if thread == 0:
            ticks[step] = cycles()
        if threads == 1:
            for item in range(items):
                call_step(address, (arena, constants, tables, at, item, thread))
        else:
            mine, turn = 0, atomic_add(taken, step, 1)
            while turn < items:
                item = turn
                if threads == 2:  # one comes from each end
                    item = mine if thread == 0 else items - 1 - mine
                call_step(address, (arena, constants, tables, at, item, thread))
                mine, turn = mine + 1, atomic_add(taken, step, 1)
            if program[step * FIELDS + 3]:
                meet(sync, threads)
    if thread == 0:
        ticks[last] = cycles()
