"""Signals, pipes and odd places, with real processes."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from caffe64.cli import signals

TRAIN = "train net.txt w.bin optim.txt 400 X.txt Y.txt"


@pytest.fixture
def endless(task, cli):
    """The task with so many epochs that it does not end by itself; its kernels are compiled."""
    assert cli(TRAIN).exit_code == 0
    (task / "w.bin").unlink()
    (task / "optim.txt").write_text("0.1 0 1 0.0001 0.9 10000000")
    return task


def wait_for_training(process) -> list[str]:
    """Read stdout until training is under way."""
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("[Training]"):
            return lines
    raise AssertionError((lines, process.stderr.read()))


@pytest.mark.parametrize(
    ("number", "exit_code", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated"), (signal.SIGHUP, 129, "terminal closed")],
)
def test_a_signal_ends_after_the_minibatch_with_a_checkpoint_and_no_weights(endless, start, number, exit_code, word):
    process = start(f"{TRAIN} --checkpoint run.ckpt --checkpoint-every 1000000")
    wait_for_training(process)
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == exit_code, errors
    assert re.search(
        rf"^caffe64: {word} (in|after) epoch .*\(--resume run.ckpt goes on from there\)$", errors, re.MULTILINE
    )
    assert "Traceback" not in errors
    assert (endless / "run.ckpt").exists()
    assert not (endless / "w.bin").exists()


def test_an_interrupted_run_resumes_to_the_bits_of_an_unbroken_one(endless, start, cli):
    from caffe64.formats.checkpoint import read_checkpoint

    process = start(f"{TRAIN} --checkpoint run.ckpt --checkpoint-every 1000000")
    wait_for_training(process)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    epochs = read_checkpoint("run.ckpt").epoch + 2
    (endless / "optim.txt").write_text(f"0.1 0 1 0.0001 0.9 {epochs}")
    assert cli(f"{TRAIN} --resume run.ckpt").exit_code == 0
    resumed = (endless / "w.bin").read_bytes()
    assert cli(TRAIN).exit_code == 0
    assert (endless / "w.bin").read_bytes() == resumed


def test_without_checkpoint_the_interruption_says_what_would_help(endless, start):
    process = start(TRAIN)
    wait_for_training(process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors.endswith("(nothing was kept: --checkpoint FILE keeps the state of a run)\n")


SCRIPT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]["scripts"]["caffe64"]
ENTRIES = {
    "module": [sys.executable, "-m", "caffe64"],
    # What pip makes of the entry.
    "script": [sys.executable, "-c", "import sys; from {0} import {1}; sys.exit({1}())".format(*SCRIPT.split(":"))],
}


@contextlib.contextmanager
def program(command: list[str], **options) -> Iterator[subprocess.Popen]:
    """A process that does not outlive its test, which may fail while it runs."""
    with subprocess.Popen(command, **options) as process:
        try:
            yield process
        finally:
            process.kill()


def catches(process: subprocess.Popen, number: int) -> bool:
    """Whether the process has a handler of its own for this signal."""
    with open(f"/proc/{process.pid}/status") as file:
        mask = next(line.split()[1] for line in file if line.startswith("SigCgt:"))
    return bool(int(mask, 16) >> (number - 1) & 1)


@pytest.mark.parametrize(
    ("delay", "entry"), list(zip([*range(0, 300, 15), 350, 400, 450, 500], itertools.cycle(ENTRIES), strict=False))
)
def test_a_signal_while_modules_are_imported_leaves_no_traceback(endless, entry, delay):
    command = [*ENTRIES[entry], *TRAIN.split()]
    with program(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        while not catches(process, signal.SIGTERM):  # which Python's own start does not: from here on, we do
            time.sleep(0.001)
        time.sleep(delay / 1000)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert errors.splitlines()[-1].startswith("caffe64: interrupted")
    assert "Traceback" not in errors


def test_help_and_version_can_be_interrupted_as_well(task):
    for command in ("--help", "train --help", "nothing"):
        with program([*ENTRIES["module"], *command.split()], stderr=subprocess.PIPE, text=True) as process:
            while not catches(process, signal.SIGTERM):
                time.sleep(0.001)
            process.send_signal(signal.SIGTERM)
            assert process.communicate(timeout=30)[1] == "caffe64: terminated\n"
        assert process.returncode == 143


def test_an_import_that_turns_the_interruption_into_its_own_failure_is_interrupted(task, cli, monkeypatch):
    def read(path):
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            raise ImportError("numpy._core.multiarray failed to import") from None

    monkeypatch.setattr("caffe64.api.Net.read", read)
    result = cli("info net.txt")
    assert (result.exit_code, result.stderr) == (130, "caffe64: interrupted\n")


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_other_commands_end_at_once(task, cli, monkeypatch, number, exit_code):
    monkeypatch.setattr("caffe64.api.Net.read", lambda path: os.kill(os.getpid(), number))
    before = signal.getsignal(number)
    result = cli("info net.txt")
    assert result.exit_code == exit_code
    assert re.fullmatch("caffe64: (interrupted|terminated)\n", result.stderr)
    assert signal.getsignal(number) == before


def test_a_signal_lost_in_a_callback_is_neither_reported_nor_forgotten(monkeypatch):
    reports = []
    monkeypatch.setattr(sys, "unraisablehook", reports.append)

    class Finalized:
        def __del__(self):
            os.kill(os.getpid(), signal.SIGTERM)

    with signals.handled():
        Finalized()
        with pytest.raises(signals.Stopped):
            signals.check()
    assert reports == []


def test_the_second_signal_does_not_wait():
    with signals.handled(), signals.deferred():
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.requested()
        with pytest.raises(signals.Stopped):
            os.kill(os.getpid(), signal.SIGTERM)


def test_an_ignored_signal_stays_ignored(endless, start):
    process = start(TRAIN, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))  # as nohup does
    wait_for_training(process)
    process.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        process.communicate(timeout=1)


def test_a_reader_that_goes_away_ends_the_run_without_traceback(endless, start):
    process = start(f"{TRAIN} --checkpoint run.ckpt")
    wait_for_training(process)
    process.stdout.close()
    assert process.wait(timeout=30) == 141
    assert "Traceback" not in (errors := process.stderr.read())
    assert "Broken" not in errors
    assert (endless / "run.ckpt").exists()


def test_a_reader_that_is_not_there_from_the_start(task, start):
    process = start("info net.txt")
    process.stdout.close()
    assert process.wait(timeout=30) == 141
    assert process.stderr.read() == ""


def test_lines_come_as_they_are_printed(endless, start):
    started = time.monotonic()
    lines = wait_for_training(start(TRAIN))
    assert lines[5:8] == ["Parsing net...\n", "Loading X...\n", "Loading Y...\n"]
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("command", [TRAIN, "info net.txt"])
def test_a_full_stdout_is_an_error_of_one_line(task, start, command):
    with open("/dev/full", "w") as full:
        process = start(command, stdout=full)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors.count("\n") == 1
    assert "No space left on device" in errors


def test_weights_on_stdout_come_alone(task, start, cli):
    cli(TRAIN)
    process = start(TRAIN.replace("w.bin", "/dev/stdout"), text=False)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert output == (task / "w.bin").read_bytes()
    assert b"[Training]" in errors


def test_two_runs_at_once_do_not_disturb_each_other(task, start, cli):
    cli(TRAIN)
    processes = [start(TRAIN.replace("w.bin", f"w{i}.bin")) for i in range(2)]
    assert [process.wait(timeout=60) for process in processes] == [0, 0]
    assert (task / "w0.bin").read_bytes() == (task / "w1.bin").read_bytes() == (task / "w.bin").read_bytes()


def test_the_data_may_come_through_a_pipe(task, start, cli):
    cli(TRAIN)
    expected = (task / "w.bin").read_bytes()
    with subprocess.Popen(["cat", "X.txt"], stdout=subprocess.PIPE) as cat:
        process = start(TRAIN.replace("X.txt", "/dev/stdin"), stdin=cat.stdout)
        assert process.wait(timeout=60) == 0
    assert (task / "w.bin").read_bytes() == expected
