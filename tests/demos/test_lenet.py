"""demos/lenet: LeNet learns, by Caffe's solver file; the curve and the filters are drawn."""

from __future__ import annotations

import re

import pytest
from reference import demo
from reference.demo import accuracy
from support import SHARED, needs_shared

Image = pytest.importorskip("PIL.Image")
CHECKOUT_DATA = demo.DEMOS.parent / "data" / "mnist"


def test_digits_are_learned(stripes, tmp_path):
    printed, _ = demo.run("lenet", "--data", stripes, "--out", tmp_path, "--iterations", 60)
    assert "MNIST: 4000 digits to train on, 500 to test on; LeNet, 431080 weights" in printed
    assert "trained 60 iterations" in printed
    assert 90 < accuracy(printed) <= 99.4  # three of 500 have a wrong label
    assert re.findall("^wrote (.*)$", printed, re.MULTILINE) == [str(tmp_path / "lenet-training.png")]
    with Image.open(tmp_path / "lenet-training.png") as picture:
        assert picture.width > 1000
    assert [path.name for path in tmp_path.iterdir()] == ["lenet-training.png"]  # and no snapshot


def test_the_same_seed_gives_the_same_result_with_any_threads(stripes, tmp_path):
    options = ("--data", stripes, "--out", tmp_path, "--iterations", 8, "--seed", 3)
    first, second = (demo.run("lenet", *options, "--threads", threads)[0] for threads in (1, 2))
    losses = [re.search(r"last training loss ([\d.]+)", printed).group(1) for printed in (first, second)]
    assert losses[0] == losses[1]


@needs_shared
def test_real_digits(tmp_path):
    printed, _ = demo.run("lenet", "--iterations", 120, "--out", tmp_path, data=SHARED)
    assert "MNIST: 60000 digits to train on, 10000 to test on" in printed
    assert accuracy(printed) > 88  # measured: 90.6


@pytest.mark.skipif(CHECKOUT_DATA.exists(), reason="MNIST is in data/ of this checkout")
def test_offline_the_uci_digits_stand_in(tmp_path, monkeypatch):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # where nothing answers
    printed, notices = demo.run("lenet", "--iterations", 150, "--out", tmp_path)
    assert "Using the UCI digits" in notices
    assert "UCI digits: 1437 digits to train on, 360 to test on" in printed
    assert accuracy(printed) > 90
    CHECKOUT_DATA.rmdir()  # left by the attempt to download


def test_missing_files_are_named(tmp_path):
    _, problem = demo.run("lenet", "--data", tmp_path, code=3)
    assert "does not hold train-images-idx3-ubyte.gz" in problem
    _, problem = demo.run("lenet", "--iterations", 0, code=2)
    assert "--iterations" in problem
