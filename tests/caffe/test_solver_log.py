"""The log of trainings beside real Caffe's: the same lines, numbers to one digit less than are printed."""

from __future__ import annotations

import os
import re
from datetime import datetime

import pytest
from reference.solver_cases import CASES, SOLVERS, SolverCase
from support import needs_shared
from typer.testing import CliRunner

from caffe64.cli.app import app

LOGGED = [name for name in CASES if (SOLVERS / name / "caffe.log").exists()]
PREFIX = re.compile(r"([IWEF])(\d{4} \d\d:\d\d:\d\d\.\d{6}) +\d+ (\w+\.[ch]pp):\d+\] (.*)")
NUMBER = re.compile(r"(?<![\w./])[-+]?(?:\d+\.?\d*(?:e[-+]?\d+)?|nan|inf)(?![\w/])")
SPEED = re.compile(r"\(\S+ iter/s, \S+s/")
ELSEWHERE = re.compile(  # lines of layers' own, of a second layer within one, and of rules of phases
    r"hdf5|layer_factory|The NetState|Restarting data|file>"
)
SMALL = 2e-6  # a loss near 0 is a difference of larger numbers


def lines_of(text: str) -> list[str]:
    """Level, file and text of each line; lines of more than one as they are."""
    found = [PREFIX.fullmatch(line) for line in text.splitlines()]
    pairs = zip(text.splitlines(), found, strict=True)
    lines = [line if parts is None else f"{parts[1]} {parts[3]}> {parts[4]}" for line, parts in pairs]
    return [SPEED.sub("(S iter/s, Xs/", line) for line in lines if not ELSEWHERE.search(line)]


def run(case: SolverCase) -> str:
    """What the command prints in a pipe, without lines of its own."""
    words = ["train", "--solver", "solver.prototxt"]
    for name in ("weights", "snapshot", "stage", "level"):
        words += [f"--{name}", str(case.options[name])] if name in case.options else []
    result = CliRunner().invoke(app, words, prog_name="caffe64")
    assert (result.exit_code, result.stdout) == (0, "")
    return "".join(line for line in result.stderr.splitlines(keepends=True) if not line.startswith("caffe64: "))


@needs_shared
@pytest.mark.parametrize("name", LOGGED)
def test_the_log_is_real_caffes(name, tmp_path, monkeypatch):
    case = SolverCase(name, tmp_path)
    monkeypatch.chdir(case.path)
    expected = (case.path / "caffe.log").read_text()
    found = run(case)
    if "Initializing solver" not in expected:  # logs are kept from there on
        found = found[found.rindex("I", 0, found.index("] Solving ")) :]
    mine, theirs = lines_of(found), lines_of(expected)
    assert [NUMBER.sub("#", line) for line in mine] == [NUMBER.sub("#", line) for line in theirs]
    for line, other in zip(mine, theirs, strict=True):
        for number, wanted in zip(NUMBER.findall(line), NUMBER.findall(other), strict=True):
            assert float(number) == pytest.approx(float(wanted), rel=1e-5, abs=SMALL), (line, other)


@needs_shared
def test_there_is_a_log_of_each_training_that_is_not_of_data_alone():
    assert [name for name in CASES if not name.startswith("data_")] == LOGGED


@needs_shared
def test_lines_begin_as_scripts_expect(tmp_path, monkeypatch):
    case = SolverCase("lr_inv", tmp_path)
    monkeypatch.chdir(case.path)
    lines = [line for line in run(case).splitlines() if "lr = " in line]
    assert len(lines) == 30
    day, clock, process, file, *words = lines[0].split()  # scripts count them
    assert words == ["Iteration", "0,", "lr", "=", "0.1"]
    assert (file, int(process)) == ("sgd_solver.cpp:112]", os.getpid())
    when = datetime.strptime(f"{datetime.now().year} {day[1:]} {clock}", "%Y %m%d %H:%M:%S.%f")
    assert abs((when - datetime.now()).total_seconds()) < 600
