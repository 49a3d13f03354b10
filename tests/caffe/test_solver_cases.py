"""Trainings of real Caffe, iteration by iteration."""

from __future__ import annotations

import importlib.util
import os

import numpy as np
import pytest
from reference.solver_cases import CASES, SolverCase, worst
from support import needs_shared

from caffe64.caffe.solver.solver import CaffeTraining

TOLERANCE = 1e-4  # of the largest value; reached: 3e-6. Two builds of Caffe differ by 1e-6


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("trainings")


@needs_shared
@pytest.mark.parametrize("name", CASES)
def test_a_training_is_real_caffes(name, folder, monkeypatch):
    if name == "data_leveldb" and not importlib.util.find_spec("plyvel"):
        pytest.skip("plyvel is not installed")
    case = SolverCase(name, folder)
    monkeypatch.chdir(case.path)
    stages = [case.options["stage"]] if "stage" in case.options else []
    solver = CaffeTraining("solver.prototxt", level=case.options.get("level"), stages=stages)
    if "weights" in case.options:
        solver.load_weights([case.options["weights"]])
    if "snapshot" in case.options:
        solver.restore(case.options["snapshot"])
    settings, losses = solver.parsed.settings, case.arrays["train/loss"].tolist()
    for _ in range(solver.iter, settings.max_iter):
        step = solver.trainer.step()
        expected = np.mean([losses.pop(0) for _ in range(settings.iter_size)])
        assert abs(step.loss - expected) <= TOLERANCE * max(abs(expected), 1e-3)
        if solver.iter == settings.max_iter:
            break  # what is kept of the last was read behind another pass
        check_arrays(case, solver)
    check_rates(case, solver)


def check_arrays(case, solver):
    weights = [
        (solver.net.params[layer][number].data, expected)
        for (layer, number), expected in case.at("w", solver.iter).items()
    ]
    largest = max((np.abs(expected).max(initial=0) for _, expected in weights), default=0)
    assert worst(weights, largest) <= TOLERANCE
    histories = [
        (solver.trainer.owner.view(number % len(solver.trainer.owner.slices), vector), expected)
        for (_, number), expected in case.at("h", solver.iter).items()
        for vector in [solver.trainer.histories[number // len(solver.trainer.owner.slices)]]
    ]
    assert worst(histories, largest) <= TOLERANCE


def check_rates(case, solver):
    for iteration, rate in zip(case.arrays.get("lr_iter", []), case.arrays.get("lr", []), strict=True):
        if solver.parsed.settings.lr_policy != "multistep":  # whose steps are counted
            assert solver.trainer.schedule.rate(int(iteration)) == pytest.approx(rate, rel=1e-5)


@needs_shared
def test_there_are_trainings_of_all_kinds():
    assert len(CASES) == 52


@needs_shared
@pytest.mark.parametrize("name", ["solver_sgd", "solver_adam", "snapshot_hdf5"])
def test_a_training_that_goes_on_has_the_bits_of_one_that_did_not_stop(name, folder, monkeypatch, tmp_path):
    case = SolverCase(name, folder)
    monkeypatch.chdir(case.path)
    first = CaffeTraining("solver.prototxt")
    first.load_weights([case.options["weights"]])
    for _ in range(3):
        first.trainer.step()
    _, state = first.snapshot()
    for _ in range(5):
        first.trainer.step()
    second = CaffeTraining("solver.prototxt")
    second.restore(state)
    for _ in range(5):
        second.trainer.step()
    np.testing.assert_array_equal(first.trainer.owner.vector, second.trainer.owner.vector)
    for one, other in zip(first.trainer.histories, second.trainer.histories, strict=True):
        np.testing.assert_array_equal(one, other)
    for path in (state, state.replace("solverstate", "caffemodel")):
        os.remove(path)
