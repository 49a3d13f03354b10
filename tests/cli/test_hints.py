"""Hints of `caffe64 train`: once, on stderr, with the remedy; none with --quiet and for the task of the other tests."""

from __future__ import annotations

import re

import numpy as np
import pytest

TRAIN = "train net.txt w.bin optim.txt all X.txt Y.txt"


def hints(result) -> list[str]:
    return re.findall("^caffe64: hint: (.*)$", result.stderr, re.MULTILINE)


@pytest.fixture
def odd(task):
    X = np.loadtxt("X.txt")
    X[:, 2] *= 1e5
    np.savetxt("X.txt", X, fmt="%.6f")
    (task / "optim.txt").write_text("1e-30 0 1 0 0 6")
    return task


def test_usual_data_give_none(cli, task):
    assert hints(cli(TRAIN)) == []


def test_what_is_unusual_is_said_once(cli, odd):
    result = cli(f"{TRAIN} --checkpoint run.ckpt")
    assert result.exit_code == 0
    features, loss = hints(result)
    assert features.startswith("feature 3 has values up to ")
    assert loss.startswith("the loss has not fallen in 5 epochs, from ")
    assert "hint" not in result.stdout
    assert cli(f"{TRAIN} --quiet").stderr == ""
    (odd / "optim.txt").write_text("1e-30 0 1 0 0 9")
    assert hints(cli(f"{TRAIN} --resume run.ckpt")) == []


def test_a_resumed_run_says_what_its_loss_has_done_since_the_first_epoch(cli, odd):
    (odd / "optim.txt").write_text("1e-30 0 1 0 0 4")
    assert len(hints(cli(f"{TRAIN} --checkpoint run.ckpt"))) == 2
    (odd / "optim.txt").write_text("1e-30 0 1 0 0 9")
    (loss,) = hints(cli(f"{TRAIN} --resume run.ckpt"))
    assert loss.startswith("the loss has not fallen in 5 epochs, ")


def test_a_rare_class_that_is_weighed_is_none(cli, task):
    Y = np.zeros(400)
    Y[:5], Y[5:200] = 1, 2
    (task / "optim.txt").write_text("0.01 0 1 0 0 1")
    np.savetxt("Y.txt", Y, fmt="%d")
    assert hints(cli(TRAIN))[0].startswith("class 1 (5 of 400 rows) is rare: ")
    assert hints(cli(f"{TRAIN} --class-weights balanced")) == []


def test_hints_about_a_table_name_its_columns_and_labels(cli, task):
    random = np.random.default_rng(0)
    rows = [f"{random.uniform(1, 2):.3f},{random.uniform(0, 9e4):.0f},{'odd' if n < 5 else 'even'}" for n in range(400)]
    (task / "table.csv").write_text("\n".join(["size,income,kind", *rows]))
    (task / "net.txt").write_text("3\ninp ? 10\nlin ? -1\nsce\n")
    (task / "optim.txt").write_text("1e-9 0 1 0 0 1")
    features, rare = hints(cli("train net.txt model.c64 optim.txt all table.csv --target kind"))
    assert features.startswith("feature 2 (income) has values up to ")
    assert "feature 1 (size) only up to " in features
    assert rare.startswith("class 'odd' (5 of 400 rows) is rare: ")
