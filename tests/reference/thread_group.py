"""Ranks that are threads of one process, and an exact sum over shards that knows nothing of stacks or of ranks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from caffe64.ranks.group import Group

LIMIT = 60  # seconds that a rank waits for the others, so that a test fails where it would hang


class ThreadGroup(Group):
    """One rank. All of them share `meeting` and `table`, on which each puts what the others take."""

    def __init__(self, rank: int, size: int, meeting: threading.Barrier, table: list[Any]):
        self.rank, self.size, self.host_rank, self.sharers = rank, size, rank, 1
        self._meeting, self._table = meeting, table

    def _swap(self, value: Any, take: Callable[[list[Any]], Any]) -> Any:
        self._table[self.rank] = value
        self._meeting.wait(LIMIT)
        found = take(list(self._table))
        self._meeting.wait(LIMIT)
        return found

    def alltoall(self, send, receive):
        assert send.shape == receive.shape
        assert len(send) == self.size
        receive[:] = self._swap(send, lambda all_sent: np.stack([sent[self.rank] for sent in all_sent]))

    def allgather(self, share, whole):
        own = whole[self.rank].copy() if share is None else share
        whole[:] = self._swap(own, np.stack)

    def gather_numbers(self, numbers):
        return self._swap(np.array(numbers, np.float64), np.stack)

    def gather_objects(self, value):
        return self._swap(value, list)

    def broadcast(self, value):
        return self._swap(value, lambda values: values[0])

    def barrier(self):
        self._meeting.wait(LIMIT)

    def abort(self, code):
        self._meeting.abort()
        raise SystemExit(code)


def run_ranks(size: int, work: Callable[[Group], Any]) -> list[Any]:
    """work(group) in `size` threads, one for each rank; what they return. Raises what the first of them to fail
    raised."""
    meeting, table = threading.Barrier(size), [None] * size
    results, failures = [None] * size, []

    def member(rank: int) -> None:
        try:
            results[rank] = work(ThreadGroup(rank, size, meeting, table))
        except BaseException as failure:
            failures.append(failure)
            meeting.abort()

    threads = [threading.Thread(target=member, args=(rank,), daemon=True) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return results


def tree(vectors):
    """The balanced binary tree over 2**n arrays or numbers, from its root."""
    if len(vectors) == 1:
        return vectors[0]
    half = len(vectors) // 2
    return tree(vectors[:half]) + tree(vectors[half:])
