"""Nets, trainings and what they return survive pickle, copies and process pools."""

from __future__ import annotations

import copy
import dataclasses
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
from reference import jobs
from reference.child import run_json
from reference.clouds import OPTIMIZER, classes
from reference.running import STEADY, data, training

import caffe64

TEXT = jobs.TEXT
TWINS = {
    "pickle": lambda value: pickle.loads(pickle.dumps(value)),
    "first protocol": lambda value: pickle.loads(pickle.dumps(value, 0)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


@pytest.fixture(params=TWINS)
def twin(request):
    return TWINS[request.param]


@pytest.fixture
def fitted():
    net = caffe64.Net(TEXT)
    net.fit(*classes(), OPTIMIZER)
    return net


# -------------------------------------------------------------------------------------------------- nets
@pytest.mark.parametrize(
    "text", [TEXT, "inp 6 10 / lin 17 -1.25 / tnh / lin 33 -0.5 / smx / lin 2 -1 / l2l", "inp 6 1 / lin 1 0"]
)
def test_a_net_survives_with_the_same_bits(twin, text):
    net = caffe64.Net(text)
    net.initialise(5)
    other = twin(net)
    assert type(other) is caffe64.Net
    assert (repr(other), other.spec, other.layers) == (repr(net), net.spec, net.layers)
    np.testing.assert_array_equal(other.parameters, net.parameters)
    np.testing.assert_array_equal(other.predict(classes()[0]), net.predict(classes()[0]))
    other.initialise(6)
    assert (other.parameters != net.parameters).any()


def test_a_net_without_weights_survives(twin):
    assert twin(caffe64.Net(TEXT)).parameters is None


def test_a_copy_has_weights_of_its_own_and_begins_a_new_run(fitted, twin):
    other, before = twin(fitted), fitted.parameters.copy()
    assert other.fit(*classes(), OPTIMIZER).epochs[0].epoch == 1
    np.testing.assert_array_equal(fitted.parameters, before)
    assert fitted.fit(*classes(), OPTIMIZER).epochs[0].epoch == 21


def test_attributes_of_subclasses_survive(twin):
    net = jobs.NamedNet(TEXT)
    net.name = "digits"
    assert (type(twin(net)), twin(net).name) == (jobs.NamedNet, "digits")


def test_a_pickle_is_the_text_and_the_weights():
    net = caffe64.Net("inp 784 100 / lin 100 -2 / rel / lin 10 -2 / sce")
    net.fit(np.ones((100, 784), np.float32), np.arange(100) % 10, dataclasses.replace(OPTIMIZER, epochs=1))
    size = len(pickle.dumps(net))
    assert 4 * net.parameter_count < size < 1.05 * 4 * net.parameter_count


LOAD = """
import json, pickle, sys
with open(sys.argv[1], "rb") as file:
    net = pickle.load(file)
from caffe64.engine.compiler.jit import KERNELS
compiled = [kernel.__name__ for kernel in KERNELS if kernel.is_loaded]
print(json.dumps({"text": repr(net), "compiled": compiled, "numba": "numba" in sys.modules}))
"""


def test_loading_a_pickle_compiles_nothing(fitted, tmp_path):
    (tmp_path / "net.pickle").write_bytes(pickle.dumps(fitted))
    loaded = run_json(LOAD, tmp_path / "net.pickle")
    assert loaded == {"text": repr(fitted), "compiled": [], "numba": False}


# ---------------------------------------------------------------------------------------------- trainings
@pytest.mark.parametrize("one_hot", [False, True])
def test_a_training_goes_on_to_the_same_bits(twin, one_hot):
    arrays = None
    if one_hot:
        arrays = caffe64.OneHot(np.random.default_rng(1).integers(0, 4, (95, 5)), 4), data()[1]
    expected = jobs.finish(training(arrays=arrays, seed=3))
    run = training(arrays=arrays, seed=3)
    run.run_epoch()
    other = twin(run)
    assert other.model is run.model if twin is copy.copy else other.model is not run.model
    jobs.finish(other)
    np.testing.assert_array_equal(other.model.parameters, expected.model.parameters)
    assert [record.loss for record in other.history] == [record.loss for record in expected.history]


def test_a_training_that_was_stopped_within_an_epoch_goes_on_there():
    once, arrays = dataclasses.replace(STEADY, epochs=1), data(600_000)
    run = training(arrays=arrays, optimizer=once, seed=3, threads=1)
    with pytest.raises(caffe64.Interrupted):
        run.run_epoch(lambda step, losses: run.stop() if step else None)
    assert 0 < run.step < run.steps
    other = pickle.loads(pickle.dumps(run))
    assert other.step == run.step
    expected = jobs.finish(training(arrays=arrays, optimizer=once, seed=3))
    np.testing.assert_array_equal(jobs.finish(other).model.parameters, expected.model.parameters)
    assert other.history[0].loss == expected.history[0].loss


def test_a_pickled_training_runs_in_another_process():
    run = training(seed=3)
    run.run_epoch()
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        other = pool.submit(jobs.finish, run).result(timeout=240)
    np.testing.assert_array_equal(other.model.parameters, jobs.finish(run).model.parameters)


# -------------------------------------------------------------------------------------- all else is plain
def test_what_calls_take_and_return_survives(twin, fitted):
    X, Y = classes()
    history = fitted.fit(X, Y, OPTIMIZER, validation=(X, Y))
    other = twin(history)
    assert (other.epochs, other.loss) == (history.epochs, history.loss)
    np.testing.assert_array_equal(other.validation[-1].confusion, history.validation[-1].confusion)
    for plain in (OPTIMIZER, STEADY, fitted.spec, fitted.layers, history.epochs[0]):
        assert twin(plain) == plain
    rows = caffe64.OneHot(np.arange(12).reshape(4, 3) % 5, 5)
    for some in (rows, rows[1:3]):
        np.testing.assert_array_equal(np.asarray(twin(some)), np.asarray(some))
        assert (len(twin(some)), twin(some).classes, twin(some).features) == (len(some), 5, 15)
    checkpoint = training().checkpoint()
    np.testing.assert_array_equal(twin(checkpoint).parameters, checkpoint.parameters)
    assert twin(checkpoint).network == checkpoint.network


# ------------------------------------------------------------------------------------------------- pools
@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_pools_of_processes_take_and_give_nets(method, fitted):
    X, _ = classes()
    with multiprocessing.get_context(method).Pool(2) as pool:
        predictions = pool.starmap_async(jobs.predict, [(fitted, X[:9]), (fitted, X[9:])])
        np.testing.assert_array_equal(np.concatenate(predictions.get(timeout=240)), fitted.predict(X))
        net, history, found = pool.apply_async(jobs.train, (0.02,)).get(timeout=240)
    expected, expected_history, _ = jobs.train(0.02)
    np.testing.assert_array_equal(net.parameters, expected.parameters)
    np.testing.assert_array_equal(net.predict(X), found)
    assert history.loss == expected_history.loss


@pytest.mark.parametrize("backend", ["loky", "multiprocessing", "threading"])
def test_joblib_takes_and_gives_nets_and_raises_our_errors(backend):
    joblib = pytest.importorskip("joblib", reason="joblib is not installed")
    parallel = joblib.Parallel(2, backend=backend, timeout=None if backend == "threading" else 240)
    results = parallel(joblib.delayed(jobs.train)(rate) for rate in (0.02, 0.01))
    for rate, (net, history, _) in zip((0.02, 0.01), results, strict=True):
        expected, expected_history, _ = jobs.train(rate)
        np.testing.assert_array_equal(net.parameters, expected.parameters)
        assert history.loss == expected_history.loss
    with pytest.raises(caffe64.Diverged, match="training diverged") as caught:
        parallel(joblib.delayed(jobs.train)(rate) for rate in (0.02, 1e9))
    assert caught.value.exit_code == 5


def test_joblib_dumps_and_loads_a_net(fitted, tmp_path):
    joblib = pytest.importorskip("joblib", reason="joblib is not installed")
    joblib.dump(fitted, tmp_path / "net.joblib")
    loaded = joblib.load(tmp_path / "net.joblib")
    np.testing.assert_array_equal(loaded.parameters, fitted.parameters)


# ------------------------------------------------------------------------------------------- Caffe models
PROTOTXT = """
layer { name: 'x' type: 'Input' top: 'x' input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }
layer { name: 'a' type: 'Convolution' bottom: 'x' top: 'a' param { name: 'w' } convolution_param {
  num_output: 3 kernel_size: 3 pad: 1 bias_term: false weight_filler { type: 'xavier' } } }
layer { name: 'r' type: 'ReLU' bottom: 'a' top: 'a' }
layer { name: 'b' type: 'Convolution' bottom: 'a' top: 'b' param { name: 'w' } convolution_param {
  num_output: 3 kernel_size: 3 bias_term: false weight_filler { type: 'xavier' } } }
"""


@pytest.fixture
def caffe(tmp_path):
    (tmp_path / "net.prototxt").write_text(PROTOTXT)
    return caffe64.load_caffe(tmp_path / "net.prototxt", threads=1)


def test_a_caffe_net_survives_before_and_after_a_forward(caffe, twin):
    x = np.random.default_rng(1).standard_normal((2, 3, 8, 8)).astype(np.float32)
    fresh = twin(caffe)
    expected = caffe.forward(x=x)["b"]
    for other in (fresh, twin(caffe)):
        assert (repr(other), other.threads) == (repr(caffe), 1)
        np.testing.assert_array_equal(other.forward(x=x)["b"], expected)
    assert twin(caffe).blobs["x"].shape == (2, 3, 8, 8)


def test_shared_weights_of_a_caffe_net_stay_shared(caffe):
    other = pickle.loads(pickle.dumps(caffe))
    other.params["a"][0].data[...] = 2
    assert (other.params["b"][0].data == 2).all()
    assert (caffe.params["b"][0].data != 2).all()


def test_a_caffe_net_runs_in_another_process(caffe):
    x = np.ones((1, 3, 8, 8), np.float32)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        found = pool.submit(jobs.forward, caffe, x).result(timeout=240)
    np.testing.assert_array_equal(found, caffe.forward(x=x)["b"])
