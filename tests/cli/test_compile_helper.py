"""The second process of a first run: what it compiles, and that nothing depends on it."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import time

import pytest

from caffe64.cli import compile_helper, compiling
from caffe64.cli.compile_helper import Helper, compile_from_the_end
from caffe64.engine.compiler import cache


class PretendKernel:
    """Ready as soon as its file is there. `compile` is the command's own."""

    def __init__(self, folder, name):
        self.__name__, self.py_func, self._file = name, self, folder / name
        self.compiled = 0

    @property
    def is_ready(self):
        return self._file.exists()

    def compile(self):
        self.compiled += not self.is_ready
        self._file.touch()


@pytest.fixture
def pretended(tmp_path, monkeypatch):
    """pretended(code): six kernels, and a child that runs `code` in their folder instead of compiling them."""
    monkeypatch.setattr(compile_helper, "_can_help", lambda: True)
    start = subprocess.Popen

    def prepare(code):
        command = [sys.executable, "-c", f"import os, time\n{code}"]
        monkeypatch.setattr(subprocess, "Popen", lambda _, **settings: start(command, cwd=tmp_path, **settings))
        return [PretendKernel(tmp_path, f"k{number}") for number in range(6)]

    return prepare


def go_through(kernels):
    with Helper(kernels) as helper:
        for kernel in kernels:
            helper.wait_for_last()
            kernel.compile()
    return [kernel.compiled for kernel in kernels], helper._child


def test_the_command_waits_for_the_last_kernel_that_the_child_is_at(pretended):
    kernels = pretended("time.sleep(0.5); open('k5', 'w')")
    assert go_through(kernels)[0] == [1, 1, 1, 1, 1, 0]


@pytest.mark.parametrize("code", ["raise SystemExit(1)", "os.kill(os.getpid(), 9)", "not python"])
def test_the_command_does_all_when_the_child_dies(pretended, code):
    assert go_through(pretended(code))[0] == [1] * 6


def test_an_error_ends_the_child_at_once(pretended):
    kernels = pretended("time.sleep(600)")
    with pytest.raises(KeyboardInterrupt), Helper(kernels) as helper:
        raise KeyboardInterrupt
    assert helper._child.returncode == -signal.SIGKILL


def test_few_kernels_or_no_shared_cache_start_no_child(pretended, tmp_path, monkeypatch):
    kernels = pretended("")
    assert go_through(kernels[:3])[1] is None
    monkeypatch.setattr(compile_helper, "_can_help", lambda: False)
    assert go_through(kernels)[1] is None


def test_a_child_needs_two_processors_and_a_writable_directory(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "cache_directory", lambda: tmp_path)
    monkeypatch.setattr("caffe64.engine.team.threads.usable_threads", lambda: 2)
    assert compile_helper._can_help()
    monkeypatch.setattr("caffe64.engine.team.threads.usable_threads", lambda: 1)
    assert not compile_helper._can_help()
    monkeypatch.setattr("caffe64.engine.team.threads.usable_threads", lambda: 2)
    monkeypatch.setattr(cache, "cache_directory", lambda: None)
    assert not compile_helper._can_help()
    monkeypatch.setattr(cache, "cache_directory", lambda: tmp_path)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert not compile_helper._can_help()


def test_the_child_finds_every_kernel_by_its_name():
    names = [(kernel, *compile_helper._name(kernel).split(":")) for kernel in compiling.every_kernel()]
    own = [each for each in names if each[1].startswith("caffe64.")]  # and not other tests'
    assert len(own) > 100
    for kernel, module, name in own:
        assert getattr(importlib.import_module(module), name) is kernel


def test_the_child_begins_at_the_end_and_passes_by_what_is_ready(monkeypatch):
    compiled = []
    for kernel in compiling.every_kernel():
        monkeypatch.setattr(type(kernel), "is_ready", property(lambda kernel: kernel.__name__ == "gemm"))
        monkeypatch.setattr(type(kernel), "compile", lambda kernel: compiled.append(kernel.__name__))
    compile_from_the_end([f"caffe64.kernels:{name}" for name in ("rel_forward", "gemm", "lin_forward")])
    assert compiled == ["lin_forward", "rel_forward"]


def test_a_child_process_fills_the_cache(tmp_path):
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    environment.pop("NUMBA_CACHE_DIR", None)
    started = time.time()
    command = [sys.executable, "-m", "caffe64.cli.compile_helper", "caffe64.kernels:rel_forward"]
    subprocess.run(command, env=environment, check=True, timeout=300)
    (file,) = tmp_path.rglob("*.c64k")
    assert file.name.startswith("engine.textnet.layers.rel.rel_forward")
    assert file.stat().st_mtime >= started - 1
