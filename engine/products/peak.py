"""The measured peak of the CPU's multiply-adds: 12 independent chains of FMAs, which hide their latency."""

from __future__ import annotations

import time

import numpy as np

from ..compiler import signatures as types
from ..compiler.cpu import LANES
from ..compiler.jit import F1, i64, kernel
from ..team.memory import aligned_zeros
from ..team.pool import run_together
from ..vectors.simd import broadcast, fma, store, zeros

FMA_CHAINS = 12
TURNS, ROUNDS = 400_000, 10  # about 8 ms per round; waking threads takes 0.1


@kernel(types.void(i64, F1))
def spin(turns, out):
    """`turns` times FMA_CHAINS fused multiply-adds of whole vectors; `out` [LANES] keeps them from being removed."""
    factor, term = broadcast(np.float32(0.5)), broadcast(np.float32(1.0))
    a = b = c = d = e = f = g = h = i = j = k = l = zeros()
    for _ in range(turns):
        a, b, c = fma(factor, a, term), fma(factor, b, term), fma(factor, c, term)
        d, e, f = fma(factor, d, term), fma(factor, e, term), fma(factor, f, term)
        g, h, i = fma(factor, g, term), fma(factor, h, term), fma(factor, i, term)
        j, k, l = fma(factor, j, term), fma(factor, k, term), fma(factor, l, term)
    store(out, 0, ((a + b) + (c + d)) + ((e + f) + (g + h)) + ((i + j) + (k + l)))


def fma_peak(threads: int) -> float:
    """Floating-point operations per second of `threads` threads together: the best of ROUNDS, 0.1 s in all."""
    calls = [spin.bind(TURNS, aligned_zeros(LANES)) for _ in range(threads)]
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.perf_counter()
        run_together(calls)
        best = min(best, time.perf_counter() - started)
    return 2.0 * FMA_CHAINS * LANES * TURNS * threads / best
