"""The barrier of the threads that run one compiled loop together.

A thread that waits spins, then yields its CPU again and again: that costs nothing where no other thread wants the CPU.
Where one does, each yield lasts a time slice of some milliseconds, for which the whole team waits: an epoch of 7 ms
took 600 with one busy process per CPU. After such a yield, threads nap in the next waits instead: Linux lets a thread
that has slept run before those that have not, and the epoch takes 18 ms (EPYC Zen 5, 2 cores, 2026-11-29). A nap lasts
up to 0.1 ms too long, so where nothing else runs, yielding is faster.

`sync` is an int64 array of SYNC_SIZE zeros that all of them share. Each counter has cache lines of its own.
"""

from __future__ import annotations

import numpy as np

from ..compiler.cpu import IS_ARM
from ..compiler.jit import inline
from .atomics import atomic_add, atomic_load, atomic_store, cycles, nap, pause, yield_cpu

_STRIDE = 16  # int64 values between two counters: 128 bytes, two cache lines, which prefetchers fetch in pairs
ARRIVED = 0
GENERATION = 1 * _STRIDE
STOP_REQUEST = 2 * _STRIDE  # written by Python: a request to end after the current minibatch
STOP = 3 * _STRIDE  # written by thread 0 between two barriers, read by all after the second: 1, or one of the below
DONE = 4 * _STRIDE  # finished minibatches, read by Python for its reports
NAPS_LEFT = 5 * _STRIDE  # waits in which threads nap
SYNC_SIZE = 6 * _STRIDE
DIVERGED, AGREED, FAILED = 2, 3, 4  # a loss is not finite; all ranks stop; an exchange with other ranks failed
SPINS = 2000  # some ten microseconds: longer than a balanced barrier takes, shorter than a time slice
LONG_YIELD = 50_000 if IS_ARM else 1_000_000  # ticks of `cycles`: a part of a millisecond, on ARM up to 2 ms
NAPS = 100  # many enough to make up for a lost time slice, few enough for one that was lost by chance
STOP_CALLED, STRETCH_OVERDUE = 1, 2  # bits of STOP_REQUEST: `stop` was called; a stretch takes far longer than expected


def make_sync() -> np.ndarray:
    """A fresh set of counters, int64 [SYNC_SIZE]."""
    return np.zeros(SYNC_SIZE, np.int64)


@inline
def barrier(sync, threads):
    """Wait until all `threads` threads have called this; what each wrote before is visible to all after it."""
    if threads == 1:
        return
    generation = atomic_load(sync, GENERATION)
    if atomic_add(sync, ARRIVED, 1) == threads - 1:
        atomic_store(sync, ARRIVED, 0)
        atomic_add(sync, GENERATION, 1)
    else:
        spins, naps = 0, False
        while atomic_load(sync, GENERATION) == generation:
            if spins < SPINS:
                spins += 1
                pause()
            elif naps:
                nap()
            elif atomic_load(sync, NAPS_LEFT) > 0:
                naps = True
                atomic_add(sync, NAPS_LEFT, -1)
            else:
                begun = cycles()
                yield_cpu()
                if cycles() - begun > LONG_YIELD:
                    atomic_store(sync, NAPS_LEFT, NAPS)
