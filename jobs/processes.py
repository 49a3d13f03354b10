"""An executor of processes of this machine, each of which can be lost without the others.

    a thread per worker  ->  a ProcessPoolExecutor of one process, started anew by `spawn` when it is lost

A pool of several processes fails all of its calls with one, and does not say whose process it was.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from queue import SimpleQueue
from typing import Any

Call = tuple["Future[Any]", Callable[[], Any]]


class ProcessExecutor(Executor):
    """`workers` processes, started when they are needed. A call whose process is lost raises BrokenProcessPool, and
    only that one. `close` kills what still runs."""

    def __init__(self, workers: int):
        self._calls: SimpleQueue[Call | None] = SimpleQueue()
        self._pids: set[int] = set()
        self._lock, self._closed, self._killed = threading.Lock(), False, False
        self._threads = [threading.Thread(target=self._serve, daemon=True) for _ in range(workers)]
        for thread in self._threads:  # here, and not by `submit`: an interrupt could leave one that is not waited for
            thread.start()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        with self._lock:
            if self._closed:
                raise RuntimeError("the executor is shut down")
            self._calls.put((future, partial(fn, *args, **kwargs)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End when all calls are done, or with `cancel_futures` those that have begun."""
        with self._lock:
            already, self._closed = self._closed, True
        if cancel_futures:
            self._cancel()
        if not already:
            for _ in self._threads:
                self._calls.put(None)
        if wait:
            for thread in self._threads:
                thread.join()

    def close(self) -> None:
        """End now: what has not begun is cancelled, what runs is killed."""
        self.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            self._killed = True
            for pid in self._pids:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
        self.shutdown()

    def _cancel(self) -> None:
        kept: list[None] = []
        while not self._calls.empty():
            call = self._calls.get()
            if call is None:
                kept.append(call)
            elif call[0].cancel():
                call[0].set_running_or_notify_cancel()
        for each in kept:
            self._calls.put(each)

    def _serve(self) -> None:
        """The work of a thread."""
        pool: ProcessPoolExecutor | None = None
        pid = 0
        while (item := self._calls.get()) is not None:
            future, call = item
            if not future.set_running_or_notify_cancel():
                continue
            try:
                if pool is None:
                    pool, pid = self._start()
                result = pool.submit(call).result()
            except BaseException as error:
                if isinstance(error, BrokenProcessPool) and pool is not None:
                    self._end(pool, pid)
                    pool = None
                future.set_exception(error)
            else:
                future.set_result(result)
        if pool is not None:
            self._end(pool, pid)

    def _start(self) -> tuple[ProcessPoolExecutor, int]:
        """A pool of one process, and the number of that."""
        pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"), initializer=prepare)
        try:
            pid = pool.submit(os.getpid).result()
        except BaseException:
            pool.shutdown()
            raise
        with self._lock:
            self._pids.add(pid)
            if self._killed:  # `close` has been through them
                os.kill(pid, signal.SIGKILL)
        return pool, pid

    def _end(self, pool: ProcessPoolExecutor, pid: int) -> None:
        """Wait for the end of its process."""
        pool.shutdown()
        with self._lock:
            self._pids.discard(pid)


def prepare() -> None:
    """In a worker, before its first call: a signal of the terminal is for the process that started it, with which the
    worker ends, however that ends."""
    for name in ("SIGINT", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
