"""caffe64 sweep and sweep show: files, messages, exit codes, terminals, interrupts."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from reference.sweeps import NETS, lasting, lines, write_solver, write_sweep
from reference.terminal import CONTROL, on_terminal

from caffe64.jobs.records import ResultsFile

FEW = f"""\
net = "{NETS[0]}"
x = "X.npy"
y = "Y.npy"
folds = 2
epochs = 2
momentum = 0.9
"""
RATES = FEW + "rate = [0.003, 0.02]\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    write_sweep(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CAFFE64_DEBUG", raising=False)
    (tmp_path / "few.toml").write_text(RATES)
    return tmp_path


@pytest.fixture
def done(folder, cli):
    """few.jsonl, of four jobs."""
    assert cli("sweep few.toml --workers 1").exit_code == 0
    return folder


def test_a_sweep_prints_the_best_and_goes_on_when_it_is_started_again(folder, cli):
    first = cli("sweep few.toml --workers 2")
    assert first.exit_code == 0, first.stderr
    header, best, other = first.stdout.splitlines()
    assert header.split()[:4] == ["rate", "jobs", "validation_accuracy", "±"]
    assert {best.split()[0], other.split()[0]} == {"0.003", "0.02"}
    begin, *progress = first.stderr.splitlines()
    assert begin == "caffe64: 4 jobs; results in few.jsonl"
    assert re.match(r"caffe64: 4/4  rate=0\.0\d+ fold=\d  validation_accuracy [01]\.\d{4}  0:00 left$", progress[-1])
    before = (folder / "few.jsonl").read_bytes()
    (folder / "few.toml").write_text(RATES.replace("0.02", "0.02, 0.03"))
    again = cli("sweep few.toml --workers 1")
    assert again.stderr.startswith("caffe64: 6 jobs, 4 of them done; results in few.jsonl\n")
    assert (folder / "few.jsonl").read_bytes().startswith(before)
    assert len(lines(folder / "few.jsonl")) == 6


def test_results_lie_beside_the_grid_or_where_it_is_said(folder, cli, monkeypatch):
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    assert cli("sweep ../few.toml --workers 1 --quiet").output == ""
    assert cli("sweep ../few.toml --workers 1 --threads 2 -o here.jsonl -q").output == ""
    assert lasting(folder / "few.jsonl") == lasting(folder / "elsewhere" / "here.jsonl")


def test_a_solver_is_swept(tmp_path, cli, monkeypatch):
    write_solver(tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "grid.toml").write_text('solver = "solver.prototxt"\nbase_lr = [0.01, 0.1]\nrandom_seed = [1, 2]\n')
    result = cli("sweep grid.toml --workers 1")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.split()[:4] == ["base_lr", "jobs", "test_accuracy", "±"]


@pytest.mark.parametrize(
    ("more", "code", "kinds"),
    [
        ("rate = [0.02, 1e9]", 5, "2 Diverged"),
        ("rate = 0.02\nrows = [100, 300]", 3, "2 InputError"),
        ("rate = [0.02, 1e9]\nrows = [100, 300]", 3, "2 Diverged, 4 InputError"),
    ],
)
def test_the_exit_code_says_what_failed(folder, cli, more, code, kinds):
    (folder / "few.toml").write_text(FEW + more)
    for _ in range(2):  # a sweep that has nothing left to do says it too
        result = cli("sweep few.toml --workers 1")
        assert result.exit_code == code
        counts = re.search(r"caffe64: error: few.jsonl: (\d) of \d jobs have no result \((.*)\)\n", result.stderr)
        assert sorted(counts[2].split(", ")) == sorted(kinds.split(", "))
        assert int(counts[1]) == sum(int(each.split()[0]) for each in kinds.split(", "))
    assert " jobs failed, the first: " in result.stdout


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        ("sweep", 2, "Missing argument 'GRID'"),
        ("sweep none.toml", 3, "Couldn't find file none.toml"),
        ("sweep -", 2, "'-' is not a file here"),
        ("sweep few.toml --workers 0", 2, "'--workers': Input should be greater than or equal to 1"),
        ("sweep few.toml --retries -1", 2, "'--retries': Input should be greater than or equal to 0"),
        ("sweep few.toml --mpi --address tcp://h:1", 2, "exclude each other"),
        ("sweep few.toml --mpi", 2, "mpi4py"),
        ("sweep few.toml --mpi --retries 2", 2, "retries are not for MPI"),
        ("sweep few.toml --address scheduler", 2, "'scheduler' is not the address of a Dask scheduler"),
        ("sweep few.toml --address tcp://h:1 --workers 2", 2, "a number of workers is for this machine"),
        ("sweep few.toml -o none/r.jsonl", 3, "there is no directory"),
        ("sweep few.toml -o few.toml", 2, "few.toml would be overwritten"),
        ("sweep few.toml -o grid.toml", 3, "grid.toml:1: found 'net = "),
        ("sweep few.toml -o .", 3, "this is a directory"),
        ("sweep X.npy", 3, "X.npy"),
        ("sweep few.toml more.toml", 2, "unexpected extra argument"),
        ("sweep show", 2, "Missing argument 'RESULTS'"),
        ("sweep show none.jsonl", 3, "Couldn't find file none.jsonl"),
        ("sweep show few.toml", 3, "few.toml:1: found 'net = "),
    ],
)
def test_wrong_command_lines(folder, cli, command, code, message):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    result = cli(command)
    assert (result.exit_code, message in " ".join(result.stderr.split())) == (code, True), result.stderr
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert {name: data for name, data in after.items() if data or name in before} == before


def test_two_sweeps_at_once_do_not_write_one_file(folder, cli):
    with ResultsFile(folder / "few.jsonl"):
        result = cli("sweep few.toml")
    assert (result.exit_code, "another sweep is writing it" in result.stderr) == (2, True)


def test_a_terminal_shows_the_best_above_a_bar(folder):
    code, drawn = on_terminal("sweep few.toml --workers 1")
    assert code == 0
    text = CONTROL.sub("", drawn)
    assert re.search(r"rate +jobs +validation_accuracy", text)
    assert re.search(r"4/4 jobs  .*0:00 left", text)
    assert max(len(line.rstrip()) for line in re.split(r"[\r\n]+", text)) <= 80


def test_an_interrupt_keeps_what_is_done(folder):
    (folder / "long.toml").write_text(FEW.replace("epochs = 2", "epochs = [2, 1000000000]") + "rate = 0.01\n")
    path = folder / "long.jsonl"
    words = [sys.executable, "-m", "caffe64", "sweep", "long.toml", "--workers", "2"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        end = time.monotonic() + 100
        while not (path.exists() and path.read_bytes().count(b"\n") == 2):
            assert time.monotonic() < end
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers as well
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "caffe64: interrupted after 2 of 4 jobs (the same command goes on)\n" in errors
    assert "Traceback" not in errors
    assert len(lines(path)) == 2


# ----------------------------------------------------------------------------------------------------- show
def test_show_ranks_by_a_score(done, cli):
    by_default = cli("sweep show few.jsonl").stdout.splitlines()
    assert [line.split()[0] for line in by_default] == ["rate", "0.02", "0.003"]
    low = cli("sweep show few.jsonl --by validation_loss").stdout.splitlines()
    high = cli("sweep show few.jsonl --by validation_loss --highest").stdout.splitlines()
    assert [line.split()[0] for line in low] == ["rate", "0.02", "0.003"]
    assert [line.split()[0] for line in high] == ["rate", "0.003", "0.02"]
    assert low[0].split()[2] == "validation_loss"
    each = cli("sweep show few.jsonl --each --top 3").stdout.splitlines()
    assert (each[0].split()[:2], len(each), each[-1]) == (["rate", "fold"], 5, "and 1 more")


def test_show_gives_json(done, cli):
    (best, other) = json.loads(cli("sweep show few.jsonl --json").stdout)
    records = [each for each in lines(done / "few.jsonl") if each["job"]["rate"] == 0.02]
    losses = [each["result"]["validation_loss"] for each in records]
    assert best["setting"] == {"rate": 0.02}
    assert best["scores"]["validation_loss"] == pytest.approx(np.mean(losses))
    assert best["spread"]["validation_loss"] == pytest.approx(np.std(losses, ddof=1))
    assert other["jobs"] == 2


def test_show_reads_stdin_and_a_file_that_is_written(done):
    text = (done / "few.jsonl").read_text()
    words = [sys.executable, "-m", "caffe64", "sweep", "show", "-"]
    shown = subprocess.run(words, input=text[:-20], capture_output=True, text=True, check=True)
    assert len(shown.stdout.splitlines()) >= 2


@pytest.mark.parametrize("options", ["", "--x rate", "--x rate --each", "--by seconds"])
def test_show_draws(done, cli, options):
    pytest.importorskip("matplotlib")
    for name, start in (("a.png", b"\x89PNG"), ("a.svg", b"<?xml")):
        assert cli(f"sweep show few.jsonl --plot {name} {options}").exit_code == 0
        assert (done / name).read_bytes().startswith(start)
    assert b"validation_accuracy" in (done / "a.svg").read_bytes() or options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--by valdation_loss", "'valdation_loss' is not a score of these results (did you mean 'validation_loss'?)"),
        ("--x rate", "--x needs --plot FILE"),
        ("--plot a.gif", "the name must end with .png or .svg"),
        ("--plot a.png --x seed", "--x seed: settings do not differ in it (fields: rate)"),
        ("--plot few.jsonl", "the name must end with .png or .svg"),
    ],
)
def test_show_refuses(done, cli, options, message):
    result = cli(f"sweep show few.jsonl {options}")
    assert result.exit_code == 2
    assert message in result.stderr
    assert not (done / "a.png").exists()


def test_show_of_nothing(folder, cli):
    (folder / "none.jsonl").write_text("")
    assert cli("sweep show none.jsonl").stdout == "no results yet\n"
