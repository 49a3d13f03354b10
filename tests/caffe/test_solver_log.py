"""The log of trainings beside real Caffe's: the same lines, numbers to one digit less than are printed."""

from __future__ import annotations

import os
import re
from datetime import datetime

import pytest
from reference.solver_cases import CASES, SOLVERS, SolverCase
from support import needs_shared

from caffe64.caffe.solver.glog import CaffeLog
from caffe64.caffe.solver.loop import TrainingLoop
from caffe64.caffe.solver.solver import CaffeTraining

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
    lines: list[str] = []
    level, stage = case.options.get("level", 0), case.options.get("stage", "")
    weights = [case.options["weights"]] if "weights" in case.options else []
    solver = CaffeTraining("solver.prototxt", level=level, stages=[stage], weights=[])
    log = CaffeLog(lines.append, solver)
    log.begin(weights)
    solver.load_weights(weights or solver.parsed.settings.weights, log)
    log.ready()
    if "snapshot" in case.options:
        solver.restore(case.options["snapshot"], log)
    TrainingLoop(solver, log).solve()
    return "\n".join(lines)


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
def test_there_are_logs_of_most_trainings():
    assert len(LOGGED) > 40


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
