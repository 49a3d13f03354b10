"""The yardsticks do the work that they claim."""

from __future__ import annotations

import numpy as np
import pytest

from caffe64.engine.compiler.cpu import LANES
from caffe64.perf import peak


def test_the_reading_loop_reads_every_float():
    x = np.zeros(3 * peak.READ_BLOCK, np.float32)
    out = np.zeros(LANES, np.float32)
    for place in range(x.size):
        x[:] = 0
        x[place] = 1
        peak.read(x, 2, out)
        assert out.sum() == 2, place


def test_the_multiply_adds_are_done():
    out = np.zeros(LANES, np.float32)
    peak.spin(3, out)
    assert (out == peak.FMA_CHAINS * 1.75).all()  # 0 -> 1 -> 1.5 -> 1.75


@pytest.mark.parametrize("threads", [1, 2])
def test_work_is_counted_for_all_threads(threads, monkeypatch):
    turns, reads = [], []
    monkeypatch.setattr(peak, "spin", lambda count, out: turns.append(count))
    monkeypatch.setattr(peak, "read", lambda x, times, out: reads.append(x.nbytes * times))
    fma, reading = peak.Fma(threads), peak.Read(100_000, threads)
    fma.call()
    reading.call()
    assert fma.work == sum(turns) * peak.FMA_CHAINS * LANES * 2
    assert reading.work == sum(reads)
    assert len(reads) == threads


def test_the_levels_grow():
    sizes = list(peak.levels().values())
    assert sizes == sorted(sizes)
    assert len(set(sizes)) == 4
