"""Trainings of Caffe nets that end early, signals, kills, pipes; and that go on, with the same bits.

CAFFE64_KILLS is the number of kills at random moments, 5 without it.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import time
from pathlib import Path

import pytest
from reference.small_training import write_solver, write_training

pytest.importorskip("h5py")

TRAIN = "train --solver solver.prototxt"
ENDLESS = {"max_iter": 10_000_000, "snapshot": None, "display": 1, "test_iter": None, "test_interval": None}
KILLS = int(os.environ.get("CAFFE64_KILLS", "5"))


@pytest.fixture
def training(tmp_path, monkeypatch, cli):
    """Its kernels are compiled."""
    write_training(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert cli(f"{TRAIN} --max-iter 1 --quiet").exit_code == 0
    for path in tmp_path.glob("snap*"):
        path.unlink()
    return tmp_path


def wait_for(process, text: str) -> None:
    """Read stderr up to a line with `text`."""
    for line in process.stderr:
        if text in line:
            return
    raise AssertionError(f"no line with {text!r}")


def snapshots(folder: Path) -> list[int]:
    return sorted(int(path.stem.rpartition("_")[2]) for path in folder.glob("snap_iter_*.solverstate"))


@pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_a_stop_ends_after_the_iteration_with_a_snapshot(training, start, number, code, word):
    write_solver(training / "solver.prototxt", **ENDLESS)
    process = start(TRAIN)
    wait_for(process, "Iteration 5 ")
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code, errors
    (iteration,) = snapshots(training)
    state = f"snap_iter_{iteration}.solverstate"
    expected = f"caffe64: {word} before iteration {iteration} (--snapshot {state} goes on from there)"
    assert errors.splitlines()[-1] == expected
    assert "Optimization stopped early." in errors
    assert "Traceback" not in errors


def test_without_snapshot_after_train_a_stop_keeps_nothing(training, start):
    write_solver(training / "solver.prototxt", **ENDLESS, snapshot_after_train="false")
    process = start(TRAIN)
    wait_for(process, "Iteration 5 ")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.endswith("(no snapshot was written)\n")
    assert not snapshots(training)


@pytest.mark.parametrize("ignored", [False, True])
def test_a_hangup_writes_a_snapshot_and_goes_on(training, start, ignored):
    write_solver(training / "solver.prototxt", **ENDLESS)
    before = {"preexec_fn": lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)} if ignored else {}  # as nohup does
    process = start(TRAIN, **before)
    wait_for(process, "Iteration 5 ")
    process.send_signal(signal.SIGHUP)
    wait_for(process, "Snapshotting solver state")
    wait_for(process, "lr = ")
    assert len(snapshots(training)) == 1
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 143


def test_effects_are_chosen(training, start):
    write_solver(training / "solver.prototxt", **ENDLESS)
    process = start(f"{TRAIN} --sigint-effect snapshot --sighup-effect none")
    wait_for(process, "Iteration 5 ")
    process.send_signal(signal.SIGHUP)
    time.sleep(0.2)
    assert not snapshots(training)
    process.send_signal(signal.SIGINT)
    wait_for(process, "Snapshotting solver state")
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 143


def test_signals_are_heard_in_tests(training, start):
    write_solver(training / "solver.prototxt", max_iter=3, snapshot=None, test_iter=10_000_000, test_interval=2)
    process = start(f"{TRAIN} --log-format caffe")
    wait_for(process, "Testing net")
    process.send_signal(signal.SIGHUP)
    wait_for(process, "Snapshotting solver state to binary proto file snap_iter_0.solverstate")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Test interrupted." in errors
    assert "lr =" not in errors


def test_a_reader_that_goes_away_ends_the_run_with_a_snapshot(training, start):
    write_solver(training / "solver.prototxt", **ENDLESS)
    process = start(TRAIN)
    wait_for(process, "Iteration 5 ")
    process.stderr.close()
    assert process.wait(timeout=60) == 141
    assert len(snapshots(training)) == 1


def outcome(folder: Path, iteration: int = 20) -> list[bytes]:
    return [(folder / f"snap_iter_{iteration}.{end}").read_bytes() for end in ("caffemodel", "solverstate")]


@pytest.mark.parametrize("seed", ["", " --seed 7"])
def test_a_resumed_run_has_the_bits_of_an_unbroken_one(training, cli, seed):
    """Data in new orders, Dropout, the test's cursor: all of it is in the state, the seed too."""
    whole = cli(f"{TRAIN}{seed} --log whole.csv")
    expected = outcome(training)
    for path in training.glob("snap_iter_20*"):
        path.unlink()
    resumed = cli(f"{TRAIN} --snapshot snap_iter_10.solverstate")
    assert outcome(training) == expected
    lines = [[line for line in run.stderr.splitlines() if "net output" in line][-3:] for run in (whole, resumed)]
    assert [line.partition("]")[2] for line in lines[0]] == [line.partition("]")[2] for line in lines[1]]


def test_one_and_two_threads_have_the_same_bits(training, cli):
    found = []
    for threads in (1, 2):
        assert cli(f"{TRAIN} --quiet --threads {threads}").exit_code == 0
        found.append(outcome(training))
    assert found[0] == found[1]


def test_kills_at_random_moments_cost_iterations_and_no_bits(training, start):
    """Kill -9, and go on from the newest snapshot, which is whole whenever its state is there."""
    write_solver(training / "solver.prototxt", max_iter=60, snapshot=7, display=0)
    process = start(TRAIN)
    wait_for(process, "] Solving ")
    started = time.monotonic()
    assert process.wait() == 0
    whole, expected = time.monotonic() - started, outcome(training, 60)
    draws, kills = random.Random(11), 0
    while kills < KILLS:
        for path in training.glob("snap*"):
            path.unlink()
        finished = False
        while not finished:
            there = snapshots(training)
            begin = f" --snapshot snap_iter_{there[-1]}.solverstate" if there else ""
            process = start(f"{TRAIN}{begin}")
            wait_for(process, "] Solving ")
            if kills < KILLS:
                with contextlib.suppress(Exception):
                    process.wait(timeout=draws.uniform(0, whole))
                process.kill()
            finished = process.wait() == 0
            kills += not finished
        assert outcome(training, 60) == expected
    assert not [path for path in training.iterdir() if re.search(r"tmp|aside|\.part", path.name)]


def test_two_trainings_in_one_folder_do_not_disturb_each_other(training, cli, start):
    assert cli(f"{TRAIN} --quiet").exit_code == 0
    expected = (training / "snap_iter_20.caffemodel").read_bytes()
    for name in ("one", "two"):
        write_solver(training / f"{name}.prototxt", snapshot_prefix=f'"{name}"')
    processes = [start(f"train --solver {name}.prototxt") for name in ("one", "two")]
    assert [process.communicate(timeout=100) and process.returncode for process in processes] == [0, 0]
    assert (training / "one_iter_20.caffemodel").read_bytes() == expected
    assert (training / "two_iter_20.caffemodel").read_bytes() == expected
