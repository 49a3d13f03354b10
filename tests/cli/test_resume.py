"""--checkpoint and --resume: the same bits as an unbroken run, and what may change."""

from __future__ import annotations

import json
import re

import pytest

TRAIN = "train net.txt w.bin optim.txt 400 X.txt Y.txt"
VALIDATION = "--val-x X.txt --val-y Y.txt"


@pytest.fixture
def unbroken(cli, task) -> bytes:
    """The weights after three epochs in one run; two of them are kept in run.ckpt."""
    assert cli(f"{TRAIN} --log whole.jsonl {VALIDATION}").exit_code == 0
    weights = (task / "w.bin").read_bytes()
    (task / "optim.txt").write_text("0.1 2 0.5 0.0001 0.9 2")
    assert cli(f"{TRAIN} --checkpoint run.ckpt {VALIDATION}").exit_code == 0
    (task / "optim.txt").write_text("0.1 2 0.5 0.0001 0.9 3")
    return weights


def test_a_resumed_run_ends_with_the_bits_of_an_unbroken_one(cli, task, unbroken):
    result = cli(f"{TRAIN} --resume run.ckpt --log resumed.jsonl {VALIDATION}")
    assert result.exit_code == 0
    assert (task / "w.bin").read_bytes() == unbroken
    assert "caffe64: resuming run.ckpt after epoch 2\n" in result.stderr
    assert untimed(task / "resumed.jsonl") == untimed(task / "whole.jsonl")


def untimed(log) -> list[dict]:
    """The records of a log without the measured times."""
    records = [json.loads(line) for line in log.read_text().splitlines()]
    return [{name: record[name] for name in record if "second" not in name} for record in records]


def test_a_changed_value_is_applied_and_said(cli, task, unbroken):
    (task / "optim.txt").write_text("0.01 2 0.5 0.0001 0.9 3")
    result = cli(f"{TRAIN} --resume run.ckpt --seed 7 --no-shuffle")
    assert result.exit_code == 0
    for line in (
        "rate 0.01 of the optimizer file replaces 0.1 of the checkpoint",
        "epochs 3 of the optimizer file replaces 2 of the checkpoint",
        "seed 7 replaces 0 of the checkpoint",
        "--no-shuffle replaces --shuffle of the checkpoint",
    ):
        assert f"caffe64: {line}\n" in result.stderr
    assert "LR 0.005000" in result.stdout
    assert (task / "w.bin").read_bytes() != unbroken


def test_what_does_not_change_is_not_mentioned(cli, task, unbroken):
    result = cli(f"{TRAIN} --resume run.ckpt --seed 0 --shuffle")
    assert re.findall("(.*) replaces", result.stderr) == ["caffe64: epochs 3 of the optimizer file"]


def test_a_finished_run_says_so_and_writes_the_weights(cli, task, unbroken):
    (task / "optim.txt").write_text("0.1 2 0.5 0.0001 0.9 2")
    (task / "w.bin").unlink()
    result = cli(f"{TRAIN} --resume run.ckpt")
    assert result.exit_code == 0
    assert "caffe64: already finished at epoch 2; " in result.stderr
    assert (task / "w.bin").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("net.txt", "lin 8", "lin 9"), "the net differs"),
        (("net.txt", "inp 4 10", "inp 4 20"), "the net differs"),
        (("command", " 400 ", " 390 "), "400 rows, here are 390"),
    ],
)
def test_another_net_minibatch_or_row_count_is_an_error(cli, task, unbroken, change, message):
    place, old, new = change
    command = TRAIN.replace(old, new) if place == "command" else TRAIN
    if place != "command":
        (task / place).write_text((task / place).read_text().replace(old, new))
    result = cli(f"{command} --resume run.ckpt")
    assert result.exit_code in (2, 3)
    assert message in result.stderr


def test_checkpoint_every_skips_epochs_but_not_the_last(cli, task, monkeypatch):
    from caffe64.cli import train_run

    written = []
    monkeypatch.setattr(train_run, "write_checkpoint", lambda path, state: written.append(state.epoch))
    assert cli(f"{TRAIN} --checkpoint run.ckpt --checkpoint-every 2").exit_code == 0
    assert written == [2, 3]


@pytest.mark.parametrize("content", ["", "junk", "PK\x03\x04 more junk"])
def test_a_damaged_checkpoint_exits_3(cli, task, content):
    (task / "run.ckpt").write_text(content)
    result = cli(f"{TRAIN} --resume run.ckpt")
    assert result.exit_code == 3
    assert result.stderr.startswith("caffe64: error: run.ckpt: ")
    assert result.stderr.count("\n") == 1


def test_one_file_for_checkpoint_and_resume_begins_once_and_then_goes_on(cli, task, unbroken):
    (task / "run.ckpt").unlink()
    job = f"{TRAIN} --checkpoint run.ckpt --resume ./run.ckpt"
    (task / "optim.txt").write_text("0.1 2 0.5 0.0001 0.9 2")
    first = cli(job)
    assert first.exit_code == 0
    assert "caffe64: there is no run.ckpt yet: the run begins\n" in first.stderr
    (task / "optim.txt").write_text("0.1 2 0.5 0.0001 0.9 3")
    second = cli(job)
    assert second.exit_code == 0
    assert "caffe64: resuming run.ckpt after epoch 2\n" in second.stderr
    assert (task / "w.bin").read_bytes() == unbroken


@pytest.mark.parametrize("checkpoint", ["", " --checkpoint run.ckpt"])
def test_a_typing_error_never_begins_a_run_anew(cli, task, checkpoint):
    result = cli(f"{TRAIN}{checkpoint} --resume rum.ckpt")
    assert (result.exit_code, result.stderr) == (3, "caffe64: error: Couldn't find file rum.ckpt\n")
    assert not (task / "w.bin").exists()


def test_a_damaged_checkpoint_never_begins_a_run_anew(cli, task):
    (task / "run.ckpt").write_text("junk")
    assert cli(f"{TRAIN} --checkpoint run.ckpt --resume run.ckpt").exit_code == 3
    assert (task / "run.ckpt").read_text() == "junk"


def test_init_is_for_a_run_that_begins(cli, task, unbroken):
    assert cli(f"{TRAIN} --init w.bin --resume run.ckpt").exit_code == 2
    job = f"{TRAIN} --init w.bin --checkpoint run.ckpt --resume run.ckpt"
    result = cli(job)
    assert result.exit_code == 0
    assert "caffe64: --init w.bin is for a run that begins: the checkpoint's weights are taken\n" in result.stderr
    assert (task / "w.bin").read_bytes() == unbroken
    (task / "run.ckpt").unlink()
    assert cli(job).exit_code == 0
    assert (task / "w.bin").read_bytes() != unbroken
