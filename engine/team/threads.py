"""How many threads to use, and running a compiled loop in all of them.

Threads are Python's own: kernels run without the GIL and wait for each other at the spinning barriers of `barrier.py`,
which take about a microsecond; a parallel region of Numba takes ten. Nothing of Numba's threading layer is
started, so programs that fork are safe and small nets pay nothing.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

from ...arguments import MOST_THREADS, whole_number

POLL_SECONDS = 0.05
# Multiply-accumulates between two barriers from which on a second thread pays off; below, one is faster.
# Chosen on EPYC Zen 3 (AVX2, 2 cores), 2026-11-22; the measurement is not recorded.
MACS_PER_THREAD = 250_000
# Work of fewer multiply-accumulates in all finishes before a progress report would be due (some milliseconds), and
# starting a thread for it takes longer (0.1 ms, several on a busy machine). Measured there on the same day: an epoch
# of 5 minibatches of 8-12-3 took 0.96 ms with a thread, 0.17 without.
BRIEF_MACS = 2_000_000


def usable_threads() -> int:
    """CPUs this process may use: affinity, cgroup quota, OMP_NUM_THREADS and NUMBA_NUM_THREADS all bound it."""
    bounds = [len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1]
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        bounds.append(max(1, int(quota) // int(period)))
    except (OSError, ValueError):
        pass  # no cgroup v2, or "max"
    for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
        text = os.environ.get(name, "")
        if text.isdigit() and int(text) > 0:
            bounds.append(int(text))
    return min(bounds)


def check_threads(threads: int | None) -> int | None:
    """`threads` as every call takes it: None for as many as pay off, or a whole number from 1 to 1024.

    Raises UsageError for all else, 0 and joblib's -1 among them.
    """
    if threads is None:
        return None
    return whole_number("threads", threads, 1, MOST_THREADS, hint="leave it out for as many as pay off")


def choose_threads(requested: int | None, macs: int) -> int:
    """`requested` threads, or as many as `macs` multiply-accumulates between two barriers keep busy."""
    if requested is not None:
        return check_threads(requested)
    wanted = macs // MACS_PER_THREAD
    return min(usable_threads(), wanted) if wanted > 1 else 1  # the system call takes as long as a small prediction


def run_team(
    work: Callable[[int], None], threads: int, macs: int, stop: Callable[[], None], poll: Callable[[], None]
) -> None:
    """Run work(0) ... work(threads - 1) at the same time; call poll() about 20 times per second meanwhile and at the
    end. `macs` is the amount of work: less than BRIEF_MACS for one thread is done at once, in this one.

    If poll or a signal handler raises, stop() is called, all threads are waited for, and the exception is raised.
    An exception in a worker stops the others likewise.
    """
    if threads == 1 and macs < BRIEF_MACS:
        work(0)
        poll()
        return
    failures: list[BaseException] = []

    def guarded(number: int) -> None:
        try:
            work(number)
        except BaseException as failure:
            failures.append(failure)
            stop()

    team = [threading.Thread(target=guarded, args=(number,), daemon=True) for number in range(threads)]
    try:
        for member in team:
            member.start()
        for member in team:
            while member.is_alive():
                member.join(POLL_SECONDS)
                poll()
        poll()
    except BaseException:
        stop()
        for member in team:
            if member.ident is not None:
                member.join()
        raise
    if failures:
        raise failures[0]
