"""The notice of the first run, with kernels that only pretend to compile."""

from __future__ import annotations

import re
import warnings

import pytest

from caffe64.cli import compiling
from caffe64.cli.output import Output
from caffe64.formats.data import kernels_to_read


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


def test_every_kernel_includes_those_of_files_that_are_imported_only_when_needed():
    names = {kernel.__name__ for kernel in compiling.every_kernel()}
    assert {"run_minibatches", "run_rows", "gemm", "scan_numbers", "run_steps", "convolve"} <= names
    assert {"scan_fields", "fill_input_rows", "transform_bytes", "resize_bytes"} <= names
