"""Jobs give what the same trainings give by `Net.fit` and `Solver`, and nothing else."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from reference.sweeps import NETS, job, write_solver, write_sweep

import caffe64
from caffe64.jobs.checking import checked_job
from caffe64.jobs.data import fold_rows, matrix
from caffe64.jobs.run import run_job


@pytest.fixture
def folder(tmp_path):
    write_sweep(tmp_path)
    return tmp_path


def ran(given: dict, threads: int = 1) -> dict:
    """The result, or the error."""
    outcome = run_job(checked_job(given), threads)
    assert outcome["run"].keys() == {"seconds", "host"}
    return outcome.get("result") or outcome["error"]


def digest(arrays) -> str:
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()[:16]


def trained(rows, seed, **numbers) -> tuple[caffe64.Net, caffe64.History]:
    X, Y = np.load("X.npy")[rows], np.load("Y.npy")[rows]
    settings = {"rate": 0.02, "step": 0, "factor": 1, "decay": 0, "momentum": 0, "epochs": 3} | numbers
    net = caffe64.Net(NETS[0])
    return net, net.fit(X, Y, caffe64.Optimizer(**settings), seed=seed)


def test_a_job_is_a_training_by_its_numbers(folder, monkeypatch):
    monkeypatch.chdir(folder)
    numbers = {"momentum": 0.9, "decay": 0.001, "step": 1, "factor": 0.5}
    net, history = trained(slice(150), 4, **numbers)
    found = ran(job(folder, rows=150, seed=4, **numbers))
    assert found == {"loss": history.loss[-1], "weights": digest(net.layer_parameters())}


def test_a_fold_trains_on_the_other_rows_and_validates_on_its_own(folder, monkeypatch):
    monkeypatch.chdir(folder)
    purpose = int.from_bytes(hashlib.blake2b(b"folds", digest_size=8).digest(), "little")
    order = np.random.Generator(np.random.Philox(key=np.array([7, purpose], np.uint64))).permutation(200)
    held = np.sort(order[50:100])
    net, history = trained(np.setdiff1d(np.arange(200), held), 7)
    scores = net.evaluate(np.load("X.npy")[held], np.load("Y.npy")[held])
    assert ran(job(folder, folds=4, fold=1, seed=7)) == {
        "loss": history.loss[-1],
        "validation_loss": scores.loss,
        "validation_accuracy": scores.accuracy,
        "weights": digest(net.layer_parameters()),
    }


@pytest.mark.parametrize("rows", [7, 200])
@pytest.mark.parametrize("folds", [2, 3, 7])
def test_each_row_validates_in_one_fold(rows, folds):
    parts = [fold_rows(rows, folds, fold, 3) for fold in range(folds)]
    assert sorted(np.concatenate([validate for _, validate in parts])) == list(range(rows))
    for train, validate in parts:
        assert sorted([*train, *validate]) == list(range(rows))
        assert rows // folds <= len(validate) <= rows // folds + 1
    assert (fold_rows(200, 2, 0, 4)[1] != fold_rows(200, 2, 0, 5)[1]).any()


def test_a_validation_has_files_of_its_own(folder, monkeypatch):
    monkeypatch.chdir(folder)
    np.savetxt("val_x.txt", np.load("X.npy")[:30])
    np.savetxt("val_y.txt", np.load("Y.npy")[:30], "%d")
    net, _ = trained(slice(None), 0)
    scores = net.evaluate(np.loadtxt("val_x.txt"), np.loadtxt("val_y.txt"))
    found = ran(job(folder, val_x="val_x.txt", val_y="val_y.txt"))
    assert (found["validation_loss"], found["validation_accuracy"]) == (scores.loss, scores.accuracy)


def test_threads_change_nothing(folder):
    given = job(folder, folds=2, fold=0, momentum=0.9)
    assert ran(given, 3) == ran(given, 1)


def test_jobs_in_threads_of_one_process_are_those_of_one_after_another(folder):
    jobs = [checked_job(job(folder, seed=seed, folds=2, fold=seed % 2)) for seed in range(8)]
    with ThreadPoolExecutor(4) as pool:
        found = [outcome["result"] for outcome in pool.map(run_job, jobs)]
    assert found == [run_job(each)["result"] for each in jobs]


def test_no_epochs_leave_the_initial_weights(folder):
    net = caffe64.Net(NETS[0])
    net.initialise(5)
    assert ran(job(folder, epochs=0, seed=5)) == {"loss": None, "weights": digest(net.layer_parameters())}


def test_a_file_is_read_once_unless_it_changes(folder, monkeypatch):
    monkeypatch.chdir(folder)
    first = matrix("X.npy", None, 6)
    assert matrix("X.npy", None, 6) is first
    assert not first.flags.writeable
    np.save("other.npy", np.zeros((5, 6), np.float32))
    (folder / "other.npy").rename(folder / "X.npy")
    assert matrix("X.npy", None, 6).shape == (5, 6)


@pytest.mark.parametrize(
    ("fields", "kind", "code", "message"),
    [
        ({"rate": 1e9}, "Diverged", 5, "training diverged: the loss is"),
        ({"y": "wrong.npy"}, "LabelError", 3, "wrong.npy: row 3 holds 9, expected a class"),
        ({"rows": 300}, "InputError", 3, "X.npy: holds 200 rows, expected 300"),
        ({"net": "inp 6 500 / lin 3 -1 / sce"}, "UsageError", 2, "there are 200 rows, but a minibatch"),
        (
            {"net": "inp 5 10 / lin 3 -1 / sce"},
            "InputError",
            3,
            "X.npy: holds an array of (200, 6), expected rows of 5",
        ),
        ({"folds": 201, "fold": 0}, "InputError", 3, "X.npy: has 200 rows, expected at least 201"),
    ],
)
def test_an_error_is_a_result_of_its_own(folder, monkeypatch, fields, kind, code, message):
    monkeypatch.chdir(folder)
    labels = np.load("Y.npy")
    labels[2] = 9
    np.save("wrong.npy", labels)
    error = ran(job(folder, **fields))
    assert (error["type"], error["exit_code"]) == (kind, code)
    assert message in error["message"]


@pytest.fixture
def solver(tmp_path):
    return write_solver(tmp_path)


def test_a_solver_is_solved_with_the_fields_of_the_job(solver, monkeypatch):
    other = caffe64.Solver(solver, base_lr=0.1, max_iter=20, random_seed=8, snapshot_after_train=False)
    history = other.solve()  # which tests after the last iteration
    found = ran({"solver": solver, "base_lr": 0.1, "max_iter": 20, "random_seed": 8})
    expected = {name: values[-1] for name, values in history.tests[0].scores.items()}
    assert np.float32(found["loss"]) == history.loss[-1]
    assert np.float32(found["test_accuracy"]) == expected["accuracy"]
    assert np.float32(found["test_loss"]) == expected["loss"]
    assert found["iterations"] == 20
    assert found["weights"] == digest(blob.data for blobs in other.net.params.values() for blob in blobs)
    assert not list(solver.parent.glob("snap*"))


def test_a_solver_is_tested_at_its_end_whatever_the_interval_is(solver):
    other = caffe64.Solver(solver, snapshot_after_train=False)
    other.solve()
    (scores,) = other.test()
    assert np.float32(ran({"solver": solver})["test_accuracy"]) == scores["accuracy"]


def test_two_test_nets_have_names_of_their_own(solver):
    text = solver.read_text().replace("test_iter: 4", "test_iter: 4 test_iter: 10")
    solver.write_text(text)
    found = ran({"solver": solver})
    assert {"test0_accuracy", "test0_loss", "test1_accuracy", "test1_loss"} <= found.keys()


def test_a_solver_that_diverges(solver):
    assert ran({"solver": solver, "base_lr": 1e30})["type"] == "Diverged"
