"""Threads that run together: all at the same time, also where an interrupt comes between their starts."""

from __future__ import annotations

import threading

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
