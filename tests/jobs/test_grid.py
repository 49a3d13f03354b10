"""Grids: the product of their values, and what is wrong with them, by line."""

from __future__ import annotations

import itertools
import os

import pytest
from reference.sweeps import NETS, SIXTY, write_solver, write_sweep

from caffe64.errors import FileMissing, InputError
from caffe64.jobs.grid import read_grid

ONE = 'net = "inp 6 10 / lin 3 -1 / sce"\nx = "X.npy"\ny = "Y.npy"\nrate = 0.1\nepochs = 2\n'


@pytest.fixture
def folder(tmp_path):
    write_sweep(tmp_path)
    return tmp_path


def grid_of(folder, text: str):
    (folder / "g.toml").write_text(text)
    return read_grid(folder / "g.toml")


def test_jobs_are_the_product_with_folds_fastest(folder):
    jobs = read_grid(folder / "grid.toml")
    axes = (NETS, range(2), (0.003, 0.02, 1e9), range(5))
    assert [(job["net"], job["seed"], job["rate"], job["fold"]) for job in jobs] == list(itertools.product(*axes))
    assert jobs[0] == {
        "net": NETS[0], "rate": 0.003, "step": 0, "factor": 1.0, "decay": 0.0, "momentum": 0.9, "epochs": 3,
        "x": str(folder / "X.npy"), "y": str(folder / "Y.npy"), "folds": 5, "fold": 0, "seed": 0,
    }  # fmt: skip


def test_names_count_from_the_folder_of_the_grid(folder, monkeypatch, tmp_path_factory):
    (folder / "nets").mkdir()
    (folder / "nets" / "a.txt").write_text("3\ninp 6 10  # rows\nlin 3 -1\nsce\n")
    (folder / "optim.txt").write_text("0.5 2 0.1 0.01 0.9 7")
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    text = (
        'net = "nets/a.txt"\nx = "X.npy"\ny = "Y.npy"\noptimizer = "optim.txt"\nepochs = [1, 2]\nrows = [100, "all"]\n'
    )
    jobs = grid_of(folder, text)
    assert [(job["epochs"], job.get("rows")) for job in jobs] == [(1, 100), (1, None), (2, 100), (2, None)]
    assert {(job["net"], job["rate"], job["step"], job["momentum"]) for job in jobs} == {
        ("inp 6 10 / lin 3 -1 / sce", 0.5, 2, 0.9)
    }
    assert jobs[0]["x"] == str(folder / "X.npy")


def test_equal_jobs_are_one(folder):
    assert len(grid_of(folder, ONE + "seed = [1, 1, 2]\n")) == 2
    assert len(grid_of(folder, ONE + "decay = [0, 0.0]\n")) == 1


def test_some_folds_alone(folder):
    assert [job["fold"] for job in grid_of(folder, ONE + "folds = 5\nfold = [4, 1]\n")] == [4, 1]


def test_a_solvers_fields(tmp_path):
    write_solver(tmp_path)
    text = 'solver = "solver.prototxt"\nbase_lr = [0.1, 1]\ntype = ["SGD", "Nesterov"]\nstepvalue = [[5, 10]]\n'
    jobs = grid_of(tmp_path, text)
    assert [(job["base_lr"], job["type"]) for job in jobs] == list(itertools.product((0.1, 1), ("SGD", "Nesterov")))
    assert jobs[0] == {"solver": str(tmp_path / "solver.prototxt"), "base_lr": 0.1, "type": "SGD", "stepvalue": [5, 10]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "g.toml: is empty, expected values by name"),
        ("rate 0.1", "g.toml:1:6: expected '=' after a key"),
        (ONE + "seed = [", "g.toml:6"),
        (ONE + "\nsed = 3", "g.toml:7: 'sed' is not a field of a job with a net (did you mean 'seed'?)"),
        (ONE + "momentun = [0.9]", "did you mean 'momentum'?"),
        (ONE + "base_lr = 1", "g.toml:6: 'base_lr' is not a field of a job with a net (fields are net, optimizer"),
        (ONE + "seed = []", "g.toml:6: seed is an empty list, expected one value or more"),
        (ONE + "[seed]\na = 1", "g.toml:6: seed is a table, expected values by name"),
        (ONE.replace("0.1", "[0.1, -1]"), "g.toml:4: rate: found -1, expected the learning rate"),
        (ONE.replace("0.1", "'fast'"), "g.toml:4: rate: found 'fast', expected the learning rate"),
        (ONE.replace("epochs = 2", "epochs = 1.5"), "g.toml:5: epochs: found 1.5, expected the number of epochs"),
        (ONE.replace("rate = 0.1\n", ""), "g.toml: there is no 'rate', the learning rate"),
        (ONE.replace('y = "Y.npy"\n', ""), "g.toml: there is no 'y', the file of targets"),
        (ONE.replace("lin 3 -1 / sce", "lin 3 -1"), "g.toml:1: the last layer is not a loss layer"),
        (ONE.replace("lin 3 -1", "lin 3"), "g.toml:1: layer 2: the line ends after"),
        (ONE + "folds = 1", "g.toml:6: folds"),
        (ONE + "folds = 3\nfold = 3", "g.toml:7: fold is 3, expected a whole number from 0 to 2"),
        (ONE + "fold = 3", "g.toml:6: folds and fold belong together"),
        (ONE + 'val_x = "X.npy"', "g.toml:6: val_x and val_y belong together"),
        (ONE + 'folds = 3\nval_x = "X.npy"\nval_y = "Y.npy"', "g.toml:6: folds and val_x exclude each other"),
        (ONE + "seed = -1", "g.toml:6: seed is -1, expected a whole number from 0"),
        (ONE + "rows = 0", "g.toml:6: rows is 0, expected a whole number from 1"),
        (ONE + "x2 = 2023-01-01", "'x2' is not a field"),
        ("rate = 0.1", "g.toml: there is no net and no solver"),
        (ONE + 'solver = "s"', "g.toml:1: there are a net and a solver"),
        (ONE + f"seed = {list(range(100_001))}", "makes 100,001 jobs, expected at most 100,000"),
        (ONE + f"folds = 2\nseed = {list(range(50_001))}", "makes 100,002 jobs"),
    ],
)
def test_a_wrong_grid(folder, text, message):
    with pytest.raises(InputError) as raised:
        grid_of(folder, text)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed = 3", "g.toml:2: 'seed' is not a field of a solver: random_seed is"),
        ("max_itr = 1", "g.toml:2: 'max_itr' is not a field of a solver (did you mean 'max_iter'?)"),
        ("snapshot = 5", "g.toml:2: 'snapshot' has no effect: jobs write no snapshots"),
        ("max_iter = 1.5", "g.toml:2: max_iter is 1.5, expected a whole number"),
        ("type = ['SGD', 'sgd']", "g.toml:2: type is 'sgd', expected one of"),
        ("rms_decay = 2\ntype = 'RMSProp'\nmomentum = 0", "g.toml:2: rms_decay: 2, expected from 0 up to below 1"),
    ],
)
def test_a_wrong_field_of_a_solver(tmp_path, text, message):
    write_solver(tmp_path)
    with pytest.raises(InputError) as raised:
        grid_of(tmp_path, f'solver = "solver.prototxt"\n{text}\n')
    assert message in str(raised.value)


def test_files_that_are_not_there(folder):
    for name in ("X.npy", "Y.npy"):
        with pytest.raises(FileMissing, match=f"none{name}"):
            grid_of(folder, ONE.replace(name, f"none{name}"))
    with pytest.raises(FileMissing):
        grid_of(folder, ONE.replace("inp 6 10 / lin 3 -1 / sce", "none.txt"))
    with pytest.raises(FileMissing):
        read_grid(folder / "none.toml")


def test_what_cannot_be_read_again_and_again(folder):
    os.mkfifo(folder / "pipe")
    for name, message in (("pipe", "is no regular file, expected a file"), (".", "is a directory, expected a file")):
        with pytest.raises(InputError, match=message):
            grid_of(folder, ONE.replace("X.npy", name))


def test_a_file_of_something_else(folder):
    (folder / "g.toml").write_bytes(b"rate = 1\n\xff\xfe\n")
    with pytest.raises(InputError, match=r"g.toml:2: is not UTF-8"):
        read_grid(folder / "g.toml")
    with pytest.raises(InputError):
        read_grid(folder / "X.npy")
    with pytest.raises(InputError, match="larger than 1 MiB"):
        grid_of(folder, SIXTY + "#" * (1 << 20))


def test_rules_and_schedules_are_fields_of_a_job(folder):
    jobs = grid_of(folder, ONE + 'rule = ["sgd", "adam"]\nwarmup = [0, 0.5]\nclip = 2\n')
    found = [(job.get("rule"), job.get("warmup"), job["clip"], job.get("second")) for job in jobs]
    assert found == [
        (None, None, 2.0, None),
        (None, 0.5, 2.0, None),
        ("adam", None, 2.0, None),
        ("adam", 0.5, 2.0, None),
    ]
    (folder / "adam.txt").write_text("0.1 0 1 0 0 2\nadam 0.9\nclip 1\n")
    text = ONE.replace("rate = 0.1\nepochs = 2\n", 'optimizer = "adam.txt"\nrule = ["adam", "sgd", "rmsprop"]\n')
    jobs = grid_of(folder, text)
    assert [(job.get("rule"), job.get("second"), job["clip"]) for job in jobs] == [
        ("adam", 0.9, 1.0), (None, None, 1.0), ("rmsprop", None, 1.0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('rule = "Adam"', "g.toml:6: rule: found 'Adam', expected the update rule, one of sgd, nesterov"),
        ('schedule = "exp"', "step is 0, expected with exp, the epochs"),
        ("second = 0.9", "g.toml:6: second is 0.9, which sgd does not use"),
        ("clip = -1", "g.toml:6: clip: found -1, expected the largest norm"),
    ],
)
def test_a_wrong_rule_or_schedule_is_named_with_its_line(folder, line, message):
    with pytest.raises(InputError) as caught:
        grid_of(folder, ONE + line + "\n")
    assert message in str(caught.value)
