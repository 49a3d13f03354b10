"""The notice of the first run, with kernels that only pretend to compile."""

from __future__ import annotations

import ast
import re
import warnings
from pathlib import Path

import pytest

from caffe64.cli import compiling
from caffe64.cli.output import Output
from caffe64.formats.data import kernels_to_read

ROOT = Path(__file__).resolve().parents[2]


class PretendKernel:
    def __init__(self, name: str, is_ready: bool):
        self.__name__, self.is_ready, self.compiled = name, is_ready, 0

    def compile(self):
        self.compiled += 1


def test_the_first_run_says_once_what_it_compiles(capsys):
    kernels = [PretendKernel("a", False), PretendKernel("b", True), PretendKernel("c", False)]
    compiling.prepare(kernels, Output())
    assert [kernel.compiled for kernel in kernels] == [1, 0, 1]
    notice, end = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"caffe64: compiling 2 kernels for this CPU \(first run only; kept in /.*\)", notice)
    assert re.fullmatch(r"caffe64: compiled 2 kernels in \d+\.\d s", end)


def test_a_later_run_says_nothing(capsys):
    compiling.prepare([PretendKernel("a", True)], Output())
    assert capsys.readouterr().err == ""


def test_quiet_compiles_and_says_nothing(capsys):
    kernel = PretendKernel("a", False)
    with warnings.catch_warnings():
        compiling.prepare([kernel], Output(quiet=True))
    assert kernel.compiled == 1
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("names", "needed"), [(["X.txt"], True), (["X.npy"], False), (["X.npy", "X.txt"], True)])
def test_arrays_need_no_kernel_for_text(task, cli, names, needed):
    assert cli("convert X.txt X.npy").exit_code == 0
    assert bool(kernels_to_read(*map(task.joinpath, names))) == needed


def test_every_kernel_is_found():
    """Against all functions of the package that have a decorator of kernels."""
    decorated = {
        (f"caffe64.{'.'.join(path.relative_to(ROOT).with_suffix('').parts)}", function.name)
        for folder in ("engine", "formats", "tables", "dnn", "caffe", "cli", "jobs")
        for path in (ROOT / folder).rglob("*.py")
        for function in ast.walk(ast.parse(path.read_text()))
        if isinstance(function, ast.FunctionDef) and any(map(is_kernel, function.decorator_list))
    }
    found = {(kernel.py_func.__module__, kernel.__name__) for kernel in compiling.every_kernel()}
    assert decorated <= found
    assert len(decorated) > 150


def is_kernel(decorator):
    return isinstance(decorator, ast.Call) and getattr(decorator.func, "id", "") in ("kernel", "step_kernel")
