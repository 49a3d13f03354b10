"""What a person at a terminal sees: the program runs on a pseudo-terminal."""

from __future__ import annotations

import re

import pytest
from reference.small_training import write_training
from reference.terminal import CONTROL, on_terminal, screen

TRAIN = "train net.txt w.bin optim.txt 400 X.txt Y.txt"
TEST = "test net.txt w.bin all X.txt out.txt"


@pytest.fixture
def longer(task, cli):
    """The task with enough epochs for a few drawings; its kernels are compiled."""
    assert cli(TRAIN).exit_code == 0
    (task / "optim.txt").write_text("0.1 100 0.5 0.0001 0.9 500")
    return task


def test_a_bar_shows_epoch_loss_rate_speed_and_time_left(longer):
    code, drawn = on_terminal(TRAIN)
    assert code == 0
    text = CONTROL.sub("", drawn)
    assert re.search(r"epoch \d+/500  .*  rate 0\.\d+  [\d,]+ rows/s  loss \d\.\d+  0:\d\d left", text)
    assert re.search(r"epoch 500  loss 0\.\d{6}  [\d,]+ rows/s", text)
    assert re.search(r"caffe64: w\.bin written after \d+\.\d s", text)
    assert "[Training]" not in text


def test_no_drawing_is_wider_than_a_narrow_terminal(longer):
    _, drawn = on_terminal(TRAIN, columns=40)
    drawings = [CONTROL.sub("", piece) for piece in re.split(r"[\r\n]", drawn) if " left" in piece]
    assert drawings
    assert max(map(len, drawings)) < 40


WIDER = {"COLUMNS": "80"}  # as of a shell in a wider window


@pytest.mark.parametrize(
    ("command", "columns", "environment"),
    [
        *((TRAIN, 10, {}), (TRAIN, 20, WIDER), (TRAIN, 40, {}), (TRAIN, 79, WIDER)),
        *((TEST, 10, WIDER), (TEST, 20, {}), (TEST, 40, WIDER), (TEST, 79, {})),
    ],
)
def test_no_bar_stays_behind(longer, command, columns, environment):
    assert_no_bar_stays(command, columns, environment)


def test_no_bar_of_compiling_stays_behind(longer, tmp_path):
    assert_no_bar_stays(TEST, 20, {**WIDER, "XDG_CACHE_HOME": str(tmp_path)})


def assert_no_bar_stays(command, columns, environment):
    code, drawn = on_terminal(command, columns=columns, **environment)
    assert code == 0
    text = "".join(screen(drawn, columns))
    assert "caffe64: " in text
    for piece in ("━", "╺", " left", "testing", "…", "compiling  "):
        assert piece not in text
    assert not re.search(r"epoch \d+/", text)
    bars = [CONTROL.sub("", line) for line in re.split(r"[\r\n]", drawn)]
    bars = [line for line in bars if re.match(r"epoch \d+/|testing|compiling", line)]
    assert bars
    assert max(map(len, bars)) < columns


def test_no_color_is_honoured(longer):
    _, drawn = on_terminal(TRAIN, NO_COLOR="1")
    assert " left" in drawn
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", drawn)


def test_a_dumb_terminal_gets_the_original_lines(task, cli):
    code, drawn = on_terminal(TRAIN, TERM="dumb")
    assert code == 0
    assert "[Training] Epoch 3 / 3 MBIter 40 / 40" in drawn
    assert "\x1b" not in drawn


def test_quiet_draws_nothing(task):
    assert on_terminal(f"{TRAIN} --quiet") == (0, "")


def test_tables_are_drawn(task):
    code, drawn = on_terminal("info net.txt")
    assert code == 0
    assert "━" in drawn or "─" in drawn


@pytest.fixture
def solver(tmp_path, monkeypatch, cli):
    pytest.importorskip("h5py")
    monkeypatch.chdir(tmp_path)
    write_training(tmp_path, max_iter=300, snapshot=None, test_interval=100)
    assert cli("train --solver solver.prototxt --max-iter 1 --quiet").exit_code == 0
    return tmp_path


def test_a_caffe_net_has_a_bar_with_its_scores_and_lines_of_tests_and_snapshots(solver):
    code, drawn = on_terminal("train --solver solver.prototxt", columns=120)
    assert code == 0
    text = CONTROL.sub("", drawn)
    notes = r"accuracy [\d.]+, loss [\d.]+  rate 0\.01  [\d,]+ pictures/s  loss \d\.\d+  0:\d\d left"
    assert re.search(rf"iteration \d+/300  .*  {notes}", text)
    assert re.search(r"iteration 200  test  accuracy [\d.]+, loss [\d.]+", text)
    assert "snapshot snap_iter_300.solverstate" in text
    assert re.search(r"caffe64: snap_iter_300\.caffemodel written after \d+\.\d s", text)
    assert "solver.cpp" not in text
    code, drawn = on_terminal("train --solver solver.prototxt --log-format caffe")
    assert (code, "] Iteration 100, lr = 0.01" in drawn) == (0, True)


def test_a_caffe_net_is_tested_with_a_bar(solver, cli):
    assert cli("train --solver solver.prototxt --quiet").exit_code == 0
    code, drawn = on_terminal("test --model net.prototxt --weights snap_iter_300.caffemodel --iterations 300")
    assert code == 0
    assert re.search(r"testing \d+/300", CONTROL.sub("", drawn))
    assert re.search(r"accuracy = [\d.]+\r$", drawn, re.MULTILINE)
