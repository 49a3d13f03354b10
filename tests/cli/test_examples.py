"""Every example of every help text runs as it stands, in a shell, where the files that it names are there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
from reference.workshop import furnish
from typer.testing import CliRunner

from caffe64.cli.app import app

COMMANDS = sorted({*(each.name for each in app.registered_commands), "", "cache", "cache path", "cache clear"})
COMMANDS += ["train --solver", "test --model"]
PLACEHOLDERS = {"caffe64 COMMAND --help"}


def examples() -> list[str]:
    """Those of all commands; a line that ends with a backslash goes on."""
    found = []
    for command in COMMANDS:
        text = CliRunner().invoke(app, [*command.split(), "--help"]).stdout
        _, title, lines = text.rpartition("Example")
        assert title, command
        found += [" ".join(each.split()) for each in lines.partition(":")[2].replace("\\\n", "").strip().split("\n")]
    return [each for each in dict.fromkeys(found) if each not in PLACEHOLDERS]


def test_every_command_has_examples():
    found = " ".join(examples())
    assert all(f"caffe64 {command}" in found for command in COMMANDS)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("workshop")
    furnish(folder)
    return folder


@pytest.mark.parametrize("example", examples())
def test_each_example_runs(workshop, tmp_path, example):
    folder = shutil.copytree(workshop, tmp_path / "here", copy_function=os.link)  # files are replaced, not changed
    environment = {**os.environ, "PYTHON": sys.executable}
    if example == "caffe64 cache clear":
        environment["XDG_CACHE_HOME"] = str(tmp_path)
        example = f"caffe64 test net.txt weights.bin 1 X.npy out.txt && {example}"  # so that there is one
    script = f'caffe64() {{ "$PYTHON" -m caffe64 "$@"; }}\n{example.removeprefix("RUN ")}\n'
    result = subprocess.run(["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "error" not in result.stderr
    assert result.stdout or result.stderr or ">" in example
