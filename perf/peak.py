"""The machine's measured peaks: multiply-adds from registers, and reads from each level of memory.

    Fma(threads)             12 independent chains of FMAs, enough to hide their latency on two units
    Read(size, threads)      repeated sums over a buffer of `size` bytes per thread

Both run in the same rounds as the work that they are the yardstick of.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from numba import types

from ..engine.compiler.cpu import LANES
from ..engine.compiler.jit import F1, F1_IN, i64, kernel
from ..engine.products.peak import FMA_CHAINS, spin
from ..engine.team.memory import aligned_zeros
from ..engine.vectors.simd import load, store, zeros
from .machine import cache_sizes
from .sampling import Effort, interleave

READ_BLOCK = 8 * LANES  # floats that one turn of the reading loop takes
SHORT, LONG = 0.0005, 0.02  # about the seconds of one call on one thread, on several (starting them costs 0.0001)
FLOPS_GUESS, BYTES_GUESS = 100e9, 20e9  # per second; only decide how long a call lasts


@kernel(types.void(F1_IN, i64, F1))
def read(x, times, out):
    """Add up x, a multiple of READ_BLOCK floats, `times` times; writes the sums to `out` [LANES].

    Four streams, a quarter each: from memory that is a fifth faster than a single one (26 GB/s against 20; EPYC Zen 3,
    2026-11-22).
    """
    a = b = c = d = e = f = g = h = zeros()
    quarter = x.size // 4
    for _ in range(times):
        for i in range(0, quarter, 2 * LANES):
            a, b = a + load(x, i), b + load(x, i + LANES)
            c, d = c + load(x, quarter + i), d + load(x, quarter + i + LANES)
            e, f = e + load(x, 2 * quarter + i), f + load(x, 2 * quarter + i + LANES)
            g, h = g + load(x, 3 * quarter + i), h + load(x, 3 * quarter + i + LANES)
    store(out, 0, ((a + b) + (c + d)) + ((e + f) + (g + h)))


class Fma:
    """One call does `work` floating-point operations on `threads` threads, on registers alone."""

    def __init__(self, threads: int = 1):
        seconds = SHORT if threads == 1 else LONG
        turns = int(seconds * FLOPS_GUESS / (2 * FMA_CHAINS * LANES))
        self.work = 2.0 * FMA_CHAINS * LANES * turns * threads
        outs = [aligned_zeros(LANES) for _ in range(threads)]
        self.call = _together([lambda out=out: spin(turns, out) for out in outs])


class Read:
    """One call reads `work` bytes on `threads` threads, each from its own buffer of about `size` bytes."""

    def __init__(self, size: int, threads: int = 1):
        floats = max(1, round(size / 4 / READ_BLOCK)) * READ_BLOCK
        times = max(1, int((SHORT if threads == 1 else LONG) * BYTES_GUESS / (4 * floats)))
        self.work = 4.0 * floats * times * threads
        buffers = [(aligned_zeros(floats), aligned_zeros(LANES)) for _ in range(threads)]
        for x, _ in buffers:
            x[:] = 1  # untouched pages of zeros would share one physical page
        self.call = _together([lambda x=x, out=out: read(x, times, out) for x, out in buffers])


def levels() -> dict[str, int]:
    """Bytes that lie well within each cache, and well beyond the last."""
    sizes = cache_sizes()
    return {
        "L1": sizes["L1"] // 2,
        "L2": sizes["L2"] // 2,
        "L3": max(sizes["L3"] // 4, 2 * sizes["L2"]),
        "DRAM": min(max(4 * sizes["L3"], 64 << 20), 256 << 20),
    }


class Job:
    """For `worker`: one yardstick as a process of its own. `size` 0 is the multiply-adds, else bytes to read."""

    def __init__(self, threads: int, size: int = 0):
        yardstick = Read(size, threads) if size else Fma(threads)
        calls = max(1, round(0.05 / LONG)) if threads > 1 else max(1, round(0.05 / SHORT))
        if size:
            calls = max(1, min(calls, int(0.05 * BYTES_GUESS * threads / yardstick.work)))
        yardstick.call()
        self.run = lambda: [yardstick.call() for _ in range(calls)]
        self.facts = {"work": yardstick.work * calls}


class PeaksJob:
    """For `worker`: all peaks at once, `facts` as in the result file."""

    def __init__(self, threads: int, quick: bool):
        yardsticks = {"fma": Fma(threads), **{name: Read(size, threads) for name, size in levels().items()}}
        effort = Effort(rounds=7 if quick else 31, budget=1.0 if quick else 6.0)
        clock = time.process_time if threads == 1 else time.perf_counter
        times = interleave({name: yardstick.call for name, yardstick in yardsticks.items()}, effort, clock)
        self.facts = {name: yardsticks[name].work / min(times[name]) / 1e9 for name in yardsticks}


def _together(works: list[Callable[[], None]]) -> Callable[[], None]:
    """All `works` at the same time, one per thread."""
    if len(works) == 1:
        return works[0]

    def run() -> None:
        team = [threading.Thread(target=work) for work in works]
        for member in team:
            member.start()
        for member in team:
            member.join()

    return run
