"""Ctrl-C at the moment when a process is started or a file created, before it is stored where it would be ended."""

from __future__ import annotations

import os
import signal
import subprocess
import threading

import pytest

from caffe64 import aside
from caffe64.cli import compile_helper
from caffe64.formats.atomic import write_atomically
from caffe64.formats.hdf5_reader import DatasetReader
from caffe64.interrupts import postponed
from caffe64.perf.census.census import Bounds, take_census
from caffe64.perf.processes import Worker


class MissingKernel:
    __name__ = "missing"
    is_ready = False
    py_func = threading.Thread


def start_compile_helper(folder):
    with compile_helper.Helper([MissingKernel()] * 4):
        pytest.fail("the interrupt is lost")


def start_reader(folder):
    (folder / "a.h5").touch()
    DatasetReader().shapes(folder / "a.h5", ["data"])


def start_census(folder):
    (folder / "a.prototxt").write_text("layer { name: 'a' type: 'ReLU' bottom: 'a' top: 'a' }")
    take_census(folder, {}, Bounds(10, 1 << 30), print)


def start_worker(folder):
    Worker("caffe64.perf.peak:Job", 1, {"threads": 1})


@pytest.mark.parametrize("start", [start_compile_helper, start_reader, start_census, start_worker])
def test_a_process_ends_if_an_interrupt_comes_while_it_is_started(tmp_path, monkeypatch, start):
    started = []

    class InterruptedStart(subprocess.Popen):
        def __init__(self, *arguments, **settings):
            super().__init__(*arguments, **settings)
            started.append(self)
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(subprocess, "Popen", InterruptedStart)
    monkeypatch.setattr(compile_helper, "_can_help", lambda: True)
    with pytest.raises(KeyboardInterrupt):
        start(tmp_path)
    assert [process.returncode for process in started] == [-signal.SIGKILL]


def test_a_file_aside_goes_if_an_interrupt_comes_while_it_is_created(tmp_path, monkeypatch):
    create, descriptors = os.open, len(os.listdir("/proc/self/fd"))

    def interrupted(*arguments):
        descriptor = create(*arguments)
        signal.raise_signal(signal.SIGINT)
        return descriptor

    def write():
        with write_atomically(tmp_path / "a"):
            pytest.fail("the interrupt is lost")

    with monkeypatch.context() as patch:
        patch.setattr(aside.os, "open", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write()
    assert list(tmp_path.iterdir()) == []
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_handlers_run_once_at_the_end_of_the_block_and_are_installed_again(monkeypatch):
    came = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: came.append(number))
    handler = signal.getsignal(signal.SIGTERM)
    try:
        with postponed():
            signal.raise_signal(signal.SIGTERM)
            assert came == []
        assert came == [signal.SIGTERM]
        assert signal.getsignal(signal.SIGTERM) is handler
    finally:
        signal.signal(signal.SIGTERM, before)


def test_each_of_several_signals_is_handled_though_one_raises():
    came = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: came.append(number))
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]

    def two():
        with postponed():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGTERM)

    try:
        with pytest.raises(KeyboardInterrupt):
            two()
        assert came == [signal.SIGTERM]
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
        assert signal.pthread_sigmask(signal.SIG_BLOCK, []).isdisjoint({signal.SIGINT, signal.SIGTERM})
    finally:
        signal.signal(signal.SIGTERM, before)


def test_what_is_ignored_stays_ignored_and_other_threads_change_nothing():
    seen = []

    def elsewhere():
        with postponed():
            seen.append(signal.getsignal(signal.SIGINT))

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with postponed():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert seen == [before]
