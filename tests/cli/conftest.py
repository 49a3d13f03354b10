"""A small learnable task in files, and two ways to run the program: in this process, and as a process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

NET = "5\ninp 4 10\nlin 8 -1\nrel\nlin 3 -1\nsce\n"
OPTIMIZER = "0.1 2 0.5 0.0001 0.9 3\n"


def write_task(folder: Path, rows: int = 400) -> None:
    """net.txt, optim.txt, X.txt and Y.txt: three classes in four features, 40 minibatches per epoch."""
    random = np.random.default_rng(5)
    X = random.normal(size=(rows, 4))
    Y = (X @ random.normal(size=(4, 3))).argmax(axis=1)
    (folder / "net.txt").write_text(NET)
    (folder / "optim.txt").write_text(OPTIMIZER)
    np.savetxt(folder / "X.txt", X, fmt="%.6f")
    np.savetxt(folder / "Y.txt", Y, fmt="%d")


@pytest.fixture
def task(tmp_path, monkeypatch) -> Path:
    """The folder with the task's files, which is the working directory as well."""
    write_task(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CAFFE64_DEBUG", raising=False)
    return tmp_path


@pytest.fixture
def cli():
    """cli("train net.txt ...") runs the program in this process: .exit_code, .stdout, .stderr. Or a list of words."""
    from caffe64.cli.app import app

    def run(command: str | list[str]):
        words = command.split() if isinstance(command, str) else command
        return CliRunner().invoke(app, words, prog_name="caffe64")

    return run


@pytest.fixture
def start():
    """start("train net.txt ...") starts the program as a process, with pipes for its streams."""
    running = []

    def run(command: str, **options) -> subprocess.Popen:
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
        # Buffered streams, as a shell gives them: some failures only show when the buffer is flushed at exit.
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
        options["env"] = {**inherited, **options.get("env", {})}
        running.append(subprocess.Popen([sys.executable, "-m", "caffe64", *command.split()], **options))
        return running[-1]

    yield run
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()
