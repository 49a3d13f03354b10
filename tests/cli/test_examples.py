"""Every example of every help text runs as it stands, where the files that it names are there.

In a shell if it has anything that a shell interprets, else in this process.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest
from reference.workshop import furnish
from typer.testing import CliRunner

from caffe64.cli.app import app

COMMANDS = sorted({*(each.name for each in app.registered_commands), "", "cache", "cache path", "cache clear"})
COMMANDS += ["train --solver", "test --model", "sweep show"]
PLACEHOLDERS = {"caffe64 COMMAND --help"}
CLUSTER = re.compile(r"mpiexec|tcp://")  # of what tests/jobs and test_readme.py run


def examples() -> list[str]:
    """Those of all commands; a line that ends with a backslash goes on."""
    found = []
    for command in COMMANDS:
        text = CliRunner().invoke(app, [*command.split(), "--help"]).stdout
        _, title, lines = text.rpartition("Example")
        assert title, command
        found += [" ".join(each.split()) for each in lines.partition(":")[2].replace("\\\n", "").strip().split("\n")]
    return [each for each in dict.fromkeys(found) if each not in PLACEHOLDERS and not CLUSTER.search(each)]


def test_every_command_has_examples():
    found = " ".join(examples())
    assert all(f"caffe64 {command}" in found for command in COMMANDS)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("workshop")
    furnish(folder)
    return folder


@pytest.mark.parametrize("example", examples())
def test_each_example_runs(workshop, tmp_path, example, monkeypatch):
    folder = shutil.copytree(workshop, tmp_path / "here", copy_function=os.link)  # files are replaced, not changed
    environment = {**os.environ, "PYTHON": sys.executable}
    if example == "caffe64 cache clear":
        environment["XDG_CACHE_HOME"] = str(tmp_path)
        example = f"caffe64 test net.txt weights.bin 1 X.npy out.txt && {example}"  # so that there is one
    words = shlex.split(example.removeprefix("RUN "), comments=True)
    if words[0] == "caffe64" and not re.search(r"[|<>&;$*~]", example):  # then there is nothing for a shell
        monkeypatch.chdir(folder)
        done = CliRunner().invoke(app, words[1:], prog_name="caffe64")
        assert done.exit_code == 0, done.stderr
        check(example, done.stdout, done.stderr)
        return
    script = f'caffe64() {{ "$PYTHON" -m caffe64 "$@"; }}\n{example.removeprefix("RUN ")}\n'
    result = subprocess.run(["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    check(example, result.stdout, result.stderr)


def check(example: str, printed: str, said: str) -> None:
    assert "error" not in said
    assert printed or said or ">" in example
