"""The names of `caffe64`: dir() shows them and no others, `import *` brings them, each can be had."""

from __future__ import annotations

import pickle
import subprocess
import sys

import pytest

import caffe64

FUNCTIONS = {"classify", "draw", "load_caffe", "optimize", "summary", "time", "verify"}
ERRORS = {"CheckFailed", "FileMissing", "OutputError", "InputError", "UsageError", "Diverged", "Interrupted"}


def test_dir_shows_the_public_names_only():
    assert dir(caffe64) == sorted(caffe64.__all__)
    assert not [name for name in dir(caffe64) if name.startswith("_")]
    assert set(dir(caffe64)) >= FUNCTIONS | ERRORS
    assert not {"annotations", "importlib", "cli", "engine", "caffe", "errors"} & set(dir(caffe64))


def test_each_public_name_can_be_had_whatever_was_imported_before():
    """A function that is called as a module of the package would become that module."""
    code = (
        "import importlib, pkgutil, caffe64\n"
        "for module in pkgutil.walk_packages(caffe64.__path__, 'caffe64.'):\n"
        "    if module.name.split('.')[1] not in ('demos', 'perf', 'tests', '__main__', 'build', 'data'):\n"
        "        importlib.import_module(module.name)\n"
        "names = {}\n"
        "exec('from caffe64 import *', names)\n"
        "assert set(names) - {'__builtins__'} == set(caffe64.__all__)\n"
        "modules = [name for name in caffe64.__all__ if type(names[name]) is type(caffe64)]\n"
        "assert modules == ['dnn', 'io', 'kernels', 'proto'], modules\n"
        "assert dir(caffe64) == sorted(caffe64.__all__)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", sorted(ERRORS))
def test_errors_are_exported(name):
    assert issubclass(getattr(caffe64, name), caffe64.Caffe64Error)


def test_the_errors_of_the_library_are_those_that_are_exported(tmp_path):
    with pytest.raises(caffe64.FileMissing):
        caffe64.Net.read(tmp_path / "none.txt")
    net = caffe64.Net("inp 2 1 / lin 1 -1 / l2l")
    net.initialise()
    with pytest.raises(caffe64.OutputError):
        net.save(tmp_path / "none" / "w.bin")
    assert type(pickle.loads(pickle.dumps(caffe64.CheckFailed("differs")))) is caffe64.CheckFailed
