"""What the README shows is true: its code runs, and its example layer is the tested one."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def block(start: str) -> str:
    """The one Python block that begins with `start`."""
    (found,) = [text for text in PYTHON if text.startswith(start)]
    return found


def test_the_layer_shown_is_the_one_that_is_tested():
    assert (ROOT / "tests" / "data" / "leaky.py").read_text() in PYTHON


def test_the_example_of_the_api_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    X, Y = random.random((300, 784), np.float32), random.integers(0, 10, 300)
    names = {"X": X, "Y": Y, "X_val": X[:50], "Y_val": Y[:50], "X_test": X[:7]}
    exec(block("import caffe64"), names)
    assert names["posteriors"].shape == (7, 10)
    assert (tmp_path / "weights.bin").stat().st_size == 8 + 5 * 8 + 4 * 79510


def test_the_example_of_the_kernels_runs():
    names = {}
    exec(block("import numba"), names)
    random = np.random.default_rng(1)
    x, W1, W2 = (random.standard_normal(shape, np.float32) for shape in ((5, 8), (8, 6), (6, 3)))
    b1, b2 = random.standard_normal(6, np.float32), random.standard_normal(3, np.float32)
    hidden, y = np.empty((5, 6), np.float32), np.empty((5, 3), np.float32)
    names["two_layers"](x, W1, b1, W2, b2, hidden, y)
    np.testing.assert_allclose(y, np.maximum(x @ W1 + b1, 0) @ W2 + b2, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("command", ["train", "test", "eval", "info", "convert", "warmup", "doctor", "cache"])
def test_every_command_is_in_the_readme_and_in_the_program(command):
    from typer.testing import CliRunner

    from caffe64.cli.app import app

    assert re.search(rf"\b{command}\b", README)
    assert CliRunner().invoke(app, [command, "--help"]).exit_code == 0


def test_every_option_of_train_is_in_the_readme():
    from typer.testing import CliRunner

    from caffe64.cli.app import app

    shown = set(re.findall(r"--[a-z][a-z-]*", CliRunner().invoke(app, ["train", "--help"]).stdout))
    named = set(re.findall(r"--[a-z][a-z-]*", README)) | {"--help", "--shuffle"}
    assert shown <= named, shown - named
