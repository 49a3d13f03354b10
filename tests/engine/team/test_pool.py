"""Threads that run together: all at the same time, also where an interrupt comes between their starts."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from caffe64.engine.team import pool


@pytest.mark.parametrize("threads", [1, 2, 40])
def test_all_run_at_the_same_time(threads):
    barrier, names = threading.Barrier(threads, timeout=60), []
    pool.run_together([lambda: (barrier.wait(), names.append(threading.current_thread().name))] * threads)
    assert len(set(names)) == threads


def test_an_error_of_another_thread_is_raised_here():
    with pytest.raises(ZeroDivisionError):
        pool.run_together([lambda: None, lambda: 1 // 0])


@pytest.mark.parametrize("at", [1, 2, 3])
def test_an_interrupt_between_the_starts_leaves_no_thread_waiting(at, monkeypatch):
    barrier, met, submit, calls = threading.Barrier(3, timeout=60), [], pool.submit, []

    def interrupted(work, *arguments):
        calls.append(work)
        if len(calls) == at:
            raise KeyboardInterrupt
        return submit(work, *arguments)

    def work():
        barrier.wait()
        met.append(True)

    def first():
        if at == 3:
            monkeypatch.setattr(pool, "submit", submit)
        work()

    monkeypatch.setattr(pool, "submit", interrupted)
    if at < 3:
        with pytest.raises(KeyboardInterrupt):
            pool.run_together([first, work, work])
    else:
        pool.run_together([first, work, work])
    deadline = threading.Event()
    for _ in range(600):
        if len(met) == 3:
            break
        deadline.wait(0.1)
    assert len(met) == 3


def test_an_interrupt_of_a_start_leaves_a_pool_that_starts_threads(monkeypatch):
    """It comes when the work is in the queue, and its thread not counted yet: an idle one takes it."""
    pool.run_together([lambda: None] * 2)
    starts = ThreadPoolExecutor._adjust_thread_count

    def interrupted(executor):
        monkeypatch.setattr(ThreadPoolExecutor, "_adjust_thread_count", starts)
        raise KeyboardInterrupt

    for _ in range(3):
        monkeypatch.setattr(ThreadPoolExecutor, "_adjust_thread_count", interrupted)
        with pytest.raises(KeyboardInterrupt):
            pool.run_together([lambda: None] * 2)
    barrier = threading.Barrier(20, timeout=20)
    pool.run_together([barrier.wait] * 20)


@pytest.mark.parametrize("interrupts", [1, 3])
def test_an_interrupt_waits_for_work_that_ends_in_a_barrier(interrupts, monkeypatch):
    barrier, met, submit, calls = threading.Barrier(3, timeout=60), [], pool.submit, []

    def interrupted(work, *arguments):
        calls.append(work)
        if len(calls) <= interrupts:
            raise KeyboardInterrupt
        return submit(work, *arguments)

    def work():
        barrier.wait()
        time.sleep(0.1)
        met.append(True)
        barrier.wait()

    monkeypatch.setattr(pool, "submit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pool.run_together([work] * 3, ends_in_barrier=True)
    assert len(met) == 3
