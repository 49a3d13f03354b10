"""Net.fit goes on where the last one ended, as one run would; what begins anew; what is left after a divergence."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from reference import jobs
from reference.clouds import classes

import caffe64

TEXT = "inp 6 10 / lin 9 -1 / rel / lin 3 -1 / sce"
TEN = caffe64.Optimizer(rate=0.02, step=3, factor=0.5, decay=0.001, momentum=0.9, epochs=10)


def epochs(count, **changes):
    return dataclasses.replace(TEN, epochs=count, **changes)


def fitted(*parts, seed=4, **options):
    """A net after a fit for each of `parts`, and the records of all."""
    net, records = caffe64.Net(TEXT), []
    for optimizer in parts:
        records += net.fit(*classes(), optimizer, seed=seed, **options).epochs
    return net, records


def facts(records):
    return [(record.epoch, record.loss, record.rate) for record in records]


@pytest.mark.parametrize("parts", [[1] * 10, [3, 7], [4, 0, 5, 1], [10]])
@pytest.mark.parametrize("shuffle", [True, False])
def test_several_fits_are_the_same_bits_as_one(parts, shuffle):
    one, expected = fitted(TEN, shuffle=shuffle)
    several, found = fitted(*map(epochs, parts), shuffle=shuffle)
    np.testing.assert_array_equal(several.parameters, one.parameters)
    assert facts(found) == facts(expected)
    assert [record.rate for record in found] == [0.02] * 3 + [0.01] * 3 + [0.005] * 3 + [0.0025]


def test_a_fit_after_a_training_goes_on_with_that_run():
    one, expected = fitted(TEN)
    net = caffe64.Net(TEXT)
    run = caffe64.Training(net, *classes(), epochs(4), seed=4)
    history = jobs.finish(run).history + net.fit(*classes(), epochs(6), seed=4).epochs
    np.testing.assert_array_equal(net.parameters, one.parameters)
    assert facts(history) == facts(expected)


def test_a_fit_after_a_resumed_training_goes_on_with_that_run():
    one, _ = fitted(TEN)
    half = caffe64.Training(caffe64.Net(TEXT), *classes(), epochs(4), seed=4)
    net = caffe64.Net(TEXT)
    jobs.finish(caffe64.Training.resume(jobs.finish(half).checkpoint(), net, *classes(), epochs(7)))
    net.fit(*classes(), epochs(3), seed=4)
    np.testing.assert_array_equal(net.parameters, one.parameters)


def anew(optimizer=TEN, seed=4):
    """The weights after three epochs and a new run from them, put together from its parts."""
    begun, _ = fitted(epochs(3), seed=seed)
    net = caffe64.Net(TEXT)
    net.parameters = begun.parameters.copy()
    return net, net.fit(*classes(), optimizer, seed=seed).epochs


@pytest.mark.parametrize("how", ["fresh", "load", "assign", "training"])
def test_what_begins_a_new_run_from_the_weights_that_are_there(how, tmp_path):
    expected, records = anew()
    net, _ = fitted(epochs(3))
    if how == "load":
        net.save(tmp_path / "w.bin")
        net.load(tmp_path / "w.bin")
    if how == "assign":
        net.parameters = net.parameters
    if how == "training":
        found = jobs.finish(caffe64.Training(net, *classes(), TEN, seed=4)).history
    else:
        found = net.fit(*classes(), TEN, seed=4, fresh=how == "fresh").epochs
    np.testing.assert_array_equal(net.parameters, expected.parameters)
    assert facts(found) == facts(records)
    assert found[0].epoch == 1
    assert found[0].rate == 0.02


def test_initialise_begins_from_scratch():
    net, _ = fitted(epochs(3))
    net.initialise(4)
    records = net.fit(*classes(), TEN, seed=4).epochs
    expected, history = fitted(TEN)
    np.testing.assert_array_equal(net.parameters, expected.parameters)
    assert facts(records) == facts(history)


def test_without_fresh_the_momentum_is_kept():
    assert (fitted(epochs(3), epochs(3))[0].parameters != anew(epochs(3))[0].parameters).any()


def test_another_schedule_begins_now_and_epochs_count_on():
    _, records = fitted(epochs(4), epochs(5, rate=0.1, step=2))
    assert [record.epoch for record in records] == list(range(1, 10))
    assert [record.rate for record in records] == [0.02] * 3 + [0.01] + [0.1, 0.1, 0.05, 0.05, 0.025]
    _, records = fitted(epochs(4), epochs(2, momentum=0.5, decay=0), epochs(3))  # no schedule's business
    assert [record.rate for record in records] == [0.02] * 3 + [0.01] * 3 + [0.005] * 3


def test_other_data_and_another_seed_go_on_with_the_run():
    net, _ = fitted(epochs(2))
    X, Y = classes(rows=50, seed=9)
    record = net.fit(X, Y, epochs(1), seed=5).epochs[0]
    twin = caffe64.Net(TEXT)
    run = caffe64.Training(twin, *classes(), epochs(2), seed=4)
    jobs.finish(run)
    other = caffe64.Training(twin, X, Y, epochs(3), seed=5)
    other.velocity, other.epoch = run.velocity, 2
    assert other.run_epoch().loss == record.loss
    np.testing.assert_array_equal(net.parameters, twin.parameters)


def test_an_epoch_that_an_exception_ended_is_done_again():
    def enough(record, evaluation):
        if record.epoch == 2:
            raise KeyboardInterrupt

    net = caffe64.Net(TEXT)
    with pytest.raises(KeyboardInterrupt):
        net.fit(*classes(), TEN, seed=4, on_epoch=enough)  # after the epoch: nothing is lost
    net.fit(*classes(), epochs(8), seed=4)
    np.testing.assert_array_equal(net.parameters, fitted(TEN)[0].parameters)

    run = caffe64.Training(net, *classes(), TEN, seed=4)
    run.run_epoch()

    def watch(step, losses):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.run_epoch(watch)
    assert net.fit(*classes(), epochs(1), seed=4).epochs[0].epoch == 2


def test_a_refused_fit_changes_nothing():
    net, _ = fitted(epochs(4))
    X, Y = classes()
    for wrong in ({"X": X[:, 1:]}, {"Y": Y + 1}, {"seed": -1}, {"threads": 0}, {"validation": (X, Y + 1)}):
        with pytest.raises(caffe64.Caffe64Error):
            net.fit(**{"X": X, "Y": Y, "optimizer": TEN, "seed": 4, **wrong})
    net.fit(X, Y, epochs(6), seed=4)
    np.testing.assert_array_equal(net.parameters, fitted(TEN)[0].parameters)


def test_a_net_may_be_fitted_to_arrays_and_one_hot_rows_in_turn():
    windows, labels = np.random.default_rng(1).integers(0, 3, (40, 2)), np.arange(40) % 3
    X, dense = caffe64.OneHot(windows, 3), np.asarray(caffe64.OneHot(windows, 3))
    nets = []
    for parts in ((X, X), (dense, dense), (X, dense)):
        nets.append(caffe64.Net(TEXT))
        for part in parts:
            nets[-1].fit(part, labels, epochs(2), seed=1)
    for net in nets[1:]:
        np.testing.assert_array_equal(net.parameters, nets[0].parameters)


# ------------------------------------------------------------------------------------------- divergence
REAL = "inp 6 10 / lin 9 -1 / rel / lin 1 -1 / l2l"


def diverging():
    """Data whose minibatch 4, without shuffling, has an infinite loss: the square of 1e38."""
    X, Y = classes()
    Y[37] = 1e38
    return X, Y


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_after_diverged_the_weights_are_those_before_the_minibatch(threads):
    X, Y = diverging()
    expected, net = caffe64.Net(REAL), caffe64.Net(REAL)
    for each in (expected, net):
        each.initialise(2)
    expected.fit(X[:30], Y[:30], epochs(1), shuffle=False)
    with pytest.raises(caffe64.Diverged, match=r"the loss is inf in epoch 1, minibatch 4 .*smaller learning rate"):
        net.fit(X, Y, epochs(1), shuffle=False, threads=threads)
    np.testing.assert_array_equal(net.parameters, expected.parameters)
    assert net.fit(X[:30], Y[:30], epochs(1)).epochs[0].epoch == 1  # a new run: the velocity is not to be trusted


def test_a_training_that_diverged_stands_before_that_minibatch(tmp_path):
    run = caffe64.Training(caffe64.Net(REAL), *diverging(), TEN, shuffle=False, seed=2)
    for _ in range(2):  # a second attempt fails at the same place
        with pytest.raises(caffe64.Diverged, match="epoch 1, minibatch 4"):
            run.run_epoch()
        assert run.step == 3
        assert np.isnan(run.losses[3:]).all()
    caffe64.write_checkpoint(tmp_path / "run.c64", run.checkpoint())
    assert caffe64.read_checkpoint(tmp_path / "run.c64").step == 3
    run.model.save(tmp_path / "w.bin")


def overflowed():
    """A net whose last update made its weights infinite, while every loss was finite."""
    net = caffe64.Net("inp 1 1 / lin 1 0 / l2l")
    net.initialise(1)
    with pytest.raises(caffe64.Diverged, match=r"minibatch 1 .*weights are not finite: try a smaller") as caught:
        net.fit([[1e15]], [1.0], caffe64.Optimizer(1e30, 0, 1, 0, 0, 1))
    assert np.isfinite(caught.value.loss)
    return net


def test_weights_that_are_not_finite_end_the_training_even_where_no_loss_shows_it():
    assert not np.isfinite(overflowed().parameters).all()


def test_weights_that_are_not_finite_are_neither_saved_nor_trained(tmp_path):
    net = overflowed()
    (tmp_path / "w.bin").write_bytes(b"the old file")
    with pytest.raises(caffe64.UsageError, match=r"w\.bin is not written: parameter 0 .*of layer 2 is .*diverge"):
        net.save(tmp_path / "w.bin")
    assert (tmp_path / "w.bin").read_bytes() == b"the old file"
    assert len(list(tmp_path.iterdir())) == 1
    with pytest.raises(caffe64.UsageError, match="weights are not finite: load or initialise others"):
        net.fit([[1.0]], [1.0], TEN)
    net.initialise(1)
    assert net.fit([[1.0]], [1.0], TEN).epochs[0].epoch == 1


def test_a_checkpoint_that_is_not_finite_is_not_written(tmp_path):
    run = caffe64.Training(caffe64.Net(TEXT), *classes(), TEN)
    run.velocity[3] = np.inf
    with pytest.raises(caffe64.UsageError, match=r"run\.c64 is not written: not all of its velocity is finite"):
        caffe64.write_checkpoint(tmp_path / "run.c64", run.checkpoint())
    assert not any(tmp_path.iterdir())
