"""demos/mnist: digits are learned as classes and as numbers, drawn, and made into text; wrong files are named."""

from __future__ import annotations

import gzip
import re

import numpy as np
import pytest
from reference import demo
from reference.demo import accuracy
from support import SHARED, needs_shared

Image = pytest.importorskip("PIL.Image")
CHECKOUT_DATA = demo.DEMOS.parent / "data" / "mnist"


@needs_shared
def test_real_digits(tmp_path):
    printed, _ = demo.run("mnist", "--epochs", 2, "--out", "here", data=SHARED, folder=tmp_path)
    assert "MNIST: 60000 digits to train on, 10000 to test on" in printed
    assert accuracy(printed) > 93.5  # measured: 94.5
    for name, width in (("mnist-curve.png", 800), ("mnist-mistakes.png", 1000)):
        with Image.open(tmp_path / "here" / name) as picture:
            assert picture.width > width


def test_classes_and_numbers_are_learned(stripes, tmp_path):
    classes, _ = demo.run("mnist", "--data", stripes, "--out", tmp_path)
    numbers, _ = demo.run("mnist", "--data", stripes, "--out", tmp_path, "--regression")
    for printed in (classes, numbers):
        assert 95 < accuracy(printed) <= 99.4
        for path in re.findall("^wrote (.*)$", printed, re.MULTILINE):
            with Image.open(path) as picture:
                assert picture.width > 800
    assert float(re.search(r"error of the test digits ([\d.]+)", numbers).group(1)) < 1
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {f"mnist{task}-{name}.png" for task in ("", "-regression") for name in ("curve", "mistakes")}


def test_the_same_seed_gives_the_same_result_with_any_threads(stripes, tmp_path):
    options = ("--data", stripes, "--out", tmp_path, "--quick", "--seed", 4)
    first, second = (demo.run("mnist", *options, "--threads", threads)[0] for threads in (1, 2))
    losses = [re.search(r"last training loss ([\d.]+)", printed).group(1) for printed in (first, second)]
    assert losses[0] == losses[1]
    assert "trained 3 epochs" in first


@pytest.mark.skipif(CHECKOUT_DATA.exists(), reason="MNIST is in data/ of this checkout")
@pytest.mark.parametrize(("option", "least"), [((), 95), (("--regression",), 65)])
def test_offline_the_uci_digits_stand_in(option, least, tmp_path, monkeypatch):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # where nothing answers
    printed, notices = demo.run("mnist", *option, "--out", tmp_path)
    assert "Using the UCI digits" in notices
    assert "UCI digits: 1437 digits to train on, 360 to test on" in printed
    assert accuracy(printed) > least  # measured: 97.8 and 74.7
    CHECKOUT_DATA.rmdir()  # left by the attempt to download


def test_missing_and_damaged_files_are_named(stripes, tmp_path):
    _, problem = demo.run("mnist", "--data", tmp_path, code=3)
    assert "does not hold train-images-idx3-ubyte.gz" in problem
    for file in stripes.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(b"no archive")
    _, problem = demo.run("mnist", "--data", tmp_path, code=3)
    assert "t10k-images-idx3-ubyte.gz" in problem
    _, problem = demo.run("mnist", "--epochs", 0, code=2)
    assert "--epochs" in problem


def test_text_files_hold_pixels_less_128_and_labels(stripes, tmp_path):
    done = demo.run_script(demo.DEMOS / "mnist" / "text_files.py", tmp_path, "--data", stripes)
    assert done.returncode == 0, done.stderr
    with gzip.open(stripes / "t10k-images-idx3-ubyte.gz") as file:
        pixels = np.frombuffer(file.read()[16:], np.uint8).astype(int) - 128
    assert np.array_equal(np.loadtxt(tmp_path / "mnistXe.txt", int), pixels.reshape(500, 784))
    assert len((tmp_path / "mnistYn.txt").read_text().split()) == 4000
