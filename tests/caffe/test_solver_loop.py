"""The loop of a training: snapshots among tests, stops, weights that are not finite, recurrent layers that go on."""

from __future__ import annotations

import warnings

import h5py
import numpy as np
import pytest
from reference.small_training import write_solver, write_training

from caffe64.caffe.solver import events as happened
from caffe64.caffe.solver.loop import SNAPSHOT, STOP, TrainingLoop
from caffe64.caffe.solver.solver import CaffeTraining
from caffe64.errors import Diverged, InputError

RECURRENT = """
name: "words"
layer { name: "rows" type: "HDF5Data" top: "x" top: "cont" top: "y"
  hdf5_data_param { source: "rows.txt" batch_size: 4 } }
layer { name: "lstm" type: "LSTM" bottom: "x" bottom: "cont" top: "h"
  recurrent_param { num_output: 3 weight_filler { type: "uniform" min: -0.5 max: 0.5 } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "h" bottom: "y" top: "loss" }
"""


@pytest.fixture
def training(tmp_path, monkeypatch):
    write_training(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def solved(path: str, state: str = "", poll=lambda: None) -> tuple[CaffeTraining, list]:
    events: list = []
    solver = CaffeTraining(path)
    if state:
        solver.restore(state)
    loop = TrainingLoop(solver, events.append, poll)
    loop.solve()
    return solver, events


def asked_at(call: int, what: str):
    """A poll that asks for something once, at this call."""
    calls = iter(range(10**6))
    return lambda: what if next(calls) == call else None


def scores(events: list) -> list:
    return [(event.iteration, float(event.loss)) for event in events if isinstance(event, happened.Tested)]


def check_same(one: CaffeTraining, other: CaffeTraining) -> None:
    np.testing.assert_array_equal(one.trainer.owner.vector, other.trainer.owner.vector)
    for mine, theirs in zip(one.trainer.histories, other.trainer.histories, strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize(("call", "iteration"), [(2, 0), (5 + 3, 3), (5 + 10 + 2, 10)])
@pytest.mark.parametrize("what", [SNAPSHOT, STOP])
def test_a_snapshot_of_any_moment_goes_on_with_the_bits_and_the_tests_of_an_unbroken_run(
    training, call, iteration, what
):
    """Five passes of a test before iteration 0, ten iterations, and five passes again. A test that is interrupted is
    made again, from where it began."""
    write_solver(training / "solver.prototxt", snapshot=None)
    whole, events = solved("solver.prototxt")
    _, parts = solved("solver.prototxt", poll=asked_at(call, what))
    second, rest = solved("solver.prototxt", f"snap_iter_{iteration + (iteration == 3)}.solverstate")
    check_same(whole, second)
    assert scores(events)[-len(scores(rest)) :] == scores(rest)
    assert any(isinstance(event, happened.TestStopped) for event in parts) == (what == STOP and iteration != 3)


def test_weights_that_are_not_finite_are_not_written(training):
    write_solver(training / "solver.prototxt", snapshot=None, max_iter=2, type='"SGD"', base_lr=3e38, momentum=0)
    solver = CaffeTraining("solver.prototxt")
    with pytest.raises(Diverged, match=r"in iteration \d"):
        TrainingLoop(solver).solve()
    assert not list(training.glob("snap*"))
    TrainingLoop(CaffeTraining("solver.prototxt"), keep_going=True).solve()
    assert list(training.glob("snap*"))


def test_a_loss_that_is_not_finite_does_not_reach_the_weights(training):
    with h5py.File(training / "rows.h5", "r+") as file:
        file["data"][7] = np.nan
    solver = CaffeTraining("solver.prototxt")
    with pytest.raises(Diverged):
        TrainingLoop(solver).solve()
    assert np.isfinite(solver.trainer.owner.vector).all()


def test_a_net_that_is_larger_than_the_train_net_is_refused_at_the_start(training):
    text = (training / "net.prototxt").read_text()
    (training / "other.prototxt").write_text(text.replace("num_output: 3", "num_output: 7"))
    write_solver(training / "solver.prototxt", net=None, train_net='"net.prototxt"', test_net='"other.prototxt"')
    with pytest.raises(InputError, match="test net 0: 'ip' has weights of the shapes"):
        CaffeTraining("solver.prototxt")


def test_recurrent_layers_go_on_from_what_they_carry(training):
    random = np.random.default_rng(2)
    with h5py.File(training / "rows.h5", "w") as file:
        file["x"] = random.normal(size=(24, 2, 5)).astype(np.float32)
        file["cont"], file["y"] = np.ones((24, 2), np.float32), random.normal(size=(24, 2, 3)).astype(np.float32)
    (training / "net.prototxt").write_text(RECURRENT)
    write_solver(training / "solver.prototxt", test_iter=None, test_interval=None)
    whole, _ = solved("solver.prototxt")
    second, _ = solved("solver.prototxt", "snap_iter_10.solverstate")
    check_same(whole, second)


def test_the_end_of_a_database_is_an_event(tmp_path, monkeypatch):
    lmdb = pytest.importorskip("lmdb")
    from caffe64.formats.caffe.schema import MESSAGES

    monkeypatch.chdir(tmp_path)
    write_training(
        tmp_path, max_iter=5, test_iter=None, test_interval=None, snapshot_after_train="false", snapshot=None
    )
    with lmdb.open("rows_lmdb") as environment, environment.begin(write=True) as transaction:
        for number in range(12):
            datum = MESSAGES["Datum"](channels=1, height=6, width=6, data=bytes(range(36)), label=number % 3)
            transaction.put(b"%08d" % number, datum.SerializeToString())
    rows = 'type: "Data" top: "data" top: "label" data_param { source: "rows_lmdb" backend: LMDB batch_size: 5 }'
    text = (tmp_path / "net.prototxt").read_text()
    (tmp_path / "net.prototxt").write_text(
        f'layer {{ name: "rows" {rows} }}' + text[text.index('layer { name: "conv"') :]
    )
    _, events = solved("solver.prototxt")
    kinds = {happened.Stepped: "step", happened.Restarted: "restart"}
    found = [kinds[type(event)] for event in events if type(event) in kinds]
    # 12 records in batches of 5: the last is in the third, in the fifth, and in the sixth, which `display` adds.
    assert found == ["step", "step", "restart", "step", "step", "restart", "step", *found[7:]]


def test_a_model_of_another_training_is_noticed(training):
    solved("solver.prototxt")
    kept = (training / "snap_iter_10.caffemodel").read_bytes()
    (training / "snap_iter_10.caffemodel").write_bytes((training / "snap_iter_20.caffemodel").read_bytes())
    with pytest.warns(UserWarning, match=r"snap_iter_10.caffemodel has other weights than when .*state was written"):
        CaffeTraining("solver.prototxt").restore("snap_iter_10.solverstate")
    (training / "snap_iter_10.caffemodel").write_bytes(kept)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        CaffeTraining("solver.prototxt").restore("snap_iter_10.solverstate")
