"""Threads that wait for work: starting one takes 0.1 ms, waking one 0.03.

Work with barriers must run at the same time, so another thread is started when all are busy. A woken thread avoids the
CPU of the thread that it helps: Linux tends to wake a thread on the CPU of its waker, where both would share it for
milliseconds (half of all runs of a net on two threads took as long as on one).
"""

from __future__ import annotations

import ctypes
import functools
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from operator import call

MOST_POOL_THREADS = 4096
_pool: ThreadPoolExecutor | None = None
_own = threading.local()


@functools.cache
def _current_cpu() -> Callable[[], int | None]:
    """The C library's function that says on which CPU a thread runs; None where a thread cannot choose others."""
    return ctypes.CDLL(None).sched_getcpu if hasattr(os, "sched_setaffinity") else lambda: None


def submit(work, *arguments) -> Future:
    """Start work(*arguments) in a thread of the pool."""
    global _pool
    if _pool is None:
        _pool = ThreadPoolExecutor(MOST_POOL_THREADS, "caffe64")
    return _pool.submit(work, *arguments)


def run_together(works: Sequence[Callable[[], object]], *, ends_in_barrier: bool = False) -> None:
    """Run all at the same time, the first in this thread. They may wait for each other.

    `ends_in_barrier`: they are compiled and wait for each other at their end, so that all have done their work when the
    first one has: the others' return is not waited for, which takes 0.04 ms. An interrupt is raised when the work is
    done.
    """
    jobs, cpu = [map(call, [work]) for work in works], _current_cpu()()
    try:
        others = [submit(_run_once, job, cpu) for job in jobs[1:]]
        next(jobs[0], None)
    except BaseException:
        _finish(jobs, cpu, ends_in_barrier)
        raise
    if not ends_in_barrier:
        for other in others:
            other.result()


def _finish(jobs: Sequence[Iterator[object]], cpu: int | None, ends_in_barrier: bool) -> None:
    """After an interrupt, however many more come: let those of the jobs run that did not start, for which others wait;
    until all are done, if they end in a barrier. In a new pool, as one whose `submit` is interrupted may believe in an
    idle thread that there is not."""
    try:
        _forget()
        started = [submit(_run_once, job, cpu) for job in jobs]
        if ends_in_barrier:
            wait(started)
    except BaseException:
        _finish(jobs, cpu, ends_in_barrier)
        raise


def _run_once(job: Iterator[object], avoided: int | None = None) -> None:
    """Run the work of `job` unless another thread has taken it; in a thread of the pool, not on the CPU `avoided`. That
    it is taken and that it begins is one step, which no interrupt divides."""
    if avoided is not None and getattr(_own, "avoided", None) != avoided:
        others = os.sched_getaffinity(os.getpid()) - {avoided}
        if others:
            os.sched_setaffinity(0, others)  # of this thread alone
        _own.avoided = avoided
    next(job, None)


def _forget() -> None:
    """Begin with other threads: a forked child has none of its parent's."""
    global _pool
    _pool = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
