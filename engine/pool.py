"""Threads that wait for work: starting one takes 0.1 ms, waking one 0.03.

Work that meets at a barrier must run at the same time, so there is always another thread for it, whoever else is busy.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

MOST = 4096  # threads, started when all others are busy
_pool: ThreadPoolExecutor | None = None


def submit(work, *arguments) -> Future:
    """Start work(*arguments) in one of them."""
    global _pool
    if _pool is None:
        _pool = ThreadPoolExecutor(MOST, "caffe64")
    return _pool.submit(work, *arguments)


def run_together(works: Sequence[Callable[[], object]], *, meeting: bool = False) -> None:
    """Run all at the same time, the first in this thread. They may wait for each other.

    `meeting`: they do so at their end, so that all have done their work when the first one has: the others' return,
    and their errors, are not waited for, which takes 0.04 ms.
    """
    jobs = [[work] for work in works]
    try:
        others = [submit(_run_once, job) for job in jobs[1:]]
        _run_once(jobs[0])
    except BaseException:
        for job in jobs:
            submit(_run_once, job)  # whom an interrupt kept from starting: others wait for it
        raise
    if not meeting:
        for other in others:
            other.result()


def _run_once(job: list[Callable[[], object]]) -> None:
    """Run the work in `job` unless somebody has taken it."""
    try:
        work = job.pop()
    except IndexError:
        return
    work()


def _forget() -> None:
    """A forked child has none of its parent's threads."""
    global _pool
    _pool = None


os.register_at_fork(after_in_child=_forget)
