"""demos/finetune: a trained net learns another task from few pictures."""

from __future__ import annotations

import re
import shutil

import numpy as np
import pytest
from reference import demo
from support import SHARED, needs_shared

Image = pytest.importorskip("PIL.Image")
CIFAR = SHARED / "caffe" / "cifar10"


def accuracies(printed: str) -> list[float]:
    found = re.findall(r"^\w+: test accuracy ([\d.]+) %  \((\d+) of (\d+)\)$", printed, re.MULTILINE)
    assert all(abs(float(percent) - 100 * int(right) / int(count)) < 0.006 for percent, right, count in found)
    return [float(percent) for percent, _, _ in found]


@needs_shared
def test_animals_and_vehicles_are_distinguished_after_it(tmp_path):
    printed, _ = demo.run("finetune", "--out", tmp_path, data=SHARED)
    assert "20 pictures to train on, 20 to test on, half of them mirror images; new: ip2_task" in printed
    before, after = accuracies(printed)
    assert after >= 85
    assert after > before
    with Image.open(tmp_path / "finetune-confusion.png") as picture:
        assert picture.width > 600
    tables = re.findall(r"^(?:animal|vehicle) +(\d+) +(\d+)$", printed, re.MULTILINE)
    assert [sum(map(int, row)) for row in tables] == [10, 10, 10, 10]


@needs_shared
def test_the_layers_below_learn_as_well_if_asked_for(tmp_path):
    kept, _ = demo.run("finetune", "--out", tmp_path, "--quick", data=SHARED)
    learned, _ = demo.run("finetune", "--out", tmp_path, "--quick", "--below", 0.1, data=SHARED)
    losses = [float(re.search(r"loss ([\d.]+)", printed)[1]) for printed in (kept, learned)]
    assert losses[0] != losses[1]


@needs_shared
def test_pictures_of_your_own(tmp_path):
    draws = np.random.default_rng(0)
    for number in range(12):
        pixels = draws.integers(0, 256, (40, 30, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"p{number}_{number % 3}.png")
    printed, _ = demo.run("finetune", "--out", tmp_path / "out", "--quick", "--pictures", tmp_path, data=SHARED)
    assert "12 pictures to train on, 12 to test on" in printed


@needs_shared
def test_what_is_missing_is_named(tmp_path):
    _, problem = demo.run("finetune", "--data", tmp_path, code=3)
    assert "does not hold train_val.prototxt, cifar10.caffemodel" in problem
    _, problem = demo.run("finetune", data=tmp_path, code=3)
    assert "HolmesShuan/Caffe-Computation-Graph-Optimization" in problem
    _, problem = demo.run("finetune", "--pictures", tmp_path, data=SHARED, code=3)
    assert "holds no pictures NAME_LABEL.png" in problem
    shutil.copy(CIFAR / "train_val.prototxt", tmp_path)
    (tmp_path / "cifar10.caffemodel").write_bytes(b"no model")
    shutil.copytree(CIFAR / "images", tmp_path / "images")
    _, problem = demo.run("finetune", "--data", tmp_path, code=3)
    assert "cifar10.caffemodel" in problem
