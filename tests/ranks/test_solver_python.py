"""caffe64.Solver with shards, over ranks that are threads of one process: arrays, batches of own code, callbacks."""

from __future__ import annotations

import numpy as np
import pytest
from reference.thread_group import run_ranks

import caffe64
from caffe64 import InputError, Solver, UsageError
from caffe64.engine.graph.frontends.caffe.attributes import READERS
from caffe64.engine.graph.ops import OPS
from caffe64.ranks.agreement import RankFailed
from caffe64.ranks.group import SoloGroup

INPUT = 'layer { name: "in" type: "Input" top: "data" top: "label" }'
MEMORY = """layer { name: "in" type: "MemoryData" top: "data" top: "label"
  memory_data_param { batch_size: 16 channels: 3 height: 6 width: 6 } }"""
REST = """
layer { name: "noise" type: "DummyData" top: "noise" dummy_data_param {
  shape { dim: 16 dim: 40 } data_filler { type: "gaussian" std: 0.1 } } }
layer { name: "ip1" type: "InnerProduct" bottom: "data" top: "ip1"
  inner_product_param { num_output: 40 weight_filler { type: "xavier" } } }
layer { name: "sum" type: "Eltwise" bottom: "ip1" bottom: "noise" top: "sum" }
layer { name: "drop" type: "Dropout" bottom: "sum" top: "sum" }
layer { name: "ip2" type: "InnerProduct" bottom: "sum" top: "ip2"
  inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip2" bottom: "label" top: "loss" }
"""
QUIET = REST[REST.index('layer { name: "ip1"') :].replace('bottom: "noise"', 'bottom: "ip1"')


def examples(count=56):
    draws = np.random.default_rng(1)
    return draws.normal(size=(count, 3, 6, 6)).astype(np.float32), draws.integers(0, 5, count)


def batches():
    X, Y = examples()
    at = 0
    while True:
        rows = (np.arange(16) + at) % len(X)
        yield {"data": X[rows], "label": Y[rows]}
        at += 16


KINDS = {
    "arrays": lambda: {"net": INPUT + REST, "data": examples(), "batch_size": 16},
    "batches": lambda: {"net": INPUT + REST, "data": batches(), "iter_size": 3},
    "memory": lambda: {"net": MEMORY + QUIET},
}


def made(kind, group=None, **options):
    options = {"base_lr": 0.05, "momentum": 0.9, "weight_decay": 0.01, "seed": 3, **KINDS[kind](), **options}
    solver = Solver(group=group, **options)
    if kind == "memory":
        solver.net.set_input_arrays(*examples(48))
    return solver


def bits(solver):
    return solver._training.trainer.owner.vector.tobytes(), solver.history.loss.tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_cut_and_ranks_do_not_change_a_bit(kind):
    def trained(group):
        solver = made(kind, group, shards=4)
        solver.step(5)
        return bits(solver)

    expected = trained(SoloGroup())
    for ranks in (2, 4):
        assert run_ranks(ranks, trained) == [expected] * ranks


@pytest.mark.parametrize("kind", ["arrays", "memory"])
def test_shards_take_the_rows_that_a_batch_has(kind):
    """Seen in the labels of the net's runs: those of 4 shards are those of a batch, in their order."""
    seen = []
    for shards in (1, 4):
        solver = made(kind, shards=shards, base_lr=0.0)
        labels, forward = [], solver._training.trainer.fed.feed

        def feed(forward=forward, labels=labels, solver=solver):
            forward()
            labels.append(solver.net.blobs["label"].data.copy())

        solver.net._feed = feed if kind == "arrays" else None
        if kind == "memory":
            take = solver.net._rows.take
            solver.net._rows.take = lambda take=take, labels=labels: labels.append(take()) or labels[-1]
        solver.step(4)
        seen.append(np.concatenate([each["label"] if kind == "memory" else each for each in labels]))
    assert len(seen[0]) == 64
    np.testing.assert_array_equal(*seen)


def test_a_training_goes_on_over_ranks_from_python(tmp_path):
    def trained(group, steps, resume=None):
        options = {"test_data": examples(20), "snapshot_prefix": str(tmp_path / "s"), "max_iter": 6}
        solver = made("arrays", group, shards=4, net=INPUT + QUIET, **options)
        if resume:
            solver.restore(resume)
        solver.step(steps)
        return bits(solver), solver.snapshot(), len(solver.history.tests)

    whole, _, tests = trained(SoloGroup(), 6)
    (_, (_, state), tests_of_first), (_, names, tests_of_second) = run_ranks(2, lambda group: trained(group, 3))
    assert names == (state.replace("solverstate", "caffemodel"), state)
    assert (tests, tests_of_first, tests_of_second) == (1, 1, 0)
    for ranks in (1, 4):
        for (weights, losses), _, _ in run_ranks(ranks, lambda group: trained(group, 3, state)):
            assert weights == whole[0]
            assert losses == whole[1][3 * 4 :]


def test_a_run_between_iterations_takes_the_batch_of_a_shard_on_all_ranks():
    def trained(group):
        solver = made("arrays", group, shards=4)
        solver.step(1)
        found = float(solver.net.forward()["loss"])
        solver.step(2)
        return found, bits(solver)

    expected = trained(SoloGroup())
    assert run_ranks(4, trained) == [expected] * 4


def test_callbacks_get_the_gradient_of_the_batch_and_may_change_it():
    gradients, solver = [], made("arrays", shards=4)
    one = made("arrays", iter_size=4, batch_size=4, net=(INPUT + REST).replace("dim: 16", "dim: 4"))
    for each in (solver, one):
        each.add_callback(on_gradients_ready=lambda each=each: gradients.append(each.net.params["ip1"][0].diff.copy()))
        each.step(1)
    np.testing.assert_allclose(gradients[0], gradients[1] / 4, rtol=1e-4, atol=1e-7)
    vector = solver._training.trainer.owner.vector
    before = vector.copy()
    solver.add_callback(on_gradients_ready=lambda: [arrays[0].diff.fill(0) for arrays in solver.net.params.values()])
    solver.param.base_lr = 0.1
    solver.step(1)
    assert np.abs(solver.net.params["ip1"][0].diff).max() > 0  # decay and momentum
    np.testing.assert_allclose(before - vector, solver._training.trainer.gradient, atol=1e-6)


def test_what_several_ranks_or_shards_cannot_do_is_refused():
    with pytest.raises(UsageError, match="apply_update is for a training without shards"):
        made("arrays", shards=2).apply_update()
    with pytest.raises(UsageError, match=r"group is 5, expected caffe64\.MpiGroup"):
        made("arrays", 5, shards=2)
    with pytest.raises(UsageError, match="data is taken 18 rows at a time, expected a multiple of 4 shards"):
        made("arrays", shards=4, batch_size=18)
    with pytest.raises(UsageError, match="the data gave a batch of 16 rows, expected a multiple of 32 shards"):
        made("batches", shards=32, net=INPUT + QUIET)
    with pytest.raises(InputError, match="has 'data', which nothing reads"):
        made("arrays", shards=2, data=None, batch_size=None)

    lstm = """layer { name: "r" type: "LSTM" bottom: "data" bottom: "label" top: "r"
      recurrent_param { num_output: 4 weight_filler { type: "xavier" } } }"""
    X, Y = examples()
    with pytest.raises(InputError, match=r"layer 'r' \(LSTM\): takes the rows of a batch as steps in time"):
        made(
            "arrays", shards=2, net=INPUT + lstm + QUIET.replace('bottom: "data"', 'bottom: "r"'), data=(X, Y[:, None])
        )
    total = QUIET.replace('top: "loss"', 'top: "loss" loss_param { normalization: NONE }')
    with pytest.raises(InputError, match=r"layer 'loss' \(SoftmaxWithLoss\): has normalization NONE"):
        made("arrays", shards=2, net=INPUT + total)

    def with_callback(group):
        solver = made("arrays", group, shards=2)
        with pytest.raises(UsageError, match="on_gradients_ready cannot be called over several ranks"):
            solver.add_callback(on_gradients_ready=lambda: None)

    run_ranks(2, with_callback)


def test_an_error_of_one_rank_is_raised_by_all():
    def work(group):
        with pytest.raises((InputError, RankFailed)) as caught:
            made("arrays", group, shards=2, net=INPUT + ("layer { nme: 1 }" if group.rank else "") + REST)
        return caught.value.exit_code, str(caught.value)

    (code, text), (other_code, other_text) = run_ranks(2, work)
    assert (code, other_code) == (3, 3)
    assert text == f"rank 1: {other_text}"


def test_ranks_with_other_weights_are_refused():
    def work(group):
        with pytest.raises(UsageError, match=r"rank 1 and rank 0 differ in the seed: 4 and 3 \(all ranks need"):
            made("arrays", group, shards=2, seed=3 + group.rank)

    run_ranks(2, work)


class Counts(caffe64.Layer):
    """Makes its own data."""

    def reshape(self, bottom, top):
        top[0].reshape(16, 4)

    def forward(self, bottom, top):
        top[0].data[...] = 1


class Remembers(caffe64.Layer):
    """Writes its blob in forward, which no update knows of."""

    def setup(self, bottom, top):
        self.blobs.add_blob(1)

    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].shape)

    def forward(self, bottom, top):
        top[0].data[...] = bottom[0].data
        self.blobs[0].data[...] += 1

    def backward(self, top, propagate_down, bottom):
        bottom[0].diff[...] = top[0].diff


def test_layers_of_ones_own_that_keep_something_are_refused(monkeypatch):
    for name, kind in (("ShardCounts", Counts), ("ShardRemembers", Remembers)):
        for table in (OPS, READERS):
            monkeypatch.setitem(table, name, None)  # removed after the test
        caffe64.register_layer(name, kind)
    counts = 'layer { name: "c" type: "ShardCounts" top: "c" } layer { name: "s" type: "Silence" bottom: "c" }'
    with pytest.raises(InputError, match="makes its data by code of your own, expected data that shards can cut"):
        made("arrays", shards=2, net=INPUT + counts + QUIET, data=dict(zip(("data", "label"), examples(), strict=True)))
    remembers = 'layer { name: "m" type: "ShardRemembers" bottom: "data" top: "m" }'
    solver = made("arrays", shards=2, net=INPUT + remembers + QUIET.replace('bottom: "data"', 'bottom: "m"'))
    before = solver._training.trainer.owner.vector.copy()
    with pytest.raises(UsageError, match="the layer 'm' writes its blob 0 in forward"):
        solver.step(1)
    assert solver.iter == 0
    np.testing.assert_array_equal(solver._training.trainer.owner.vector, before)
