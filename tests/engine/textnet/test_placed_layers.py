"""Layers that take their place, all rows at a time, and keep running averages, against float64 NumPy."""

from __future__ import annotations

import dataclasses
import importlib.util

import numpy as np
import pytest
from reference.child import TESTS
from reference.clouds import classes
from reference.text_net import softmax
from reference.thread_group import run_ranks
from support import assert_close

import caffe64
from caffe64.engine.textnet.layers import TABLE, register
from caffe64.formats.network import GRAMMAR

WIDTH, BATCH, SEED = 19, 22, 5
NET = f"inp 6 {BATCH} / msk / lin {WIDTH} -0.5 / ctr / rel / msk / lin 3 -0.5 / ctr / sce"
OPTIMIZER = caffe64.Optimizer(0.3, 1, 0.5, 0.01, 0.9, 3)


@pytest.fixture(scope="module", autouse=True)
def placed():
    found = importlib.util.spec_from_file_location("placed", TESTS / "data" / "placed.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    yield module
    for word in ("msk", "ctr"):
        del GRAMMAR[word], TABLE[word]


def mask(iteration, line, first, rows, columns):
    numbers = SEED + 3 * iteration + 5 * line + 7 * (first + np.arange(rows)[:, None]) + 11 * np.arange(columns)
    return 0.5 + 0.25 * (numbers % 4)


def gradients(blobs, X, Y, iteration, first):
    """Of a shard whose rows begin at `first`: (loss, one vector a line with parameters; statistics behind shifts)."""
    rows, found = len(X), {}
    masks = {1: mask(iteration, 1, first, rows, 6), 5: mask(iteration, 5, first, rows, WIDTH)}
    W2, b2 = blobs[2][: 6 * WIDTH].reshape(6, WIDTH), blobs[2][6 * WIDTH :]
    W6, b6 = blobs[6][: WIDTH * 3].reshape(WIDTH, 3), blobs[6][WIDTH * 3 :]
    inputs = X * masks[1]
    hidden = inputs @ W2 + b2
    centred = hidden - hidden.mean(0) + blobs[3][:WIDTH]
    kept = np.maximum(centred, 0) * masks[5]
    last = kept @ W6 + b6
    d = softmax(last - last.mean(0) + blobs[7][:3])
    loss = -np.log(d[np.arange(rows), Y.astype(int)]).sum()
    d[np.arange(rows), Y.astype(int)] -= 1
    found[7] = np.concatenate([d.sum(0), last.mean(0)])
    d = d - d.mean(0)
    found[6] = np.concatenate([(kept.T @ d).ravel(), d.sum(0)])
    d = (d @ W6.T) * masks[5] * (centred > 0)
    found[3] = np.concatenate([d.sum(0), hidden.mean(0)])
    d = d - d.mean(0)
    found[2] = np.concatenate([(inputs.T @ d).ravel(), d.sum(0)])
    return loss, found


def reference(start, X, Y, shards):
    """Weights and mean losses after OPTIMIZER's epochs, rows in file order."""
    cuts = np.cumsum([7 * WIDTH, 2 * WIDTH, 3 * WIDTH + 3])
    blobs = dict(zip((2, 3, 6, 7), np.split(start, cuts), strict=True))
    velocity, rate, losses, iteration = {line: 0 * blob for line, blob in blobs.items()}, OPTIMIZER.rate, [], 0
    averaged = {3: WIDTH, 7: 3}
    for _ in range(OPTIMIZER.epochs):
        for at in range(0, len(X) - BATCH + 1, BATCH):
            loss, total = 0.0, {line: 0 * blob for line, blob in blobs.items()}
            for shard in range(shards):
                first, last = BATCH * shard // shards, BATCH * (shard + 1) // shards
                part, found = gradients(blobs, X[at + first : at + last], Y[at + first : at + last], iteration, first)
                loss, total = loss + part, {line: total[line] + found[line] for line in total}
            for line, g in total.items():
                count = averaged.get(line, 0)
                trained = slice(0, len(g) - count)
                velocity[line] = OPTIMIZER.momentum * velocity[line] + rate / BATCH * (
                    g + OPTIMIZER.decay * blobs[line]
                )
                stepped = blobs[line] + 0.1 * (g / shards - blobs[line])
                stepped[trained] = (blobs[line] - velocity[line])[trained]
                blobs[line] = stepped
            losses.append(loss / BATCH)
            iteration += 1
        rate *= OPTIMIZER.factor
    return np.concatenate([blobs[line] for line in (2, 3, 6, 7)]), np.reshape(losses, (OPTIMIZER.epochs, -1)).mean(1)


def train(X, Y, shards=1, threads=1, group=None):
    net = caffe64.Net(NET)
    net.initialise(1)
    start = net.pack(net.parameters)
    history = net.fit(X, Y, OPTIMIZER, seed=SEED, shuffle=False, shards=shards, threads=threads, group=group)
    return start, net, history.loss


@pytest.mark.parametrize("shards", [1, 2, 4])
def test_training_is_that_of_the_formulas_for_any_number_of_threads(shards):
    X, Y = classes(3 * BATCH + 5)
    start, net, losses = train(X, Y, shards)
    expected, expected_losses = reference(start.astype(np.float64), X.astype(np.float64), Y, shards)
    assert_close("weights", net.pack(net.parameters), expected, 1e-5)
    assert_close("losses", losses, expected_losses, 1e-6)
    for threads in (2, 3, 4):
        assert train(X, Y, shards, threads)[1].parameters.tobytes() == net.parameters.tobytes()


def test_ranks_train_with_the_bits_of_one_process():
    X, Y = classes(3 * BATCH)
    alone = train(X, Y, 4)[1].parameters.tobytes()
    assert {each[1].parameters.tobytes() for each in run_ranks(2, lambda group: train(X, Y, 4, 2, group))} == {alone}


def test_predictions_use_forward_with_the_averages():
    X, Y = classes(3 * BATCH)
    _, net, _ = train(X, Y)
    blobs = [blob.astype(np.float64) for blob in net.layer_parameters()]
    values = X @ blobs[2][: 6 * WIDTH].reshape(6, WIDTH) + blobs[2][6 * WIDTH :]
    values = np.maximum(values - blobs[3][WIDTH:] + blobs[3][:WIDTH], 0)
    values = values @ blobs[6][: 3 * WIDTH].reshape(WIDTH, 3) + blobs[6][3 * WIDTH :]
    assert_close("posteriors", net.predict(X), softmax(values - blobs[7][3:] + blobs[7][:3]), 1e-5)


def test_a_resumed_run_goes_on_with_its_masks():
    X, Y = classes(3 * BATCH)
    whole = train(X, Y)[1].parameters.tobytes()
    net = caffe64.Net(NET)
    net.initialise(1)
    first = caffe64.Training(net, X, Y, OPTIMIZER, seed=SEED, shuffle=False)
    first.run_epoch()
    other = caffe64.Net(NET)
    rest = caffe64.Training.resume(first.checkpoint(), other, X, Y, threads=3)
    while not rest.finished:
        rest.run_epoch()
    assert other.parameters.tobytes() == whole


@pytest.mark.parametrize(
    ("change", "message"),
    [({"train": None}, "is across, which needs train"), ({"picks": True}, "expected picks=False")],
)
def test_functions_that_do_not_go_together_are_refused(placed, change, message):
    with pytest.raises(caffe64.UsageError, match=message):
        register(dataclasses.replace(placed.CENTRE, **change))
