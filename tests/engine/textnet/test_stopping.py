"""Early stopping of `Net.fit`: when it ends, with which weights, and how a training goes on after it."""

from __future__ import annotations

import numpy as np
import pytest
from reference.clouds import classes
from reference.thread_group import run_ranks

import caffe64
from caffe64.engine.textnet.stopping import Stopping

TEXT = "inp 6 10 / lin 12 -1 / rel / lin 3 -1 / sce"
OPTIMIZER = caffe64.Optimizer(rate=0.3, step=0, factor=1, decay=0, momentum=0.9, epochs=30)


@pytest.fixture(scope="module")
def task():
    """Few rows, of which some have wrong labels: the validation loss falls, jumps and rises."""
    X, Y = classes(80)
    Y[::7] = (Y[::7] + 1) % 3
    return X, Y, classes(200, seed=2)


def fit(task, net=None, optimizer=OPTIMIZER, weights=None, **options):
    """The net and its history; `weights` collects those after each epoch."""
    X, Y, validation = task
    net = net or caffe64.Net(TEXT)
    keep = None if weights is None else lambda record, scores: weights.append(net.parameters.copy())
    return net, net.fit(X, Y, optimizer, **{"validation": validation, "on_epoch": keep} | options)


@pytest.fixture(scope="module")
def whole(task):
    """Weights after each of the 30 epochs, and their validation losses."""
    weights = []
    _, history = fit(task, weights=weights)
    return weights, [scores.loss for scores in history.validation]


def end_of(losses: list[float], patience: int) -> int:
    """The number of epochs after which there are `patience` without a lower loss than before."""
    for last in range(patience, len(losses)):
        if min(losses[last - patience + 1 : last + 1]) >= min(losses[: last - patience + 1]):
            return last + 1
    return len(losses)


@pytest.mark.parametrize("patience", [1, 2, 4, 29])
def test_so_many_epochs_without_a_lower_loss_end_it(task, whole, patience):
    weights, losses = whole
    net, history = fit(task, patience=patience)
    end = end_of(losses, patience)
    assert [scores.loss for scores in history.validation] == losses[:end]
    assert len(history.epochs) == end
    assert history.best_epoch == 1 + int(np.argmin(losses[:end]))
    np.testing.assert_array_equal(net.parameters, weights[end - 1])
    np.testing.assert_array_equal(
        fit(task, patience=patience, keep_best=True)[0].parameters, weights[history.best_epoch - 1]
    )


def test_the_ends_above_are_different_and_before_the_last_epoch(whole):
    ends = [end_of(whole[1], patience) for patience in (1, 2, 4)]
    assert ends == sorted(set(ends))
    assert ends[-1] < 30


def test_the_best_weights_of_all_epochs_are_kept(task, whole):
    weights, losses = whole
    net, history = fit(task, keep_best=True)
    assert (len(history.epochs), history.best_epoch) == (30, 1 + int(np.argmin(losses)))
    np.testing.assert_array_equal(net.parameters, weights[np.argmin(losses)])
    assert net.evaluate(*task[2]).loss == min(losses)


def test_a_run_goes_on_from_its_last_epoch_and_begins_anew_from_another(task, whole):
    weights, losses = whole
    few = caffe64.Optimizer(0.3, 0, 1, 0, 0.9, epochs=2)
    assert losses[1] < losses[0]
    net, _ = fit(task, optimizer=few, keep_best=True)
    _, history = fit(task, net, few)
    np.testing.assert_array_equal(net.parameters, weights[3])
    assert [record.epoch for record in history.epochs] == [3, 4]
    net, history = fit(task, keep_best=True)
    assert history.best_epoch != 30
    assert fit(task, net, few)[1].epochs[0].epoch == 1


def test_patience_counts_the_epochs_of_its_call(task, whole):
    one = caffe64.Optimizer(0.3, 0, 1, 0, 0.9, epochs=1)
    net = caffe64.Net(TEXT)
    for _ in range(20):
        assert len(fit(task, net, one, patience=1)[1].epochs) == 1
    np.testing.assert_array_equal(net.parameters, whole[0][19])


def test_a_loss_that_is_nan_is_not_lower():
    stopping = Stopping(2)
    model = caffe64.Net(TEXT)
    for epoch, loss in enumerate((np.nan, 0.5, np.nan), start=1):
        stopping.note(epoch, loss, model)
        assert not stopping.done
    stopping.note(4, np.nan, model)
    assert stopping.done
    assert (stopping.best_epoch, stopping.best_loss) == (2, 0.5)


def test_a_loss_that_is_the_same_is_not_lower():
    """Of epochs with one loss the first is the best: it took the least training."""
    stopping = Stopping(2)
    for epoch in (1, 2, 3):
        stopping.note(epoch, 0.5, caffe64.Net(TEXT))
        assert stopping.done == (epoch == 3)
    assert stopping.best_epoch == 1


def test_history_says_what_was_best_in_a_line(task):
    _, history = fit(task, patience=2)
    best = min(scores.loss for scores in history.validation)
    assert f"lowest validation loss {best:.6g} in epoch {history.best_epoch})" in repr(history)
    _, history = fit(task, validation=None)
    assert history.best_epoch is None
    assert repr(history) == f"History(30 epochs, last loss {history.loss[-1]:.6g})"
    assert repr(caffe64.History()) == "History(0 epochs)"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patience": 0}, "patience is 0, expected a whole number from 1"),
        ({"patience": 2.0}, "patience is 2.0"),
        ({"patience": True}, "patience is True"),
        ({"keep_best": 1}, "keep_best is 1, expected True or False"),
        ({"patience": 3, "validation": None}, r"they need validation=\(X, Y\)"),
        ({"keep_best": True, "validation": None}, r"they need validation=\(X, Y\)"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_any_epoch(task, options, message):
    net = caffe64.Net(TEXT)
    with pytest.raises(caffe64.UsageError, match=message):
        fit(task, net, **options)
    assert net.parameters is None


def test_ranks_end_together_by_the_loss_of_the_first(task):
    """The other rank's CPU rounds otherwise: here its losses never fall."""

    def work(group):
        net = caffe64.Net(TEXT)
        if group.rank:
            net.score = lambda *data, **options: caffe64.Evaluation(1.0)
        _, history = fit(task, net, patience=2, keep_best=True, shards=2, group=group)
        return net.parameters.copy(), len(history.epochs)

    (first, epochs), (second, others) = run_ranks(2, work)
    assert 3 < epochs == others < 30
    np.testing.assert_array_equal(first, second)

    def differing(group):
        with pytest.raises(caffe64.UsageError, match="differ in the patience: 3 and 2"):
            fit(task, patience=2 + group.rank, shards=2, group=group)

    run_ranks(2, differing)
