"""`caffe64 train` by the words of an optimizer file, with remainder and weights of rows and classes."""

from __future__ import annotations

import re

import numpy as np
import pytest

import caffe64

TRAIN = "train net.txt w.bin optim.txt 395 X.txt Y.txt"
ADAM = "0.01 0 1 0 0.9 3\nadam 0.99\ncosine\nwarmup 0.5\nclip 2\n"


def trained(folder, **options):
    """The weights of the same training from Python."""
    X, Y = np.loadtxt(folder / "X.txt", np.float32)[:395], np.loadtxt(folder / "Y.txt", np.float32)[:395]
    net = caffe64.Net.read(folder / "net.txt")
    net.fit(X, Y, caffe64.read_optimizer(folder / "optim.txt"), **options)
    net.save(folder / "expected.bin")
    return (folder / "expected.bin").read_bytes()


def test_words_and_options_are_those_of_fit(cli, task):
    (task / "optim.txt").write_text(ADAM)
    weights = np.linspace(0, 2, 395)
    np.savetxt(task / "rows.txt", weights)
    (task / "classes.txt").write_text("1 2 0.5\n")
    result = cli(f"{TRAIN} --remainder --row-weights rows.txt --class-weights classes.txt --log run.jsonl")
    assert result.exit_code == 0, result.stderr
    given = (task / "rows.txt").read_text().split()
    options = {"sample_weight": np.array(given, np.float32), "class_weight": [1, 2, 0.5]}
    assert (task / "w.bin").read_bytes() == trained(task, remainder=True, **options)
    rates = [float(rate) for rate in re.findall(r"LR (\S+)", result.stdout)]
    assert len(rates) == 6
    assert rates[0] == pytest.approx(0.01 * (1 + np.cos(np.pi * 19 / 40 / 3)) / 2 * 20 / 20, abs=1e-6)
    assert "LR Drop" not in result.stdout


def test_balanced_classes_need_no_file(cli, task):
    assert cli(f"{TRAIN} --class-weights balanced").exit_code == 0
    balanced = (task / "w.bin").read_bytes()
    assert balanced == trained(task, class_weight="balanced") != trained(task)


def test_a_resumed_run_keeps_remainder_and_needs_its_weights(cli, task):
    (task / "optim.txt").write_text(ADAM)
    np.savetxt(task / "rows.txt", np.linspace(0.5, 2, 395))
    options = "--remainder --row-weights rows.txt"
    assert cli(f"{TRAIN} {options}").exit_code == 0
    whole = (task / "w.bin").read_bytes()
    (task / "optim.txt").write_text(ADAM.replace("0.9 3", "0.9 1"))
    assert cli(f"{TRAIN} {options} --checkpoint run.ckpt").exit_code == 0
    (task / "optim.txt").write_text(ADAM)
    missing = cli(f"{TRAIN} --resume run.ckpt")
    assert missing.exit_code == 2
    assert "the checkpoint's run has weights of rows or classes: give them here as well" in missing.stderr
    result = cli(f"{TRAIN} --row-weights rows.txt --resume run.ckpt")
    assert result.exit_code == 0, result.stderr
    assert "epochs 3 of the optimizer file replaces 1 of the checkpoint" in result.stderr
    (task / "optim.txt").write_text("0.01 0 1 0 0.9 4\nnesterov\n")
    result = cli(f"{TRAIN} --row-weights rows.txt --resume run.ckpt")
    assert "rule nesterov of the optimizer file replaces adam of the checkpoint" in result.stderr
    assert "nesterov begins without the velocity of adam" in result.stderr
    assert len(whole) == (task / "w.bin").stat().st_size


@pytest.mark.parametrize(
    ("text", "option", "message"),
    [
        ("1 2", "--class-weights w.txt", "w.txt: holds 2 numbers, expected 3, a weight for each class"),
        ("1\n-2 3", "--class-weights w.txt", "w.txt:2:1: found -2, expected a weight from 0"),
        ("1 2 3", "--row-weights w.txt", "w.txt: holds 3 numbers"),
        ("", "--row-weights nowhere.txt", "nowhere.txt"),
    ],
)
def test_wrong_weights_are_named(cli, task, text, option, message):
    (task / "w.txt").write_text(text)
    result = cli(f"{TRAIN} {option}")
    assert result.exit_code == 3
    assert message in result.stderr


def test_a_wrong_word_is_named_with_its_place(cli, task):
    (task / "optim.txt").write_text("0.1 2 0.5 0.0001 0.9 3\nadamw\n")
    result = cli(TRAIN)
    assert result.exit_code == 3
    assert "optim.txt:2:1: found 'adamw', expected one of nesterov, adam" in result.stderr
