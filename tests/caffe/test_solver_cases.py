"""Trainings of real Caffe: all that is kept of them, at every iteration and in every pass."""

from __future__ import annotations

import importlib.util
import os

import numpy as np
import pytest
from reference.solver_cases import CASES, SolverCase, worst
from support import needs_shared

from caffe64.caffe.solver.events import Stepped
from caffe64.caffe.solver.loop import TrainingLoop
from caffe64.caffe.solver.solver import CaffeTraining

TOLERANCE = 1e-4  # of the largest value; reached: 3e-6. Two builds of Caffe differ by 1e-6


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("trainings")


class Watched:
    """A training of a case that is compared as it goes: `passes` are those of each net, with iteration, loss and
    outputs; `compared` counts arrays of weights, histories and gradients."""

    def __init__(self, case: SolverCase, training: CaffeTraining):
        self.case, self.training, self.compared = case, training, 0
        self.passes: dict[str, list[tuple[int, float, dict[str, np.ndarray]]]] = {}
        self.rates: dict[int, float] = {}
        nets = {"train": training.trainer.fed, **{f"test{number}": fed for number, fed in enumerate(training.tests)}}
        for kind, fed in nets.items():
            self._watch(kind, fed)
        training.trainer.on_gradients.append(self._check_gradients)

    def _watch(self, kind, fed):
        original, rows = fed.forward, self.passes.setdefault(kind, [])
        blobs = [key.split("/")[-1] for key in self.case.arrays if key.startswith(f"{kind}/out/")]

        def forward(*arguments):
            loss, outputs = original(*arguments)
            rows.append((self.training.iter, float(loss), {name: fed.net.blobs[name].data.copy() for name in blobs}))
            return loss, outputs

        fed.forward = forward

    def __call__(self, event):
        if isinstance(event, Stepped):
            self.rates[event.step.iteration] = float(event.step.rate)
            if self.training.iter < self.training.parsed.settings.max_iter:  # the last is read behind another pass
                self.check_arrays()

    def _check_gradients(self):
        found = self.training.net.params
        self._check("g", [(found[layer][number].diff, each) for (layer, number), each in self._at("g")])

    def check_arrays(self):
        trainer, found = self.training.trainer, self.training.net.params
        self._check("w", [(found[layer][number].data, each) for (layer, number), each in self._at("w")])
        parts = len(trainer.owner.slices)
        self._check(
            "h",
            [(trainer.owner.view(at % parts, trainer.histories[at // parts]), each) for (_, at), each in self._at("h")],
        )

    def _at(self, kind):
        return self.case.at(kind, self.training.iter).items()

    def _check(self, kind, pairs):
        weights = self.case.at("w", self.training.iter).values() or [self.training.trainer.owner.vector]
        largest = max(np.abs(each).max(initial=0) for each in weights)
        assert worst(pairs, largest) <= TOLERANCE, (kind, self.training.iter)
        self.compared += len(pairs)

    def check_passes(self):
        arrays = self.case.arrays
        for kind, rows in self.passes.items():
            assert [row[0] for row in rows] == arrays.get(f"{kind}/iter", np.zeros(0)).tolist(), kind
            for number, (_, loss, outputs) in enumerate(rows):
                check_close(loss, arrays[f"{kind}/loss"][number])
                for name, values in outputs.items():
                    check_close(values, arrays[f"{kind}/out/{name}"][number])

    def check_rates(self):
        arrays = self.case.arrays
        for iteration, rate in zip(arrays.get("lr_iter", []), arrays.get("lr", []), strict=True):
            assert self.rates[int(iteration)] == pytest.approx(rate, rel=1e-5)


def check_close(found, expected):
    largest = max(np.abs(expected).max(initial=0), 1e-3)
    np.testing.assert_allclose(found, np.reshape(expected, np.shape(found)), rtol=0, atol=TOLERANCE * largest)


@needs_shared
@pytest.mark.parametrize("name", CASES)
def test_a_training_is_real_caffes(name, tmp_path, monkeypatch):
    if name == "data_leveldb" and not importlib.util.find_spec("plyvel"):
        pytest.skip("plyvel is not installed")
    case = SolverCase(name, tmp_path)
    monkeypatch.chdir(case.path)
    weights = [case.options["weights"]] if "weights" in case.options else None
    stages = [case.options["stage"]] if "stage" in case.options else []
    training = CaffeTraining("solver.prototxt", level=case.options.get("level"), stages=stages, weights=weights)
    if "snapshot" in case.options:
        training.restore(case.options["snapshot"])
    watched = Watched(case, training)
    TrainingLoop(training, watched).solve()
    watched.check_arrays()
    watched.check_passes()
    watched.check_rates()
    assert watched.compared == sum(key[:2] in ("w/", "h/", "g/") for key in case.arrays)


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


MIXED = ("autoencoder", "batchnorm", "clip_iter_size", "debug_info", "deconv_segmentation", "lrn_prelu", "siamese")
MIXED += ("solver_adadelta", "solver_nesterov", "train_pictures", "two_losses")


@needs_shared
@pytest.mark.parametrize("name", MIXED)
def test_one_and_more_threads_have_the_same_bits(name, tmp_path, monkeypatch):
    case, found = SolverCase(name, tmp_path), []
    monkeypatch.chdir(case.path)
    for threads in (1, 2, 3):
        training = CaffeTraining("solver.prototxt", threads=threads)
        losses = [training.trainer.step().loss for _ in range(5)]
        found.append([training.trainer.owner.vector, training.trainer.gradient, *training.trainer.histories, losses])
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(one, two)
