"""No thread passes a barrier before all have come to it, also where there are more threads than CPUs."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from caffe64.engine.compiler import signatures as types
from caffe64.engine.compiler.jit import I1, i64, kernel
from caffe64.engine.team.barrier import NAPS, NAPS_LEFT, barrier, make_sync

ROUNDS = 300
pytestmark = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="threads cannot choose their CPUs here")


@kernel(types.void(I1, I1, i64, i64))
def count_rounds(sync, counts, number, threads):
    """Each thread counts the rounds in counts[number], and in counts[threads + number] those in which another's count
    is not its own."""
    for _ in range(ROUNDS):
        counts[number] += 1
        barrier(sync, threads)
        for other in range(threads):
            counts[threads + number] += counts[other] != counts[number]
        barrier(sync, threads)


def run(threads, sync):
    counts = np.zeros(2 * threads, np.int64)
    team = [threading.Thread(target=count_rounds.run, args=(sync, counts, n, threads)) for n in range(threads)]
    for member in team:
        member.start()
    for member in team:
        member.join()
    return counts.reshape(2, threads)


@pytest.mark.parametrize("threads", [1, 2, 3, 2 * (os.cpu_count() or 1) + 1])
@pytest.mark.parametrize("crowded", [0, NAPS], ids=["quiet", "crowded"])
def test_all_threads_are_in_the_same_round(threads, crowded):
    sync = make_sync()
    sync[NAPS_LEFT] = crowded
    counts, others = run(threads, sync)
    assert counts.tolist() == [ROUNDS] * threads
    assert others.tolist() == [0] * threads


@pytest.fixture
def one_cpu():
    """All threads and processes that a test starts share it, so that others come to a barrier when one has left it."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    yield
    os.sched_setaffinity(0, allowed)


def test_threads_nap_as_often_as_they_should(one_cpu):
    many, sync = 1_000_000, make_sync()
    sync[NAPS_LEFT] = many
    counts, _ = run(4, sync)
    assert counts.tolist() == [ROUNDS] * 4
    assert many - 6 * ROUNDS <= sync[NAPS_LEFT] < many


def test_threads_begin_to_nap_when_another_process_had_their_cpu(one_cpu):
    sync = make_sync()
    with subprocess.Popen(
        [sys.executable, "-c", "print(flush=True)\nwhile True: pass"], stdout=subprocess.PIPE
    ) as busy:
        busy.stdout.readline()
        for _ in range(20):
            run(2, sync)
            if sync[NAPS_LEFT]:
                break
        busy.kill()
    assert sync[NAPS_LEFT]
