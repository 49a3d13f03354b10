"""`caffe64 train` under mpiexec: real processes, real exchange, real ends."""

from __future__ import annotations

import dataclasses
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from reference.hosts import network
from reference.mpi import RANK, MpiRun, needs_mpi, options, ours

from caffe64.formats.checkpoint import read_checkpoint

pytestmark = needs_mpi

PROGRAM = f"{sys.executable} -m caffe64"
TRAIN = "train net.txt w.bin optim.txt all X.npy Y.npy --shards 4 --threads 1"
ENDLESS = "0.01 2 0.9 0.0001 0.9 1000000\n"


@pytest.fixture(scope="module")
def task(tmp_path_factory) -> Path:
    """net.txt, optim.txt, X.npy, Y.npy: five classes in forty features, minibatches of 50 rows; `reference/` holds what
    one process makes of them."""
    folder = tmp_path_factory.mktemp("task")
    source = np.random.default_rng(5)
    X = source.standard_normal((1000, 40)).astype(np.float32)
    Y = (X @ source.standard_normal((40, 5))).argmax(axis=1).astype(np.float32)
    np.save(folder / "X.npy", X)
    np.save(folder / "Y.npy", Y.reshape(-1, 1))
    (folder / "net.txt").write_text("5\ninp 40 50\nlin 64 -1\nrel\nlin 5 -1\nsce\n")
    (folder / "optim.txt").write_text("0.01 2 0.5 0.0001 0.9 3\n")
    return folder


def alone(folder: Path, words: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", "caffe64", *words.split()], cwd=folder, capture_output=True, text=True)


@pytest.fixture
def runs():
    """runs(ranks, command, folder) starts one; what still runs is killed."""
    started = []

    def start(*arguments) -> MpiRun:
        started.append(MpiRun(*arguments))
        return started[-1]

    yield start
    for run in started:
        run.kill()


@pytest.fixture
def folder(task, tmp_path) -> Path:
    """A folder of its own with the task's files."""
    for path in task.iterdir():
        (tmp_path / path.name).symlink_to(path)
    return tmp_path


def equal_state(one: Path, other: Path) -> bool:
    """Whether two checkpoints hold the same bits, but for the seconds of their records."""
    found = []
    for path in (one, other):
        state = dataclasses.asdict(read_checkpoint(path))
        for record in state["history"]:
            record.pop("seconds"), record.pop("rows_per_second")
        found.append([each.tobytes() if isinstance(each, np.ndarray) else each for each in state.values()])
    return found[0] == found[1]


def test_ranks_write_and_print_what_one_process_does(folder, runs):
    options = "--checkpoint {0}.ckpt --log {0}.jsonl --val-x X.npy --val-y Y.npy"
    one = alone(folder, f"{TRAIN.replace('w.bin', 'one.bin')} {options.format('one')}")
    assert one.returncode == 0, one.stderr
    code, printed, errors = runs(2, f"{PROGRAM} {TRAIN} {options.format('two')}", folder).end()
    assert code == 0, errors
    assert (folder / "w.bin").read_bytes() == (folder / "one.bin").read_bytes()
    assert equal_state(folder / "one.ckpt", folder / "two.ckpt")
    same = [re.sub(r"in \d+s", "", text) for text in (printed, one.stdout)]
    assert same[0] == same[1]
    said = ours(errors)
    assert len(said) == 6  # three validations and the best of them, the seed, the exchange: each once
    assert "4 shards, 2 ranks with so many threads each" in said[0]
    exchange = (
        r"2 ranks: [\d,]+ us per minibatch, [\d,]+ computing, [\d,]+ exchanging; one rank would take about [\d,]+"
    )
    assert [line for line in said if re.search(exchange, line)]


def test_ranks_stop_early_together_and_keep_the_best_weights(folder, runs):
    """Answers that have nothing to do with the inputs: the better the net fits others, the worse it fits these."""
    np.save(folder / "V.npy", np.random.default_rng(6).integers(0, 5, (1000, 1)).astype(np.float32))
    (folder / "optim.txt").unlink()
    (folder / "optim.txt").write_text(ENDLESS)
    words = f"{TRAIN} --val-x X.npy --val-y V.npy --patience 2 --keep-best --checkpoint run.ckpt"
    one = alone(folder, words.replace("w.bin", "one.bin").replace("run.ckpt", "one.ckpt"))
    assert one.returncode == 0, one.stderr
    code, _, errors = runs(2, f"{PROGRAM} {words}", folder).end()
    assert code == 0, errors
    assert (folder / "w.bin").read_bytes() == (folder / "one.bin").read_bytes()
    assert equal_state(folder / "one.ckpt", folder / "run.ckpt")
    assert ours(errors)[-2:] == ours(one.stderr)[-2:]
    assert "2 epochs without a lower validation loss" in ours(errors)[-2]
    (folder / "w.bin").unlink()
    code, _, errors = runs(2, f"{PROGRAM} {words} --resume run.ckpt", folder).end()
    assert code == 0, errors
    assert "a larger --patience goes on" in errors
    assert (folder / "w.bin").read_bytes() == (folder / "one.bin").read_bytes()


def started(folder: Path, runs, ranks: int, options: str) -> tuple[MpiRun, dict[int, int]]:
    """An endless run that has written a checkpoint, and the processes of its ranks."""
    (folder / "optim.txt").unlink()
    (folder / "optim.txt").write_text(ENDLESS)
    run = runs(ranks, f"sh -c 'echo $$ > pid{RANK}; exec {PROGRAM} {TRAIN} --checkpoint run.ckpt {options}'", folder)
    until = time.monotonic() + 60
    while not (folder / "run.ckpt").exists() and time.monotonic() < until and run.process.poll() is None:
        time.sleep(0.02)
    assert (folder / "run.ckpt").exists(), run.texts()
    return run, {rank: int((folder / f"pid{rank}").read_text()) for rank in range(ranks)}


def test_a_killed_rank_ends_all_and_any_number_resumes_to_the_bits_of_an_unbroken_run(folder, runs):
    run, processes = started(folder, runs, 2, "")
    os.kill(processes[1], signal.SIGKILL)
    code, _, _ = run.end(30)
    assert code != 0
    assert not (folder / "w.bin").exists()
    epochs = read_checkpoint(folder / "run.ckpt").epoch + 2
    (folder / "optim.txt").write_text(ENDLESS.replace("1000000", str(epochs)))
    unbroken = alone(folder, TRAIN.replace("w.bin", "unbroken.bin"))
    assert unbroken.returncode == 0, unbroken.stderr
    resume = TRAIN.replace("--shards 4", "--resume run.ckpt")
    for ranks in (1, 2, 4):
        if ranks == 1:
            assert alone(folder, resume).returncode == 0
        else:
            code, _, errors = runs(ranks, f"{PROGRAM} {resume}", folder).end()
            assert code == 0, errors
        assert (folder / "w.bin").read_bytes() == (folder / "unbroken.bin").read_bytes(), ranks
        (folder / "w.bin").unlink()


@pytest.mark.parametrize(
    ("rank", "number", "word"), [(1, signal.SIGTERM, "terminated"), (0, signal.SIGINT, "interrupted")]
)
def test_a_signal_to_any_rank_ends_all_with_a_checkpoint(folder, runs, rank, number, word):
    run, processes = started(folder, runs, 2, "")
    os.kill(processes[rank], number)
    code, _, errors = run.end(30)
    assert code == 128 + number, errors
    assert re.fullmatch(
        rf"caffe64: {word} (in|after) epoch .*\(--resume run.ckpt goes on from there\)", ours(errors)[-1]
    )
    saved = read_checkpoint(folder / "run.ckpt")
    assert saved.shards == 4
    assert saved.epoch * 20 + saved.step > 0


def test_a_bad_file_on_one_rank_ends_all_with_one_message(folder, runs):
    whole = (folder / "Y.npy").read_bytes()
    (folder / "bad.npy").write_bytes(whole[: len(whole) // 2])
    choice = f'if [ "{RANK}" = 1 ]; then Y=bad.npy; else Y=Y.npy; fi; exec {PROGRAM} {TRAIN.replace("Y.npy", "$Y")}'
    begun = time.monotonic()
    code, _, errors = runs(2, f"sh -c '{choice}'", folder).end()
    assert code == 3, errors
    assert time.monotonic() - begun < 60  # 10 on a machine of its own
    (message,) = [line for line in ours(errors) if "error" in line]
    assert message.startswith("caffe64: error: rank 1: bad.npy: is ")
    assert not (folder / "w.bin").exists()


def test_a_failure_of_rank_0_alone_ends_all_with_its_exit_code(folder, runs):
    (folder / "full.csv").symlink_to("/dev/full")
    code, _, errors = runs(2, f"{PROGRAM} {TRAIN} --log full.csv", folder).end()
    assert code == 3, errors
    assert [line for line in ours(errors) if "error" in line] == ["caffe64: error: full.csv: No space left on device"]


def test_hosts_that_reach_each_other_by_tcp_alone_give_the_same_bits(folder):
    one = alone(folder, TRAIN.replace("w.bin", "one.bin"))
    assert one.returncode == 0, one.stderr
    with network(2) as hosts:
        words = options(hosts.addresses, hosts.shell, hosts.subnet)
        run = MpiRun(2, f"{PROGRAM} {TRAIN}", folder, before=hosts.before, extra=words)
        try:
            code, _, errors = run.end()
        finally:
            run.kill()
    assert code == 0, errors
    assert (folder / "w.bin").read_bytes() == (folder / "one.bin").read_bytes()
