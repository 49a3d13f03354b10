"""The barrier of the threads that run one compiled loop together.

`sync` is an int64 array of SYNC_SIZE zeros that all of them share. Each counter has cache lines of its own.
"""

from __future__ import annotations

import numpy as np

from ..compiler.jit import inline
from .atomics import atomic_add, atomic_load, atomic_store, relax

_STRIDE = 16  # int64 values between two counters: 128 bytes, two cache lines, which prefetchers fetch in pairs
ARRIVED = 0
GENERATION = 1 * _STRIDE
STOP_REQUEST = 2 * _STRIDE  # written by Python: a request to end after the current minibatch
STOP = 3 * _STRIDE  # written by thread 0 between two barriers, read by all after the second: 1, or one of the below
DONE = 4 * _STRIDE  # finished minibatches, read by Python for its reports
SYNC_SIZE = 5 * _STRIDE
DIVERGED, AGREED, FAILED = 2, 3, 4  # a loss is not finite; all ranks stop; an exchange with other ranks failed
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
        spins = 0
        while atomic_load(sync, GENERATION) == generation:
            spins += 1
            relax(spins)
