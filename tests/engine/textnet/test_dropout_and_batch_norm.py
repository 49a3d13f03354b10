"""drp and bnm: masks are those of NumPy's generator; trainings and predictions are those of the float64 reference, and
have the same bits for any number of threads, after a stop, and on ranks."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from reference import text_net
from reference.framed import Framed, call, normal
from reference.products import UNIT as U
from reference.thread_group import run_ranks
from support import assert_close

import caffe64
from caffe64 import kernels
from caffe64.engine.compiler.cpu import LANES
from caffe64.engine.textnet.layers import bnm, drp
from caffe64.engine.textnet.layers.layer import PLACE_SIZE

NONE = np.empty(0, np.float32)
WIDTHS = sorted({1, LANES - 1, LANES, LANES + 1, 2 * LANES + 3})
NETS = [
    f"inp 6 22 / bnm / lin {LANES + 3} -0.5 / bnm / rel / drp 0.25 / lin 3 -0.5 / sce",
    f"inp 6 22 / drp 0.1 / lin {LANES} -0.5 / tnh / bnm / lin 4 -0.5 / sig / drp 0.5 / lin 3 -0.5 / bnm / l2l",
]
OPTIMIZER = caffe64.Optimizer(0.1, 1, 0.5, 0.01, 0.9, 3)


def place(seed=0, iteration=0, layer=1, row=0, share=0, shares=1):
    found = np.array([seed, iteration, layer, row, share, shares], np.uint64).view(np.int64)
    assert found.size == PLACE_SIZE
    return found


def kept(seed, iteration, layer, row, shape, ratio):
    purpose = int.from_bytes(hashlib.blake2b(b"drp", digest_size=8).digest(), "little")
    key = np.array([seed, (purpose + layer) % 2**64], np.uint64)
    source = np.random.Generator(np.random.Philox(key=key, counter=[0, 0, iteration, 0]))
    return source.random((row + shape[0], shape[1]), np.float32)[row:] >= np.float32(ratio)


# ------------------------------------------------------------------------------------------------ dropout
@pytest.mark.parametrize("K", WIDTHS)
@pytest.mark.parametrize("row", [0, 3])
@pytest.mark.parametrize("ratio", [0.25, 0.999])
def test_the_mask_is_that_of_numpys_generator(K, row, ratio):
    x, y, settings = normal(1, 5, K), Framed(5, K), np.float32(drp.LAYER.settings(K, (ratio,)))
    where = place(2**63 + 9, 41, 7, row)
    drp.train(x, NONE, settings, y.array, NONE, where)
    mask = kept(2**63 + 9, 41, 7, row, (5, K), ratio)
    scale = 1 / (1 - ratio)
    assert_close("y", y.check(), np.where(mask, x.astype(np.float64) * scale, 0), 2 * U * np.abs(x) * scale)
    in_place = x.copy()
    drp.backward(NONE.reshape(0, 0), NONE, settings, NONE.reshape(0, 0), in_place, in_place, NONE, where)
    np.testing.assert_array_equal(in_place, y.array)


@pytest.mark.parametrize("ratio", [0, 0.25])
def test_the_public_kernels_drop_what_a_training_drops(ratio):
    x, settings = normal(1, 5, LANES + 3), np.float32(drp.LAYER.settings(1, (ratio,)))
    expected = np.empty_like(x)
    drp.train(x, NONE, settings, expected, NONE, place(9, 41, 7))
    for kernel in (kernels.drp_forward, kernels.drp_backward):
        (found,) = call(lambda x, y, kernel=kernel: kernel(x, ratio, 9, 7, 41, y), (x,), x.shape)
        np.testing.assert_array_equal(found, expected)
    if ratio == 0:
        np.testing.assert_array_equal(expected, x)


def test_masks_differ_between_seeds_minibatches_and_layers():
    x, settings, masks = np.ones((50, 40), np.float32), np.float32([2**23, 2]), []
    for where in (place(), place(seed=1), place(iteration=1), place(layer=2)):
        y = np.empty_like(x)
        drp.train(x, NONE, settings, y, NONE, where)
        masks.append(y > 0)
    for i in range(4):
        assert abs(masks[i].mean() - 0.5) < 5 * 0.5 / 2000**0.5  # five deviations of the mean of 2000 bits
        for other in masks[:i]:
            assert abs((masks[i] == other).mean() - 0.5) < 5 * 0.5 / 2000**0.5


def test_dropout_of_nothing_is_the_net_without_it():
    X, Y = data(44)
    weights = []
    for middle in ("drp 0 / ", ""):
        net = caffe64.Net(f"inp 6 22 / lin 5 -0.5 / tnh / {middle}lin 3 -0.5 / sce")
        net.fit(X, Y[0], OPTIMIZER, seed=3)
        weights.append(net.pack(net.parameters))
    assert_close("weights", *weights, 1e-6)


def test_a_prediction_drops_nothing():
    X, _ = data(30)
    net, plain = (caffe64.Net(f"inp 6 22 / {more}lin 3 -0.5 / {more}sce") for more in ("drp 0.9 / ", ""))
    net.initialise(1)
    plain.initialise(1)
    np.testing.assert_array_equal(net.predict(X), plain.predict(X))


# --------------------------------------------------------------------------------------------- batch norm
@pytest.mark.parametrize("K", WIDTHS)
@pytest.mark.parametrize("rows", [2, 3, 21])
@pytest.mark.parametrize("shares", [1, 3])
def test_batch_norm_and_its_gradients_are_the_formulas(K, rows, shares):
    x, dy, p = normal(1, rows, K) + np.float32(3), normal(2, rows, K), normal(3, 4 * K)
    y, dx, v, w, scratch = Framed(rows, K), Framed(rows, K), Framed(4 * K), p.copy(), np.zeros(LANES, np.float32)
    v.array[:] = 0
    for share in range(shares):
        where = place(share=share, shares=shares)
        bnm.train(x, p, NONE, y.array, scratch, where)
        bnm.backward(x, p, NONE, y.array, dy, dx.array, scratch, where)
        bnm.update(x, dy, w, v.array, 1, 0, 0, share, shares, scratch)
    wide, d, (scale, shift, _, _) = x.astype(np.float64), dy.astype(np.float64), p.reshape(4, K).astype(np.float64)
    mean, inverse = wide.mean(0), 1 / np.sqrt(wide.var(0) + 1e-5)
    n = (wide - mean) * inverse
    far = (rows + 16) * U * (1 + np.abs(n) + np.abs(wide).max(0) * inverse)  # of n: x - m cancels, the rest are factors
    assert_close("y", y.check(), scale * n + shift, far * np.abs(scale) + 2 * U * np.abs(shift))
    products, total = (d * n).sum(0), d.sum(0)
    size = np.abs(d).sum(0) * far.max(0) * 3
    assert_close("dscale", v.array[:K], products, size * (1 + np.abs(n).max(0)))
    assert_close("dshift", v.array[K : 2 * K], total, rows * U * np.abs(d).sum(0))
    assert_close("mean", v.array[2 * K : 3 * K], mean, (rows + 2) * U * np.abs(wide).sum(0) / rows)
    assert_close("variance", v.check()[3 * K :], wide.var(0, ddof=1), 4 * far.max(0) * wide.var(0, ddof=1) + U)
    expected = scale * inverse * (d - total / rows - n * products / rows)
    slack = np.abs(scale) * inverse * (size + np.abs(d).max(0) * far.max(0)) * (1 + np.abs(n).max(0)) ** 2
    assert_close("dx", dx.check(), expected, slack)
    np.testing.assert_array_equal(w[: 2 * K], p[: 2 * K] - v.array[: 2 * K])


@pytest.mark.parametrize("K", WIDTHS)
def test_the_public_kernels_normalise_as_the_layer_does(K):
    x, dy, p = normal(1, 5, K), normal(2, 5, K), normal(3, 4 * K)
    y, dx, v, w, scratch = np.empty_like(x), np.empty_like(x), np.zeros_like(p), p.copy(), np.zeros(LANES, np.float32)
    bnm.train(x, p, NONE, y, scratch, place())
    bnm.backward(x, p, NONE, y, dy, dx, scratch, place())
    bnm.update(x, dy, w, v, 1, 0, 0, 0, 1, scratch)
    found, mean, variance = call(kernels.bnm_forward, (x, p[:K], p[K : 2 * K]), (5, K), (K,), (K,))
    np.testing.assert_array_equal(found, y)
    np.testing.assert_array_equal(mean, v[2 * K : 3 * K])
    assert_close("variance", variance * 1.25, v[3 * K :], 4 * U * v[3 * K :])
    found, dscale, dshift = call(kernels.bnm_backward, (x, p[:K], dy), (5, K), (K,), (K,))
    np.testing.assert_array_equal(found, dx)
    np.testing.assert_array_equal(np.concatenate([dscale, dshift]), v[: 2 * K])


@pytest.mark.parametrize("K", WIDTHS)
def test_a_prediction_uses_the_running_averages(K):
    x, y, p = normal(1, 5, K), Framed(5, K), normal(3, 4, K)
    p[3] = np.abs(p[3])
    p[3, 0] = -1  # of a file: taken as 0
    bnm.forward(x, p.reshape(-1), NONE, y.array, NONE)
    scale, shift, mean, variance = p.astype(np.float64)
    factor = scale / np.sqrt(np.maximum(variance, 0) + 1e-5)
    slack = 6 * U * np.abs(factor) * (np.abs(x) + np.abs(mean)) + 2 * U * np.abs(shift)
    assert_close("y", y.check(), (x - mean) * factor + shift, slack)


def test_it_begins_as_the_identity_with_four_numbers_a_channel(tmp_path):
    net = caffe64.Net("inp 6 22 / lin 5 -0.5 / bnm / sce")
    net.initialise(1)
    np.testing.assert_array_equal(net.layer_parameters()[2], np.repeat([1, 0, 0, 1], 5))
    assert net.layers[2].parameters == 20
    net.save(tmp_path / "w")
    twin = caffe64.Net("inp 6 22 / lin 5 -0.5 / bnm / sce")
    twin.load(tmp_path / "w")
    assert twin.pack(twin.parameters).tobytes() == net.pack(net.parameters).tobytes()


def test_minibatches_of_one_row_give_no_nan():
    X, Y = data(9)
    net = caffe64.Net("inp 6 1 / bnm / lin 3 -0.5 / bnm / sce")
    net.fit(X, Y[0], OPTIMIZER)
    assert np.isfinite(net.pack(net.parameters)).all()
    assert np.isfinite(net.predict(X)).all()


# --------------------------------------------------------------------------------------------- trainings
def data(rows):
    """X [rows, 6], and Y for sce and for l2l."""
    source = np.random.default_rng(4)
    X = source.standard_normal((rows, 6)).astype(np.float32)
    return X, (source.integers(0, 3, rows).astype(np.float32), source.standard_normal((rows, 3)).astype(np.float32))


def start(text):
    """The net with some weights, and these as blobs."""
    blobs, net = text_net.draw(text_net.parse(text), 3), caffe64.Net(text)
    net.parameters = net.unpack(np.concatenate(blobs).astype(np.float32))
    return net, blobs


def train(text, rows=71, **options):
    X, Y = data(rows)
    net, _ = start(text)
    history = net.fit(X, Y[text.endswith("l2l")], OPTIMIZER, seed=5, shuffle=False, **options)
    return net, history.loss


@pytest.mark.parametrize("shards", [1, 2])
@pytest.mark.parametrize("text", NETS)
def test_a_training_is_the_references_for_any_number_of_threads(text, shards):
    reference, (_, blobs), (X, Y) = text_net.parse(text), start(text), data(71)
    Y = Y[text.endswith("l2l")].reshape(71, -1).astype(np.float64)
    optimizer = (0.1, 1, 0.5, 0.01, 0.9, 3)
    exact, _, curve = text_net.train(reference, blobs, X.astype(np.float64), Y, optimizer, seed=5, shards=shards)
    net, losses = train(text, shards=shards, threads=1)
    assert_close("weights", net.pack(net.parameters), np.concatenate(exact), 1e-5)
    assert_close("losses", losses, curve.mean(axis=1), 1e-5)
    expected = text_net.outputs(reference, exact, X.astype(np.float64))
    assert_close("predictions", net.predict(X), expected, 1e-5 * (1 + np.abs(expected)))
    for threads in (2, 3, 4):
        assert train(text, shards=shards, threads=threads)[0].parameters.tobytes() == net.parameters.tobytes()


@pytest.mark.parametrize("text", NETS[:1])
def test_a_run_that_was_stopped_within_an_epoch_goes_on_to_the_same_bits(text):
    rows = 600_000  # so that an epoch still runs when the watch is called
    whole = train(text, rows, threads=1)[0].parameters.tobytes()
    X, Y = data(rows)
    net, _ = start(text)
    run = caffe64.Training(net, X, Y[text.endswith("l2l")], OPTIMIZER, seed=5, shuffle=False, threads=1)
    with pytest.raises(caffe64.Interrupted):
        run.run_epoch(lambda step, losses: run.stop() if step else None)
    assert 0 < run.step < run.steps
    other = caffe64.Net(text)
    rest = caffe64.Training.resume(run.checkpoint(), other, X, Y[text.endswith("l2l")], threads=1)
    while not rest.finished:
        rest.run_epoch()
    assert other.parameters.tobytes() == whole


def test_ranks_train_with_the_bits_of_one_process():
    alone = train(NETS[0], shards=4)[0].parameters.tobytes()
    runs = run_ranks(2, lambda group: train(NETS[0], shards=4, threads=2, group=group))
    assert {net.parameters.tobytes() for net, _ in runs} == {alone}


def test_a_net_trained_with_both_learns():
    source = np.random.default_rng(0)
    X = source.standard_normal((600, 4)) * [1, 100, 0.01, 1] + [0, 1000, 0, 5]  # batch norm makes it alike
    Y = (X[:, 0] * (X[:, 1] - 1000) > 0).astype(int)
    net = caffe64.Net("inp 4 50 / bnm / lin 32 he / bnm / rel / drp 0.1 / lin 2 glorot / sce")
    history = net.fit(X, Y, caffe64.Optimizer(0.1, 0, 1, 0, 0.9, 40), seed=1)
    assert history.loss[-1] < 0.4 * history.loss[0]
    assert net.evaluate(X, Y).accuracy > 0.95
