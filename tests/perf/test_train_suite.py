"""The suite `train`: every participant trains the same net to the same losses."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from caffe64 import Net
from caffe64.errors import CheckFailed
from caffe64.perf.machine import is_installed
from caffe64.perf.peers.train_numpy import NumpyModel, reference_losses
from caffe64.perf.suites import train
from caffe64.perf.suites.nets import DECAY, NETS, RATE, NetCase

PARTICIPANTS = ["caffe64", *(package for package in train.PEERS.values() if is_installed(package))]


@pytest.fixture(params=["sce", "l2l"])
def small(request, monkeypatch) -> NetCase:
    """A net of the table `NETS` for the time of a test."""
    case = NetCase("small", (6, 5, 3), 4, 40, request.param)
    monkeypatch.setitem(NETS, "small", case)
    return case


@pytest.mark.parametrize("package", PARTICIPANTS)
def test_the_losses_of_all_peers_are_those_of_the_float64_model(package, small):
    job = importlib.import_module(f"caffe64.perf.peers.train_{package}").Job(net="small", rows=40, threads=1)
    job.run()
    train.verify(small, {package: job.facts})


def test_the_verified_passes_learn(small):
    first, *_, last = reference_losses(small)
    assert last < first * (1 - 100 * train.TOLERANCE), "else a step in the wrong direction would pass"


def test_the_models_gradient_is_that_of_its_loss(small):
    model = NumpyModel(small, 4, np.float64)
    W = model.parameters[0][0]
    weight = float(W[2, 1])
    model.step(model.X, model.Y)
    step = weight - W[2, 1]
    losses = []
    for shift in (1e-6, -1e-6):
        probe = NumpyModel(small, 4, np.float64)
        probe.parameters[0][0][2, 1] += shift
        losses.append(probe.step(probe.X, probe.Y))
    slope = (losses[0] - losses[1]) / 2e-6 * (0.5 if small.loss == "l2l" else 1)  # the squared error's missing 2
    assert step == pytest.approx(RATE * (slope + DECAY / 4 * weight), rel=1e-5)


def test_a_loss_that_differs_stops_the_run(small):
    losses = reference_losses(small)
    losses[1] *= 1.001
    with pytest.raises(CheckFailed, match="JAX 1 threads: the loss of pass 2"):
        train.verify(small, {"JAX 1": {"losses": losses}})


@pytest.mark.parametrize("case", NETS.values(), ids=NETS)
def test_the_operations_are_those_of_the_plan(case):
    net = Net(case.text)
    first = next(layer for layer in net.layers if layer.parameters)
    assert case.flops == 2 * case.rows * (3 * net.plan.macs - first.macs)
    assert net.spec.minibatch == case.minibatch
    assert case.rows >= case.minibatch
