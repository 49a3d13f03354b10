"""Scripts written for the original run unchanged: the command lines of its Makefile, and a loop like its bridges.py.

They call `caffe64` by name, with relative paths, through a shell, and look at nothing but files and exit codes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

RUNS = 20
MAKEFILE = """\
clsTrain:
	mkdir -p netWeights
	caffe64 train mnist/network5.txt netWeights/weights.bin mnist/optimsetting.txt 300 \\
		mnist/mnistX.txt mnist/mnistYn.txt

clsTest:
	caffe64 test mnist/network5.txt netWeights/weights.bin 250 mnist/mnistXe.txt mnist/p.txt

regTrain:
	mkdir -p netWeights
	caffe64 train mnist/networkReg.txt netWeights/weightsreg.bin mnist/optimsetting.txt 300 \\
		mnist/mnistX.txt mnist/mnistYn.txt

regTest:
	caffe64 test mnist/networkReg.txt netWeights/weightsreg.bin 250 mnist/mnistXe.txt mnist/preg.txt
"""


@pytest.fixture
def shell(tmp_path):
    """Runs a shell command in tmp_path with `caffe64` on PATH."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "caffe64").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m caffe64 "$@"\n')
    (programs / "caffe64").chmod(0o755)

    def run(command: str) -> str:
        environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
        done = subprocess.run(command, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    return run


def write_digits(folder: Path) -> None:
    """Files of the original's names and forms: pixels as value - 128 in rows of 784, labels one per line."""
    random = np.random.default_rng(3)
    for images, labels, rows in (("mnistX.txt", "mnistYn.txt", 300), ("mnistXe.txt", "mnistYen.txt", 250)):
        np.savetxt(folder / images, random.integers(-128, 128, (rows, 784)), fmt="%d")
        np.savetxt(folder / labels, random.integers(0, 10, rows), fmt="%d")
    (folder / "network5.txt").write_text("5\ninp 784 100\nlin 100 -2\nrel\nlin 10 -2\nsce\n")
    (folder / "networkReg.txt").write_text("7\ninp 784 100\nlin 50 -2\nrel\nlin 10 -2\nrel\nlin 1 -2\nl2l\n")
    (folder / "optimsetting.txt").write_text("0.0001\n5\n0.1\n0.00001\n0.9\n15\n")


def test_the_targets_of_the_makefile(shell, tmp_path):
    (tmp_path / "mnist").mkdir()
    write_digits(tmp_path / "mnist")
    (tmp_path / "Makefile").write_text(MAKEFILE)
    for target, drops in (("clsTrain", 3), ("regTrain", 3), ("clsTest", 0), ("regTest", 0)):
        printed = shell(f"make {target}")
        assert printed.count("LR Drop. Multiplying by 0.100000") == drops
        assert "Finished normally in" in printed
    assert np.loadtxt(tmp_path / "mnist" / "p.txt").shape == (250, 10)
    assert np.loadtxt(tmp_path / "mnist" / "preg.txt").shape == (250,)
    np.testing.assert_allclose(np.loadtxt(tmp_path / "mnist" / "p.txt").sum(1), 1, atol=1e-5)


def test_many_runs_on_tiny_files_as_bridges_does(shell, tmp_path):
    random = np.random.default_rng(4)
    (tmp_path / "bridgenet.txt").write_text("3\ninp 82 10\nlin 4 -1\nsce\n")
    (tmp_path / "bridge_optimsetting.txt").write_text("0.01\n10\n0.1\n0.00001\n0.5\n20\n")
    accuracies = []
    for _ in range(RUNS // 2):  # a train and a test each
        y = random.integers(0, 4, 100).astype(float)
        X = (random.random((100, 82)) < 0.1).astype(float)
        X[:, :4] = np.eye(4)[y.astype(int)]
        for name, values in (("Xr", X[:90]), ("yr", y[:90]), ("Xe", X[90:])):
            np.savetxt(tmp_path / f"{name}.txt", values, "%f", delimiter=" ")
        shell("caffe64 train bridgenet.txt bridge.bin bridge_optimsetting.txt 90 Xr.txt yr.txt > /dev/null")
        shell("caffe64 test bridgenet.txt bridge.bin 10 Xe.txt yep.txt > /dev/null ")
        accuracies.append((np.loadtxt(tmp_path / "yep.txt").argmax(1) == y[90:]).mean())
    assert np.mean(accuracies) > 0.6, "chance gives 0.25"
