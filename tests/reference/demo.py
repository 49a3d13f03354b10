"""Runs a demo's script in this process, as a new one would: the pages in test_pages.py run each as a program."""

from __future__ import annotations

import contextlib
import io
import os
import re
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple
from unittest import mock

from caffe64.engine.compiler.jit import KERNELS

DEMOS = Path(__file__).resolve().parents[2] / "demos"


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def run(name: str, *options, code: int = 0, data: Path | None = None, folder: Path | None = None):
    """(stdout, stderr) of `python demos/NAME/run.py OPTIONS`, started in `folder`, with data as $CAFFE64_DATA.

    The exit code must be `code`.
    """
    done = run_script(DEMOS / name / "run.py", *options, data=data, folder=folder)
    assert done.returncode == code, f"exit code {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout, done.stderr


def run_script(script: Path, *options, data: Path | None = None, folder: Path | None = None) -> Done:
    """Any of the demos' scripts. Raises what it raises."""
    printed, errors, code = io.StringIO(), io.StringIO(), 0
    place = contextlib.chdir(folder) if folder else contextlib.nullcontext()
    with (
        place,
        _as_a_program(script, [str(each) for each in options], data),
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(errors),
    ):
        try:
            runpy.run_path(str(script), run_name="__main__")
        except SystemExit as end:
            code = end.code or 0
    return Done(code, printed.getvalue(), errors.getvalue())


@contextlib.contextmanager
def _as_a_program(script: Path, options: list[str], data: Path | None) -> Iterator[None]:
    """Its arguments, $CAFFE64_DATA, and the modules of its folder, which other demos have as well: neither they nor
    their kernels stay."""
    before = _take_modules()
    with (
        mock.patch.object(sys, "path", [str(script.parent), *sys.path]),
        mock.patch.object(sys, "argv", [str(script), *options]),
        mock.patch.dict(os.environ),
    ):
        os.environ.pop("CAFFE64_DATA", None)
        if data:
            os.environ["CAFFE64_DATA"] = str(data)
        try:
            yield
        finally:
            for module in _take_modules():
                KERNELS[:] = [kernel for kernel in KERNELS if kernel.py_func.__module__ != module]
            sys.modules.update(before)


def _take_modules() -> dict[str, ModuleType]:
    """Those that were imported from demos/, which are taken out."""
    files = {name: getattr(module, "__file__", None) for name, module in sys.modules.items()}
    return {name: sys.modules.pop(name) for name, file in files.items() if file and Path(file).is_relative_to(DEMOS)}


def accuracy(printed: str) -> float:
    """Per cent, after checking that it is the share that is printed beside it."""
    percent, right, count = map(float, re.search(r"accuracy.* ([\d.]+) %  \((\d+) of (\d+)\)", printed).groups())
    assert abs(percent - 100 * right / count) < 0.006
    return percent
