"""The program as a whole: help, version, completion, imports, unexpected errors."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

COMMANDS = ["train", "test", "eval", "info", "convert", "warmup", "doctor", "cache", "cache path", "cache clear"]
COMMANDS += ["train --solver", "test --model", "mean", "run", "classify", "summary", "time", "optimize", "verify"]
COMMANDS += ["draw", "export", "sweep", "sweep show"]


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_each_help_fits_80_columns_and_ends_with_an_example(cli, command):
    result = cli(f"{command} --help")
    assert result.exit_code == 0
    lines = result.stdout.rstrip().splitlines()
    assert max(map(len, lines)) <= 80
    example = lines[next(i for i, line in enumerate(lines) if line.strip().startswith("Example")) :]
    assert "caffe64" in example[-1] or example[-2].endswith("\\")


def test_the_usage_line_names_the_arguments_in_order(cli):
    assert "Usage: caffe64 train [OPTIONS] NET WEIGHTS OPTIM N X Y\n" in cli("train --help").stdout
    assert "Usage: caffe64 test [OPTIONS] NET WEIGHTS N X OUT\n" in cli("test --help").stdout


def test_version(cli):
    import caffe64

    assert cli("--version").stdout == f"caffe64 {caffe64.__version__}\n"


@pytest.mark.parametrize("command", ["train", "train net.txt weights.bin", "nothing", "train --nothing", "test a b c"])
def test_a_wrong_command_line_exits_2_with_usage(cli, command):
    result = cli(command)
    assert result.exit_code == 2
    assert result.stderr.startswith("Usage: caffe64")


@pytest.mark.parametrize("rows", ["0", "1.5", "many"])
def test_a_wrong_number_of_rows_exits_2(cli, rows):
    result = cli(f"train net.txt w.bin optim.txt {rows} X.txt Y.txt")
    assert result.exit_code == 2
    assert f"'{rows}' is neither a number of rows nor 'all'" in result.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["--version"], []])
def test_help_and_version_load_neither_numba_nor_numpy_nor_rich(arguments):
    check_imports(arguments, {})


def test_completion_loads_neither_numba_nor_numpy_nor_rich():
    words = {"_CAFFE64_COMPLETE": "complete_bash", "COMP_WORDS": "caffe64 train --che", "COMP_CWORD": "2"}
    assert check_imports([], words).split() == ["--checkpoint", "--checkpoint-every"]


def check_imports(arguments, environment) -> str:
    """Run the program, look at what it imported; returns what it printed."""
    script = (
        "import atexit, sys; sys.argv[0] = 'caffe64'\n"
        "heavy = {'numba', 'numpy', 'rich', 'matplotlib', 'google.protobuf'}\n"
        "atexit.register(lambda: print(heavy & set(sys.modules), file=sys.stderr))\n"
        "from caffe64.cli.app import main; main()"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, env={**os.environ, **environment}
    )
    assert result.stderr.splitlines()[-1] == "set()"
    return result.stdout


def test_an_unexpected_error_is_one_line_and_exit_1(cli, task, monkeypatch):
    def fail(*arguments, **options):
        raise RuntimeError("something\nodd")

    monkeypatch.setattr("caffe64.api.Net.read", fail)
    result = cli("info net.txt")
    assert result.exit_code == 1
    assert result.stderr == ("caffe64: error: RuntimeError: something odd (caffe64 --debug COMMAND ... shows where)\n")


def test_debug_shows_the_traceback_and_keeps_the_exit_code(cli, task, monkeypatch):
    monkeypatch.setenv("CAFFE64_DEBUG", "0")  # restored afterwards: --debug sets it
    result = cli("--debug info missing.txt")
    assert result.exit_code == 3
    assert "Traceback (most recent call last)" in result.stderr
    assert result.stderr.endswith("caffe64: error: Couldn't find file missing.txt\n")
