"""Batches that a thread prepares while the net computes."""

from __future__ import annotations

import os
import threading
import weakref
from queue import SimpleQueue

from .sources import Batch, BatchSource

MOST_AHEAD, MOST_AHEAD_BYTES = 8, 1 << 29  # batches, twice Caffe's number; bytes of them, but one batch at least


class Ahead:
    """The batches of `source`, of about the size of `batch`, prepared by a thread in their order. What goes wrong there
    is raised by `take` of the batch that it belongs to. For a batch out of order, and in a process that was forked, the
    thread begins anew. It ends with `close`, or when nothing refers to this any more."""

    def __init__(self, source: BatchSource, batch: Batch):
        self.source = source
        size = sum(array.nbytes for array in batch)
        self._most = max(1, min(MOST_AHEAD, MOST_AHEAD_BYTES // max(1, size)))
        self._reading: _BatchesAhead | None = None

    def take(self, number: int) -> Batch:
        reading = self._reading
        if reading is None or reading.next != number or reading.process != os.getpid():
            self.close()
            reading = self._reading = _BatchesAhead(self.source, number, self._most)
            weakref.finalize(self, reading.stop)
        return reading.take()

    def go_on(self) -> None:
        """Have more batches prepared, in place of those that were taken; else the next `take` does. The Python code of
        the thread delays the caller's, but not its kernels: so this is best called right before those."""
        if self._reading:
            self._reading.go_on()

    def close(self) -> None:
        """End the thread; `take` starts another one."""
        if self._reading:
            self._reading.stop()
        self._reading = None


class _BatchesAhead:
    """One run of the thread: the batches from `next` on, `most` of them before they are taken."""

    def __init__(self, source: BatchSource, number: int, most: int):
        self.next, self.process = number, os.getpid()
        self._ready: SimpleQueue[Batch | BaseException] = SimpleQueue()
        self._room = threading.Semaphore(most)
        self._wanted, self._is_due = True, False
        self._due, self._together = 0, max(1, most // 2)
        self._thread = threading.Thread(target=self._run, args=(source, number), name="caffe64 data", daemon=True)
        self._thread.start()

    def take(self) -> Batch:
        self.go_on()
        number, self.next = self.next, -1  # until it is sure: an interrupt may lose a batch, an error ends the thread
        found = self._ready.get()
        if isinstance(found, BaseException):
            raise found
        self.next, self._is_due = number + 1, True
        return found

    def go_on(self) -> None:
        """Half of the batches are prepared at a time: a thread that is woken takes a CPU from those that compute."""
        self._due, self._is_due = self._due + self._is_due, False
        if self._due >= self._together:
            self._room.release(self._due)
            self._due = 0

    def stop(self) -> None:
        if self.process == os.getpid():
            self._wanted = False
            self._room.release()
            self._thread.join()

    def _run(self, source: BatchSource, number: int) -> None:
        while self._room.acquire() and self._wanted:
            try:
                self._ready.put(source.take(number))
            except BaseException as error:
                self._ready.put(error)
                return
            number += 1
