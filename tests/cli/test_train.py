"""caffe64 train: the original's lines, its options, its files."""

from __future__ import annotations

import csv
import json
import re

import numpy as np
import pytest
from support import SHARED, needs_shared

TRAIN = "train net.txt w.bin optim.txt 400 X.txt Y.txt"
GOLDEN = SHARED / "caffe64" / "golden"


def losses(lines):
    return [float(line.split()[-1]) for line in lines if "Loss" in line]


def without_numbers(lines):
    return [re.sub(r"(LR|Loss|by|in) [0-9.]+", r"\1", line) for line in lines]


@needs_shared
@pytest.mark.parametrize("case", ["classify_mlp", "regress_tanh", "wide_minibatch"])
def test_the_lines_and_the_weights_are_those_of_the_original(cli, tmp_path, case):
    folder, weights = GOLDEN / case, tmp_path / "w.bin"
    files = f"{folder}/optim.txt all {folder}/X.txt {folder}/Y.txt"
    result = cli(f"train {folder}/net.txt {weights} {files} --init {folder}/init.bin --no-shuffle")
    assert result.exit_code == 0, result.stderr
    expected = (folder / "train.log").read_text().splitlines()
    lines = result.stdout.splitlines()
    assert without_numbers(lines) == without_numbers(expected)
    np.testing.assert_allclose(losses(lines), losses(expected), rtol=2e-3)
    final, wanted = (np.fromfile(path, np.float32) for path in (weights, folder / "final.bin"))
    assert np.linalg.norm(final - wanted) <= 1e-2 * np.linalg.norm(wanted)


def test_stdout_holds_the_lines_and_stderr_the_seed(cli, task):
    result = cli(TRAIN)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[5:8] == ["Parsing net...", "Loading X...", "Loading Y..."]
    assert re.fullmatch(r"\[Training\] Epoch 1 / 3 MBIter 20 / 40 LR 0\.100000 Loss \d\.\d{6}", lines[8])
    assert lines[10] == ""
    assert lines[14] == "LR Drop. Multiplying by 0.500000"
    assert re.fullmatch(r"Finished normally in \d+s", lines[-1])
    assert re.search(r"^caffe64: seed 0, \d+ threads?, 67 parameters, 400 rows$", result.stderr, re.MULTILINE)


def test_the_seed_decides_the_weights(cli, task):
    weights = []
    for seed in (0, 0, 1):
        assert cli(f"{TRAIN} --seed {seed}").exit_code == 0
        weights.append((task / "w.bin").read_bytes())
    assert weights[0] == weights[1] != weights[2]


def test_quiet_prints_nothing(cli, task):
    result = cli(f"{TRAIN} --quiet")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


def test_all_rows_are_400(cli, task):
    cli(TRAIN)
    expected = (task / "w.bin").read_bytes()
    assert cli(TRAIN.replace(" 400 ", " all ")).exit_code == 0
    assert (task / "w.bin").read_bytes() == expected


def test_training_can_start_from_weights(cli, task):
    cli(TRAIN)
    first = losses(cli(TRAIN).stdout.splitlines())[0]
    (task / "w.bin").rename(task / "init.bin")
    assert losses(cli(f"{TRAIN} --init init.bin").stdout.splitlines())[0] < 0.5 * first


@pytest.mark.parametrize("name", ["log.csv", "log.jsonl"])
def test_the_log_has_a_record_an_epoch(cli, task, name):
    assert cli(f"{TRAIN} --log {name} --val-x X.txt --val-y Y.txt").exit_code == 0
    text = (task / name).read_text()
    records = (
        list(csv.DictReader(text.splitlines())) if name.endswith("csv") else list(map(json.loads, text.splitlines()))
    )
    assert [int(record["epoch"]) for record in records] == [1, 2, 3]
    assert [int(record["minibatches"]) for record in records] == [40, 80, 120]
    assert [float(record["rate"]) for record in records] == [0.1, 0.1, 0.05]
    assert float(records[2]["loss"]) < float(records[0]["loss"])
    assert float(records[2]["validation_accuracy"]) > 0.8


def test_validation_is_said_on_stderr_after_each_epoch(cli, task):
    result = cli(f"{TRAIN} --val-x X.txt --val-y Y.txt")
    found = re.findall(r"caffe64: epoch (\d) / 3: validation loss \d\.\d{6}, accuracy \d+\.\d\d%", result.stderr)
    assert found == ["1", "2", "3"]
    assert "validation" not in result.stdout


def test_the_curve_is_drawn(cli, task):
    pytest.importorskip("matplotlib")
    assert cli(f"{TRAIN} --plot curve.svg").exit_code == 0
    assert "Learning curve" in (task / "curve.svg").read_text()


def test_without_matplotlib_the_curve_fails_before_training(cli, task, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    result = cli(f"{TRAIN} --plot curve.svg")
    assert result.exit_code == 2
    assert result.stderr == "caffe64: error: --plot needs Matplotlib: pip install 'caffe64[plot]'\n"
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--val-x X.txt", "--val-x and --val-y belong together"),
        ("--checkpoint-every 2", "--checkpoint-every needs --checkpoint FILE"),
        ("--init a --resume b", "--init and --resume exclude each other"),
        ("--log log.txt", "--log log.txt: the name must end with .jsonl or .csv"),
        ("--plot curve.jpg", "--plot curve.jpg: the name must end with .png or .svg"),
        ("--checkpoint w.bin", "w.bin would be overwritten"),
        ("--checkpoint X.txt", "X.txt would be overwritten"),
    ],
)
def test_contradicting_options_exit_2(cli, task, options, message):
    result = cli(f"{TRAIN} {options}")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"caffe64: error: {message}")
    assert result.stdout == ""


def test_a_second_name_of_an_input_is_seen(cli, task):
    (task / "other.txt").symlink_to("X.txt")
    assert cli(TRAIN.replace("w.bin", "other.txt")).exit_code == 2
    assert (task / "X.txt").stat().st_size > 0


@pytest.mark.parametrize("option", ["", "--log", "--plot", "--checkpoint"])
def test_a_path_that_cannot_be_written_is_found_before_training(cli, task, option):
    name = {"": "w.bin", "--log": "a.csv", "--plot": "a.png", "--checkpoint": "a.ckpt"}[option]
    result = cli(f"{TRAIN} {option} nowhere/{name}") if option else cli(TRAIN.replace("w.bin", "nowhere/w.bin"))
    assert result.exit_code == 3
    assert re.fullmatch(
        rf"caffe64: error: nowhere/{name}: there is no directory .*nowhere \(mkdir -p makes it\)\n", result.stderr
    )
    assert result.stdout == ""


def test_a_directory_is_refused_as_a_weights_file(cli, task):
    (task / "folder").mkdir()
    result = cli(TRAIN.replace("w.bin", "folder"))
    assert result.exit_code == 3
    assert "folder: this is a directory" in result.stderr


def test_a_loss_that_is_not_finite_exits_5_and_keeps_the_last_good_checkpoint(cli, task):
    (task / "optim.txt").write_text("0.1 0 1 0 0 1")
    assert cli(f"{TRAIN} --checkpoint run.ckpt").exit_code == 0
    weights, checkpoint = (task / "w.bin").read_bytes(), (task / "run.ckpt").read_bytes()
    (task / "optim.txt").write_text("1e30 0 1 0 0.9 5")
    result = cli(f"{TRAIN} --resume run.ckpt --checkpoint run.ckpt")
    assert result.exit_code == 5
    assert re.search(
        r"^caffe64: error: training diverged: the loss is (nan|inf) in epoch 2, minibatch \d+ ",
        result.stderr,
        re.MULTILINE,
    )
    assert (task / "w.bin").read_bytes() == weights
    assert (task / "run.ckpt").read_bytes() == checkpoint


def test_a_net_without_loss_cannot_be_trained(cli, task):
    (task / "net.txt").write_text("2\ninp 4 10\nlin 3 -1\n")
    result = cli(TRAIN)
    assert result.exit_code == 3
    assert result.stderr.startswith("caffe64: error: net.txt: the last layer is not a loss layer, expected sce, sft, ")
