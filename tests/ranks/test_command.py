"""`caffe64 train --shards` in one process, and what it says of ranks."""

from __future__ import annotations

import numpy as np
import pytest
from typer.testing import CliRunner

from caffe64.cli.app import app
from caffe64.cli.progress import rank_line
from caffe64.formats.checkpoint import read_checkpoint
from caffe64.ranks.times import RankTimes

TRAIN = "train net.txt w.bin optim.txt all X.npy Y.npy"


@pytest.fixture(autouse=True)
def task(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = np.random.default_rng(5)
    X = source.standard_normal((40, 6)).astype(np.float32)
    np.save("X.npy", X)
    np.save("Y.npy", (X[:, :1] > 0).astype(np.float32))
    (tmp_path / "net.txt").write_text("5\ninp 6 10\nlin 9 -0.5\nrel\nlin 2 -0.5\nsce\n")
    (tmp_path / "optim.txt").write_text("0.1 0 1 0.001 0.9 2\n")
    return tmp_path


def run(command: str):
    return CliRunner().invoke(app, command.split(), prog_name="caffe64")


def test_shards_are_said_recorded_and_taken_from_the_checkpoint(task):
    done = run(f"{TRAIN} --shards 4 --checkpoint run.ckpt")
    assert done.exit_code == 0, done.stderr
    assert "parameters, 40 rows, 4 shards\n" in done.stderr
    assert read_checkpoint("run.ckpt").shards == 4
    (task / "optim.txt").write_text("0.1 0 1 0.001 0.9 4\n")
    assert run(f"{TRAIN} --resume run.ckpt").exit_code == 0
    resumed = (task / "w.bin").read_bytes()
    assert run(f"{TRAIN} --shards 4").exit_code == 0
    assert (task / "w.bin").read_bytes() == resumed
    assert run(f"{TRAIN}").exit_code == 0
    assert (task / "w.bin").read_bytes() != resumed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--shards 3", "shards are 3, expected a power of two: 1, 2, 4, 8, ..."),
        ("--shards 16", "a minibatch of 10 rows cannot be cut into 16 shards (fewer, or a larger one)"),
        ("--shards 2 --resume run.ckpt", "the checkpoint's run has 4 shards, here are 2: the sums would be others"),
    ],
)
def test_wrong_numbers_of_shards_are_said_before_anything_is_written(task, options, message):
    assert run(f"{TRAIN} --shards 4 --checkpoint run.ckpt").exit_code == 0
    (task / "w.bin").unlink()
    done = run(f"{TRAIN} {options}")
    assert done.exit_code == 2
    assert f"caffe64: error: {message}" in done.stderr
    assert not (task / "w.bin").exists()


def test_one_shard_writes_the_checkpoint_that_there_was_before_shards(task):
    for options, name in (("", "one"), ("--shards 1", "other")):
        assert run(f"{TRAIN} {options} --checkpoint {name}.ckpt").exit_code == 0
        assert b"shards" not in (task / f"{name}.ckpt").read_bytes()


@pytest.mark.parametrize(
    ("times", "line"),
    [
        (
            RankTimes(1000, 3.0, 1.0),
            "4 ranks: 3,000 us per minibatch, 2,000 computing, 1,000 exchanging; one rank would take about 8,000",
        ),
        (
            RankTimes(1000, 0.5, 0.4),
            "4 ranks: 500 us per minibatch, 100 computing, 400 exchanging; one rank would take about 400: the ranks "
            "cost more than they bring (fewer ranks, or a larger minibatch)",
        ),
    ],
)
def test_whether_ranks_are_worth_it(times, line):
    assert rank_line(times, 4) == line


def test_no_minibatches_are_no_error():
    assert rank_line(RankTimes(), 2).startswith("2 ranks: 0 us per minibatch")
