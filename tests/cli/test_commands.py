"""test, eval, info, convert, warmup, cache, doctor."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from support import SHARED, needs_shared

TRAIN = "train net.txt w.bin optim.txt 400 X.txt Y.txt --quiet"
GOLDEN = SHARED / "caffe64" / "golden"


@pytest.fixture
def trained(task, cli):
    assert cli(TRAIN).exit_code == 0
    return task


@needs_shared
@pytest.mark.parametrize("case", ["classify_mlp", "regress_tanh", "wide_minibatch"])
def test_test_prints_and_writes_what_the_original_did(cli, tmp_path, case):
    folder = GOLDEN / case
    result = cli(f"test {folder}/net.txt {folder}/final.bin all {folder}/X.txt {tmp_path}/out.txt")
    assert result.exit_code == 0
    lines = [re.sub(r"in \d+s", "in", line) for line in result.stdout.splitlines()]
    assert lines == [re.sub(r"in \d+s", "in", line) for line in (folder / "test.log").read_text().splitlines()]
    np.testing.assert_allclose(np.loadtxt(tmp_path / "out.txt"), np.loadtxt(folder / "test.txt"), atol=1e-3)
    assert all(line.endswith(" \n") for line in (tmp_path / "out.txt").open())


def test_test_writes_one_line_per_row_for_a_partial_minibatch(cli, trained):
    assert cli("test net.txt w.bin 15 X.txt out.txt").exit_code == 0
    assert np.loadtxt("out.txt").shape == (15, 3)


def test_test_is_quiet(cli, trained):
    result = cli("test net.txt w.bin all X.txt out.txt --quiet")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


def test_eval_agrees_with_what_test_writes(cli, trained):
    cli("test net.txt w.bin all X.txt out.txt")
    posteriors, labels = np.loadtxt("out.txt"), np.loadtxt("Y.txt").astype(int)
    predicted = posteriors.argmax(axis=1)
    scores = json.loads(cli("eval net.txt w.bin all X.txt Y.txt --json").stdout)
    assert scores["rows"] == 400
    assert scores["accuracy"] == (predicted == labels).mean()
    assert scores["loss"] == pytest.approx(-np.log(posteriors[np.arange(400), labels]).mean(), rel=1e-3)
    assert scores["confusion"] == [[int(((labels == i) & (predicted == j)).sum()) for j in range(3)] for i in range(3)]
    assert scores["classes"][1]["recall"] == pytest.approx((predicted[labels == 1] == 1).mean())
    assert scores["classes"][1]["precision"] == pytest.approx((labels[predicted == 1] == 1).mean())


def test_eval_prints_numbers_with_their_meaning_and_tables(cli, trained):
    lines = cli("eval net.txt w.bin all X.txt Y.txt --top 2").stdout.splitlines()
    assert lines[0] == "rows      400"
    assert re.fullmatch(r"loss      0\.\d{6}  log loss: mean of -ln p\(class\)", lines[1])
    assert re.fullmatch(r"accuracy  \d\d\.\d\d%    of the rows: the largest output is the class", lines[2])
    assert [line.split()[:2] for line in lines[3:5]] == [["balanced", lines[3].split()[1]], ["top", "2"]]
    rates, confusion = (number for number, line in enumerate(lines) if line.startswith("class "))
    assert lines[rates].split() == ["class", "rows", "precision", "recall", "F1"]
    assert lines[confusion].split() == ["class", "0", "1", "2"]
    for start in (rates, confusion):
        assert [line.split()[0] for line in lines[start + 1 : start + 4]] == ["0", "1", "2"]
    counts = [list(map(int, line.split()[1:])) for line in lines[confusion + 1 :]]
    assert [str(sum(line)) for line in counts] == [line.split()[1] for line in lines[rates + 1 : rates + 4]]
    written = json.loads(cli("eval net.txt w.bin all X.txt Y.txt --json --top 2").stdout)
    assert written["top"].keys() == {"2"}
    assert counts == written["confusion"]


def test_a_class_that_never_occurs_has_no_recall(cli, trained):
    np.savetxt("Y.txt", np.zeros(400), fmt="%d")
    scores = json.loads(cli("eval net.txt w.bin all X.txt Y.txt --json").stdout)
    assert scores["classes"][2]["recall"] is None
    assert cli("eval net.txt w.bin all X.txt Y.txt").exit_code == 0


def test_eval_of_targets_has_errors(cli, task):
    (task / "net.txt").write_text("3\ninp 4 10\nlin 1 -1\nl2l\n")
    assert cli(TRAIN).exit_code == 0
    cli("test net.txt w.bin all X.txt out.txt")
    scores = json.loads(cli("eval net.txt w.bin all X.txt Y.txt --json").stdout)
    assert scores["accuracy"] is None
    assert "confusion" not in scores
    errors = np.loadtxt("out.txt") - np.loadtxt("Y.txt")
    assert scores["rmse"] == pytest.approx(np.sqrt((errors**2).mean()), rel=1e-5)  # texts have six decimals
    names = [line.split()[0] for line in cli("eval net.txt w.bin all X.txt Y.txt").stdout.splitlines()]
    assert names == ["rows", "loss", "R2", "MAE", "RMSE"]
    wrong = cli("eval net.txt w.bin all X.txt Y.txt --top 2")
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert "top is 2, but the net does not end in classes" in wrong.stderr


def test_info_counts_parameters_and_macs(cli, trained):
    facts = json.loads(cli("info net.txt w.bin --json").stdout)
    assert (facts["parameters"], facts["macs"], facts["minibatch"]) == (67, 56, 10)
    assert [layer["layer"] for layer in facts["layers"]] == ["inp 4 10", "lin 8 -1", "rel", "lin 3 -1", "sce"]
    assert [(layer["inputs"], layer["outputs"]) for layer in facts["layers"]][1] == (4, 8)
    stored = np.fromfile("w.bin", np.float32)[6:46]  # after the counts of two layers
    assert (facts["layers"][1]["smallest"], facts["layers"][1]["largest"]) == (stored.min(), stored.max())


def test_info_prints_a_table(cli, trained):
    lines = cli("info net.txt").stdout.splitlines()
    assert lines[0].split() == ["layer", "inputs", "outputs", "parameters", "macs"]
    assert lines[2].split() == ["lin", "8", "-1", "4", "8", "40", "32"]
    assert lines[-1] == "67 parameters, 56 MACs per row, minibatch 10"
    assert cli("info net.txt w.bin").stdout.splitlines()[-1] == "w.bin fits"


def test_convert_there_and_back(cli, task):
    assert cli("convert X.txt X.npy").exit_code == 0
    assert np.load("X.npy").shape == (400, 4)
    assert cli("convert X.npy back.txt").exit_code == 0
    np.testing.assert_array_equal(np.loadtxt("back.txt", dtype=np.float32), np.loadtxt("X.txt", dtype=np.float32))


def test_convert_shifts_and_scales(cli, task):
    (task / "a.txt").write_text("128 0\n1 255\n")
    assert cli("convert a.txt b.txt --add -128 --scale 2 --columns 1").exit_code == 0
    assert (task / "b.txt").read_text().split() == ["0", "-256", "-254", "254"]


def test_formats_can_be_mixed(cli, trained):
    expected = (trained / "w.bin").read_bytes()
    assert cli("convert X.txt X.npy").exit_code == 0
    assert cli("convert Y.txt Y.idx").exit_code == 0
    assert cli("train net.txt w.bin optim.txt all X.npy Y.idx --quiet").exit_code == 0
    assert (trained / "w.bin").read_bytes() == expected


def test_doctor_knows_the_machine(cli):
    import numba

    from caffe64.engine.compiler.cpu import LANES

    facts = json.loads(cli("doctor --json").stdout)
    assert facts["versions"]["numba"] == numba.__version__
    assert str(LANES) in facts["cpu"]["vectors"]
    assert facts["cache"]["kernels"] >= 10
    assert facts["cache"]["ready"] + len(facts["cache"]["missing"]) == facts["cache"]["kernels"]
    assert "numba" in cli("doctor").stdout


def test_cache_path_and_clear(start, tmp_path):
    environment = {"NUMBA_CACHE_DIR": str(tmp_path)}
    path = start("cache path", env=environment).communicate(timeout=60)[0].strip()
    assert path.startswith(str(tmp_path / "caffe64"))
    (tmp_path / "caffe64" / "old").mkdir()
    (tmp_path / "caffe64" / "old" / "kernel.c64k").write_bytes(bytes(300_000))
    assert start("cache clear", env=environment).communicate(timeout=60)[0] == "freed 0.3 MB\n"
    assert not (tmp_path / "caffe64" / "old").exists()
