"""Files that killed processes left beside their targets go; those of living ones stay."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time

import pytest

from caffe64 import aside
from caffe64.engine.compiler.sealed import write_sealed
from caffe64.formats.atomic import write_atomically

WRITER = """
import sys, time
from caffe64.formats.atomic import write_atomically
with write_atomically(sys.argv[1]) as file:
    file.write(b"half")
    file.flush()
    print("writing", flush=True)
    sys.stdin.readline()
    file.write(b" and half")
"""


@pytest.fixture
def writer(tmp_path):
    """A process that stands in the middle of writing w.bin, and goes on when it reads a line."""
    command = [sys.executable, "-c", WRITER, str(tmp_path / "w.bin")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "writing\n"
        yield process
        process.kill()


def put(path):
    with write_atomically(path) as file:
        file.write(b"other")


def left(folder):
    return [name for name in os.listdir(folder) if name.endswith(".tmp")]


def test_what_a_killed_run_left_is_removed_by_the_next_that_writes_beside_it(tmp_path, writer):
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    assert len(left(tmp_path)) == 1
    put(tmp_path / "other.bin")
    assert os.listdir(tmp_path) == ["other.bin"]


def test_the_cache_of_kernels_is_cleared_of_them_as_well(tmp_path, writer):
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    write_sealed(tmp_path / "kernel", {})
    assert os.listdir(tmp_path) == ["kernel"]


@pytest.mark.parametrize("state", ["running", "stopped"])
def test_what_a_living_run_writes_stays(tmp_path, writer, state):
    if state == "stopped":
        writer.send_signal(signal.SIGSTOP)
    os.utime(tmp_path / left(tmp_path)[0], (0, 0))  # however old it is
    put(tmp_path / "other.bin")
    assert len(left(tmp_path)) == 1
    writer.send_signal(signal.SIGCONT)
    writer.communicate("\n")
    assert writer.returncode == 0
    assert (tmp_path / "w.bin").read_bytes() == b"half and half"


def test_many_at_once_do_not_disturb_each_other(tmp_path):
    code = """
import sys
from caffe64.formats.atomic import write_atomically
for number in range(150):
    with write_atomically(f"{sys.argv[1]}{number % 3}") as file:
        file.write(b"whole")
"""
    command = [sys.executable, "-c", code, str(tmp_path / "w")]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(5)]
    assert [process.communicate()[1] for process in processes] == [""] * 5
    assert sorted(os.listdir(tmp_path)) == ["w0", "w1", "w2"]


@pytest.mark.parametrize(("age", "stays"), [(60, True), (2 * 86400, False)])
@pytest.mark.parametrize("name", [".caffe64-0123456789abcdef.tmp", ".caffe64-00000001-0123456789abcdef.tmp"])
def test_those_of_other_systems_stay_for_a_day(tmp_path, name, age, stays):
    (tmp_path / name).write_bytes(b"half")
    os.utime(tmp_path / name, (time.time() - age,) * 2)
    put(tmp_path / "other.bin")
    assert (tmp_path / name).exists() == stays


@pytest.mark.parametrize("kind", ["other name", "link", "pipe", "folder"])
def test_nothing_else_is_touched(tmp_path, kind):
    path = tmp_path / f".caffe64-{aside._system()}-0123456789abcdef.tmp"
    if kind == "other name":
        path = tmp_path / ".caffe64-notes.tmp"
        path.write_bytes(b"mine")
    elif kind == "link":
        (tmp_path / "target").write_bytes(b"mine")
        path.symlink_to(tmp_path / "target")
    else:
        {"pipe": os.mkfifo, "folder": os.mkdir}[kind](path)
    put(tmp_path / "other.bin")
    assert os.path.lexists(path)
    assert kind != "link" or (tmp_path / "target").read_bytes() == b"mine"


def test_a_file_that_was_removed_before_it_was_locked_is_made_anew(tmp_path, monkeypatch):
    lock, removed = fcntl.flock, []

    def remove_first(descriptor, operation):
        if not removed:
            removed.append(left(tmp_path)[0])
            os.unlink(tmp_path / removed[0])
        return lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", remove_first)
    put(tmp_path / "w.bin")
    assert removed
    assert os.listdir(tmp_path) == ["w.bin"]


def test_a_file_system_without_locks_is_written_to_and_keeps_what_was_left(tmp_path, monkeypatch):
    def refuse(descriptor, operation):
        raise OSError(38, "Function not implemented")

    name = f".caffe64-{aside._system()}-0123456789abcdef.tmp"
    (tmp_path / name).write_bytes(b"half")
    monkeypatch.setattr(fcntl, "flock", refuse)
    put(tmp_path / "w.bin")
    assert sorted(os.listdir(tmp_path)) == [name, "w.bin"]
