"""Seeds: integers of 0 to 2**64 - 1, all different; everything else is an error."""

from __future__ import annotations

import numpy as np
import pytest
from reference.running import training

import caffe64
from caffe64.arguments import LARGEST_SEED
from caffe64.engine.parameters.streams import generator

WRONG = [-1, -(2**63), 2**64, 2**70, 1.5, 2.0, float("nan"), True, np.True_, np.float32(3), "1", None, [1], np.ones(1)]
TEXT = "inp 2 2 / lin 3 -1 / sce"


def key(seed, epoch):
    return generator(seed, epoch).bit_generator.state["state"]["key"].tolist()


@pytest.mark.parametrize("seed", [0, 1, 2**53 + 1, 2**63 - 1, 2**63, 2**63 + 1, 2**64 - 1])
@pytest.mark.parametrize("epoch", [0, 1, 10**9])
def test_the_key_of_a_generator_is_its_seed_and_epoch(seed, epoch):
    assert key(seed, epoch) == [seed, epoch]


@pytest.mark.parametrize("seed", [0, 5, 2**53 + 1, 2**63 - 1])
def test_streams_of_small_seeds_are_those_of_a_key_made_of_a_list(seed):
    expected = np.random.Philox(key=[seed, 3]).random_raw(8)
    np.testing.assert_array_equal(generator(seed, 3).bit_generator.random_raw(8), expected)


def test_large_seeds_give_other_weights_and_other_orders():
    weights, orders = set(), set()
    for seed in (0, 2**63 - 1, 2**63, 2**63 + 1, 2**64 - 2, 2**64 - 1):
        net = caffe64.Net(TEXT)
        net.initialise(seed)
        weights.add(net.pack(net.parameters).tobytes())
        orders.add(training(seed=seed)._order().tobytes())
    assert len(weights) == len(orders) == 6


@pytest.mark.parametrize("kind", [np.int8, np.uint64, np.int64, int])
def test_integers_of_numpy_are_taken(kind):
    net, same = caffe64.Net(TEXT), caffe64.Net(TEXT)
    net.initialise(kind(7))
    same.initialise(7)
    np.testing.assert_array_equal(net.parameters, same.parameters)
    run = training(seed=kind(7))
    assert type(run.seed) is int
    assert run.checkpoint().seed == 7


@pytest.mark.parametrize("seed", WRONG, ids=repr)
def test_every_call_refuses_another_seed(seed, tmp_path):
    net, X, Y = caffe64.Net(TEXT), np.zeros((2, 2)), np.zeros(2)
    optimizer = caffe64.Optimizer(0.1, 0, 1, 0, 0, 1)
    checkpoint = training().checkpoint()
    prototxt = tmp_path / "net.prototxt"
    prototxt.write_text("layer { name: 'x' type: 'Input' top: 'x' input_param { shape { dim: 1 dim: 2 } } }")
    caffe = caffe64.load_caffe(prototxt)
    calls = [
        lambda: net.initialise(seed),
        lambda: net.fit(X, Y, optimizer, seed=seed),
        lambda: caffe64.Training(net, X, Y, optimizer, seed=seed),
        lambda: caffe64.load_caffe(prototxt, seed=seed),
        lambda: caffe64.verify(caffe, caffe, seed=seed),
    ]
    if seed is not None:  # resume: that of the checkpoint
        calls.append(lambda: caffe64.Training.resume(checkpoint, training().model, *training_data(), seed=seed))
    for call in calls:
        with pytest.raises(caffe64.UsageError, match=f"seed is .*expected a whole number from 0 to {LARGEST_SEED}"):
            call()
    assert net.parameters is None


def training_data():
    run = training()
    return run.X, run.Y
