"""Of several processes that miss the same kernels, one compiles."""

from __future__ import annotations

import threading
import time

import pytest

from caffe64.jobs import kernels


class SlowKernel:
    """Compiled once by `compile`, found on disk by later calls, as a kernel of two processes."""

    def __init__(self, log: list, ready: bool = False):
        self.is_ready, self._log = ready, log

    def compile(self) -> None:
        self._log.append("load" if self.is_ready else "begin")
        if not self.is_ready:
            time.sleep(0.1)
            self.is_ready = True
            self._log.append("end")


@pytest.fixture
def log(monkeypatch, tmp_path):
    monkeypatch.setattr(kernels, "cache_directory", lambda: tmp_path)
    return []


def test_one_compiles_and_the_others_wait(log):
    needed = [SlowKernel(log), SlowKernel(log)]
    threads = [threading.Thread(target=kernels.compile_once, args=(needed,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert log == ["begin", "end"] * 2 + ["load"] * 4


def test_what_is_ready_is_left_alone(log, tmp_path):
    kernels.compile_once([SlowKernel(log, ready=True)])
    assert log == []
    assert not any(tmp_path.iterdir())


def test_without_a_directory_each_compiles(log, monkeypatch):
    monkeypatch.setattr(kernels, "cache_directory", lambda: None)
    kernels.compile_once([SlowKernel(log)])
    assert log == ["begin", "end"]
