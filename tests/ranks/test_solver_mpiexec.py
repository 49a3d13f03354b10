"""`caffe64 train --solver` under mpiexec: real processes, real exchange, real ends."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from pathlib import Path

import lmdb
import pytest
from reference.hosts import network
from reference.mpi import RANK, MpiRun, needs_mpi, options, ours
from reference.shard_training import train, write_training

from caffe64.formats.caffe.solver_state import read_state

pytestmark = needs_mpi

TRAIN = f"{sys.executable} -m caffe64 train --solver solver.prototxt --threads 1"
LAST = 'snapshot: 100 lr_policy: "fixed" max_iter: 108'
ENDLESS = LAST.replace("108", "1000000")


@pytest.fixture
def runs(tmp_path):
    """runs(ranks, command) starts one; what still runs is killed."""
    started = []

    def start(ranks: int, command: str) -> MpiRun:
        started.append(MpiRun(ranks, command, tmp_path))
        return started[-1]

    yield start
    for run in started:
        run.kill()


def until_there(run: MpiRun, *paths: Path) -> None:
    until = time.monotonic() + 60
    while not all(path.exists() for path in paths) and time.monotonic() < until and run.process.poll() is None:
        time.sleep(0.02)
    assert all(path.exists() for path in paths), run.texts()


def test_ranks_write_and_log_what_one_process_does_and_go_on_after_a_kill(tmp_path, runs):
    path = write_training(tmp_path, ENDLESS)
    run = runs(2, f"sh -c 'echo $$ > pid{RANK}; exec {TRAIN} --shards 4 --quiet'")
    until_there(run, tmp_path / "snap_iter_100.solverstate", tmp_path / "pid1")
    os.kill(int((tmp_path / "pid1").read_text()), signal.SIGKILL)
    assert run.end(30)[0] != 0
    for file in tmp_path.glob("snap_*"):
        if "_100." not in file.name:
            file.unlink()
    path = write_training(tmp_path, LAST)
    whole = train(path, 4)[0]
    names = ("snap_iter_108.caffemodel", "snap_iter_108.solverstate")
    expected = [(tmp_path / name).read_bytes() for name in names]
    assert (
        train(path, 4, state=str(tmp_path / "snap_iter_100.solverstate"))[0].weights.tobytes()
        == whole.weights.tobytes()
    )
    for ranks in (2, 4):
        for name in names:
            (tmp_path / name).unlink()
        code, printed, errors = runs(ranks, f"{TRAIN} --snapshot snap_iter_100.solverstate").end()
        assert (code, printed) == (0, ""), errors
        assert [(tmp_path / name).read_bytes() for name in names] == expected, ranks
        log = [re.sub(r"^.*?\] ", "", line) for line in errors.splitlines() if "caffe64: " not in line]
        (said,) = ours(errors)
        exchange = (
            rf"{ranks} ranks: [\d,]+ us per iteration, [\d,]+ computing, [\d,]+ exchanging; one rank would take .*"
        )
        assert re.search(exchange, said)
        last = next(line for line in whole.log if line.startswith("Iteration 106, lr"))
        assert log[log.index(last) :] == whole.log[whole.log.index(last) :], ranks


@pytest.mark.parametrize(("rank", "number", "word"), [(1, signal.SIGTERM, "terminated")])
def test_a_signal_to_any_rank_ends_all_with_a_snapshot(tmp_path, runs, rank, number, word):
    write_training(tmp_path, ENDLESS)
    run = runs(2, f"sh -c 'echo $$ > pid{RANK}; exec {TRAIN} --shards 2 --quiet'")
    until_there(run, tmp_path / "snap_iter_100.solverstate", tmp_path / f"pid{rank}")
    os.kill(int((tmp_path / f"pid{rank}").read_text()), number)
    code, _, errors = run.end(30)
    assert code == 128 + number, errors
    (line,) = ours(errors)
    found = re.fullmatch(rf"caffe64: {word} before iteration (\d+) \(--snapshot (\S+) goes on from there\)", line)
    assert found, line
    assert read_state(found[2]).iteration == int(found[1]) > 100


def test_a_bad_file_on_one_rank_ends_all_with_one_message(tmp_path, runs):
    write_training(tmp_path)
    net = (tmp_path / "net.prototxt").read_text()
    (tmp_path / "bad.prototxt").write_text(
        (tmp_path / "solver.prototxt").read_text().replace("net.proto", "bad_net.proto")
    )
    (tmp_path / "bad_net.prototxt").write_text(net.replace("train_db", "gone_db"))
    choice = f'if [ "{RANK}" = 1 ]; then S=bad; else S=solver; fi; exec {TRAIN.replace("solver.proto", "$S.proto")}'
    code, _, errors = runs(2, f"sh -c '{choice} --shards 2'").end()
    assert code == 3, errors
    (message,) = [line for line in ours(errors) if "error" in line]
    assert message.startswith("caffe64: error: rank 1: ")
    assert "gone_db', which does not exist" in message


def test_a_record_that_is_damaged_ends_all_when_its_rank_comes_to_it(tmp_path, runs):
    """And several processes without --shards are an error."""
    write_training(tmp_path, "max_iter: 100000")
    path = tmp_path / "train_db" / "data.mdb"
    with lmdb.open(str(path.parent), map_size=1 << 26) as environment, environment.begin(write=True) as transaction:
        transaction.put(b"00000015", b"\xff")  # shard 1 of 2 has it
    code, _, errors = runs(2, f"{TRAIN} --shards 2 --quiet").end()
    assert code == 3, errors
    (message,) = ours(errors)
    assert re.match(r"caffe64: error: rank 1: .*train_db: record 15 ", message)
    code, _, errors = runs(2, f"{TRAIN} --quiet").end()
    assert code == 2, errors
    assert ours(errors) == [
        "caffe64: error: 2 processes need --shards 2, or a larger power of two: the parts of each batch that they share"
    ]


def test_hosts_that_reach_each_other_by_tcp_alone_give_the_same_bits(tmp_path):
    path = write_training(tmp_path, "iter_size: 2 clip_gradients: 0.5")
    expected = train(path, 4)[0].saved
    files = {name: Path(name).read_bytes() for name in (expected.model, expected.state)}
    for name in files:
        Path(name).unlink()
    with network(2) as hosts:
        words = options(hosts.addresses, hosts.shell, hosts.subnet)
        run = MpiRun(2, f"{TRAIN} --shards 4 --quiet", tmp_path, before=hosts.before, extra=words)
        code, _, errors = run.end()
    assert code == 0, errors
    assert {name: Path(name).read_bytes() for name in files} == files
