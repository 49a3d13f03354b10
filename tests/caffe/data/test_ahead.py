"""Batches prepared by a thread are those of the source, whatever happens."""

from __future__ import annotations

import gc
import multiprocessing
import os
import threading
import time

import numpy as np
import pytest

from caffe64.caffe.data import ahead
from caffe64.caffe.data.ahead import Ahead

BATCH = [np.zeros(3, np.float32)]


class Counted:
    """Batch n holds n; from `ends` on there is an error."""

    def __init__(self, ends: int = 1 << 60, seconds: float = 0):
        self.takes_long, self.ends, self.seconds, self.taken = True, ends, seconds, list[int]()

    def take(self, number):
        self.taken.append(number)
        time.sleep(self.seconds)
        if number >= self.ends:
            raise ValueError(f"batch {number}")
        return [np.full(3, number, np.float32)]

    def close(self):
        pass


def number_of(batch):
    return int(batch[0][0])


others = set()  # threads of other tests in this process


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "caffe64 data" and thread not in others]


@pytest.fixture(autouse=True)
def no_thread_is_left():
    others.update(threads())
    yield
    gc.collect()
    assert threads() == []


def test_batches_come_in_their_order_and_from_any_number_on():
    source = Ahead(Counted(), BATCH)
    assert [number_of(source.take(n)) for n in [0, 1, 2, 3, 40, 41, 7, 7, 8, 0]] == [0, 1, 2, 3, 40, 41, 7, 7, 8, 0]


def settled(counted):
    """How many batches were taken when the thread does no more."""
    before = -1
    while before != len(counted.taken):
        before = len(counted.taken)
        time.sleep(0.05)
    return before


def test_eight_batches_are_read_ahead_and_four_more_once_as_many_were_taken():
    counted = Counted()
    source = Ahead(counted, BATCH)
    for number in range(3):
        source.take(number)
        source.go_on()
        source.go_on()
    assert settled(counted) == 8
    source.take(3)
    assert settled(counted) == 8
    source.go_on()
    assert settled(counted) == 12
    for number in range(4, 9):  # the next `take` goes on as well
        source.take(number)
    assert settled(counted) == 16


def test_large_batches_are_not_read_ahead_of_the_next(monkeypatch):
    monkeypatch.setattr(ahead, "MOST_AHEAD_BYTES", 30)  # two of 12 bytes
    counted = Counted()
    source = Ahead(counted, BATCH)
    source.take(0)
    source.go_on()
    assert settled(counted) == 3  # one at a time
    large = Counted()
    source = Ahead(large, [np.zeros(100, np.float32)])
    source.take(0)
    assert settled(large) == 1
    source.go_on()
    assert settled(large) == 2


def test_it_reads_while_the_caller_computes():
    source, seconds = Ahead(Counted(seconds=0.05), BATCH), time.perf_counter()
    for number in range(8):
        source.take(number)
        source.go_on()
        time.sleep(0.05)
    assert time.perf_counter() - seconds < 0.65  # 0.8 one after the other


def test_an_error_is_raised_at_its_batch_and_again():
    source = Ahead(Counted(ends=3), BATCH)
    assert [number_of(source.take(number)) for number in range(3)] == [0, 1, 2]
    for _ in range(2):
        with pytest.raises(ValueError, match="batch 3"):
            source.take(3)
    assert number_of(source.take(1)) == 1


def test_close_ends_the_thread_and_take_begins_again():
    source = Ahead(Counted(), BATCH)
    source.take(0)
    assert len(threads()) == 1
    source.close()
    source.close()
    assert threads() == []
    assert number_of(source.take(1)) == 1


def test_a_source_that_nothing_refers_to_has_no_thread():
    def fail():
        source = Ahead(Counted(), BATCH)
        source.take(0)
        raise KeyError

    with pytest.raises(KeyError):
        fail()


def in_child(source, results):
    results.put([number_of(source.take(number)) for number in (1, 2, 3)])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_a_forked_process_reads_for_itself():
    source = Ahead(Counted(), BATCH)
    source.take(0)
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    child = context.Process(target=in_child, args=(source, results))
    child.start()
    child.join(60)
    assert child.exitcode == 0
    assert results.get() == [1, 2, 3]
    assert number_of(source.take(1)) == 1


class Interrupted:
    """A queue whose next `get` is interrupted when it has a batch, which is lost."""

    def __init__(self, queue):
        self._queue, self.put = queue, queue.put

    def get(self):
        self._queue.get()
        raise KeyboardInterrupt


def test_a_batch_that_an_interrupt_loses_is_taken_again():
    source = Ahead(Counted(), BATCH)
    assert number_of(source.take(0)) == 0
    source._reading._ready = Interrupted(source._reading._ready)
    with pytest.raises(KeyboardInterrupt):
        source.take(1)
    assert [number_of(source.take(n)) for n in (1, 2)] == [1, 2]
