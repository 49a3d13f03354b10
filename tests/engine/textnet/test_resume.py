"""Going on from a checkpoint: the same bits as a run that was never stopped; what may change and what not."""

from __future__ import annotations

import numpy as np
import pytest

from caffe64.engine.textnet.model import Model
from caffe64.engine.textnet.training import Training
from caffe64.errors import Interrupted, UsageError
from caffe64.formats.checkpoint import read_checkpoint, write_checkpoint
from caffe64.formats.network import parse_network
from caffe64.formats.optimizer import Optimizer

NET = "4\ninp 6 4\nlin 9 -1\ntnh\nl2l\n"
OTHER_NET = "4\ninp 6 4\nlin 9 -1\nrel\nl2l\n"
OPTIMIZER = Optimizer(0.05, 2, 0.5, 0.01, 0.9, 5)


def data(rows=70):
    source = np.random.default_rng(2)
    return source.standard_normal((rows, 6)).astype(np.float32), source.standard_normal((rows, 9)).astype(np.float32)


def model_of(text=NET) -> Model:
    return Model(parse_network(text))


def start(optimizer=OPTIMIZER, arrays=None, **options) -> Training:
    return Training(model_of(), *(arrays or data()), optimizer, **options)


def finish(run: Training) -> Training:
    while not run.finished:
        run.run_epoch()
    return run


def stop_in_the_middle(run: Training) -> None:
    with pytest.raises(Interrupted):
        run.run_epoch(lambda step, losses: run.stop() if step else None)
    assert 0 < run.step < run.steps


def through_a_file(run: Training, tmp_path):
    write_checkpoint(tmp_path / "run.c64", run.checkpoint())
    return read_checkpoint(tmp_path / "run.c64")


def assert_same_end(resumed: Training, unbroken: Training):
    np.testing.assert_array_equal(resumed.model.parameters, unbroken.model.parameters)
    np.testing.assert_array_equal(resumed.velocity, unbroken.velocity)
    for field in ("epoch", "loss", "rate"):
        ended = [[getattr(record, field) for record in run.history] for run in (resumed, unbroken)]
        assert ended[0] == ended[1]


@pytest.mark.parametrize("epochs", range(6))
@pytest.mark.parametrize("shuffle", [True, False])
def test_resuming_after_any_epoch_ends_with_the_same_bits(epochs, shuffle, tmp_path):
    run = start(seed=3, shuffle=shuffle)
    for _ in range(epochs):
        run.run_epoch()
    checkpoint = through_a_file(run, tmp_path)
    resumed = finish(Training.resume(checkpoint, model_of(), *data()))
    assert_same_end(resumed, finish(start(seed=3, shuffle=shuffle)))


@pytest.fixture(scope="module")
def many():
    """So many rows that an epoch is still running when the watch is first called."""
    return data(2_000_000)


def test_resuming_in_the_middle_of_an_epoch_ends_with_the_same_bits(many, tmp_path):
    optimizer = Optimizer(0.05, 1, 0.5, 0.01, 0.9, 2)
    unbroken = finish(start(optimizer, many, seed=4, threads=1))
    run = start(optimizer, many, seed=4, threads=1)
    stop_in_the_middle(run)
    resumed = Training.resume(through_a_file(run, tmp_path), model_of(), *many, threads=2)
    assert (resumed.epoch, resumed.step) == (0, run.step)
    stop_in_the_middle(resumed)
    assert resumed.step > run.step
    again = finish(Training.resume(through_a_file(resumed, tmp_path), model_of(), *many, threads=1))
    assert_same_end(again, unbroken)


def test_the_same_run_may_go_on_after_it_was_stopped(many):
    optimizer = Optimizer(0.05, 0, 1, 0, 0.9, 1)
    run = start(optimizer, many, threads=1)
    stop_in_the_middle(run)
    assert_same_end(finish(run), finish(start(optimizer, many, threads=1)))


def test_a_checkpoint_does_not_change_when_its_run_goes_on():
    run = start()
    run.run_epoch()
    checkpoint = run.checkpoint()
    before = [np.copy(each) for each in (checkpoint.parameters, checkpoint.velocity, checkpoint.losses)]
    finish(run)
    for array, copy in zip((checkpoint.parameters, checkpoint.velocity, checkpoint.losses), before, strict=True):
        np.testing.assert_array_equal(array, copy)
    assert len(checkpoint.history) == 1


def checkpoint_after(epochs=2, step=0, **options):
    run = start(**options)
    for _ in range(epochs):
        run.run_epoch()
    run.step = step
    run.losses[:step] = 1.0
    return run.checkpoint()


def test_another_net_is_refused():
    with pytest.raises(UsageError, match="the net differs"):
        Training.resume(checkpoint_after(), model_of(OTHER_NET), *data())


def test_another_number_of_rows_is_refused():
    with pytest.raises(UsageError, match="trained on 70 rows, here are 69"):
        Training.resume(checkpoint_after(), model_of(), *data(69))


@pytest.mark.parametrize("change", [{"seed": 9}, {"shuffle": False}])
def test_another_order_is_taken_between_epochs_and_refused_within_one(change):
    resumed = finish(Training.resume(checkpoint_after(), model_of(), *data(), **change))
    assert (resumed.model.parameters != finish(start()).model.parameters).any()
    with pytest.raises(UsageError, match="within an epoch"):
        Training.resume(checkpoint_after(step=3), model_of(), *data(), **change)


def test_the_same_seed_and_shuffling_may_be_said_within_an_epoch():
    checkpoint = checkpoint_after(step=3, seed=5)
    Training.resume(checkpoint, model_of(), *data(), seed=5, shuffle=True)


def test_a_new_optimizer_counts_from_the_first_epoch():
    optimizer = Optimizer(0.08, 1, 0.5, 0.02, 0.7, 4)
    resumed = Training.resume(checkpoint_after(2), model_of(), *data(), optimizer)
    assert resumed.rate == 0.08 * 0.5**2
    finish(resumed)
    assert [record.rate for record in resumed.history] == [0.05, 0.05, 0.02, 0.01]

    by_hand = start()
    for _ in range(2):
        by_hand.run_epoch()
    by_hand.optimizer, by_hand.rate = optimizer, 0.02
    np.testing.assert_array_equal(resumed.model.parameters, finish(by_hand).model.parameters)


def test_a_rate_that_never_drops_replaces_one_that_did():
    resumed = Training.resume(checkpoint_after(4), model_of(), *data(), Optimizer(0.03, 0, 0.5, 0, 0, 6))
    assert resumed.rate == 0.03


def test_more_epochs_keep_the_rate_of_the_checkpoint():
    longer = Optimizer(0.05, 2, 0.5, 0.01, 0.9, 7)
    resumed = Training.resume(checkpoint_after(5), model_of(), *data(), longer)
    assert not resumed.finished
    assert_same_end(finish(resumed), finish(start(longer)))


def test_fewer_epochs_than_are_done_leave_nothing_to_do():
    resumed = Training.resume(checkpoint_after(3), model_of(), *data(), Optimizer(0.05, 2, 0.5, 0.01, 0.9, 2))
    assert resumed.finished
