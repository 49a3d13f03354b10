"""A training run: order of the rows, rates, threads, stopping, what it takes and refuses, what it allocates.

Gradients and weights are compared with the reference in test_random_nets.py and test_golden.py, going on from a
checkpoint is in test_resume.py.
"""

from __future__ import annotations

import threading

import numpy as np
import pytest
from reference.running import NET, data, finish, long_run, model_of, training

from caffe64.engine.textnet.training import Training
from caffe64.errors import Diverged, Interrupted
from caffe64.formats.optimizer import Optimizer


# --------------------------------------------------------------------------------------- reproducibility
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_weights_are_the_same_bits_for_any_number_of_threads_and_every_time(threads):
    first = finish(training(threads=1, seed=5))
    for _ in range(3):
        again = finish(training(threads=threads, seed=5))
        np.testing.assert_array_equal(again.model.parameters, first.model.parameters)
        np.testing.assert_array_equal(again.velocity, first.velocity)
        assert [record.loss for record in again.history] == [record.loss for record in first.history]


def test_another_seed_gives_other_initial_weights_and_another_order():
    runs = [training(seed=seed) for seed in (0, 1)]
    initial = [run.model.pack(run.model.parameters) for run in runs]
    assert (initial[0] != initial[1]).mean() > 0.9
    assert (runs[0]._order() != runs[1]._order()).any()
    for run in runs:
        run.model.parameters = run.model.unpack(initial[0])
        finish(run)
    assert (runs[0].model.parameters != runs[1].model.parameters).any()


def test_initial_weights_and_biases_are_drawn_with_the_deviation_of_their_line():
    model = model_of("inp 300 1 / lin 200 -1 / lin 100 -3.5 / l2l")
    model.initialise(3)
    _, first, second, _ = model.layer_parameters()
    for values, deviation in ((first, 0.1), (first[-200:], 0.1), (second, 10**-3.5), (second[-100:], 10**-3.5)):
        n = values.size
        assert abs(values.mean()) < 5 * deviation / n**0.5
        assert abs(values.std() / deviation - 1) < 5 / (2 * n) ** 0.5
    assert abs(np.mean(np.abs(first) < 0.1) - 0.6827) < 0.01  # normal, not uniform


def test_weights_that_a_model_has_are_where_training_starts():
    model, (X, Y) = model_of(NET), data()
    model.initialise(1)
    before = model.parameters.copy()
    Training(model, X, Y, Optimizer(0, 0, 1, 0, 0, 1), seed=2).run_epoch()
    np.testing.assert_array_equal(model.parameters, before)


# ------------------------------------------------------------------------------------- order of the rows
def test_each_epoch_has_a_fresh_permutation():
    run, orders = training(), []
    for run.epoch in range(50):
        order = run._order()
        assert sorted(order) == list(range(95))
        np.testing.assert_array_equal(order, run._order())
        orders.append(tuple(order))
    assert len(set(orders)) == 50


def test_permutations_are_uniform():
    rows, epochs = 8, 4000
    run = training("inp 1 2 / lin 1 -1 / l2l", (np.zeros((rows, 1), np.float32), np.zeros((rows, 1), np.float32)))
    places, followers = np.zeros((rows, rows)), np.zeros((rows, rows))
    for run.epoch in range(epochs):
        order = run._order()
        places[order, np.arange(rows)] += 1
        followers[order[:-1], order[1:]] += 1
    # Counts of binomial variables; 5 standard deviations are passed once in 1.7 million.
    for counts, share in ((places, 1 / rows), (followers[~np.eye(rows, dtype=bool)], 1 / rows)):
        deviation = (epochs * share * (1 - share)) ** 0.5
        assert np.abs(counts - epochs * share).max() < 5 * deviation


def visited(run: Training) -> list[list[int]]:
    """The rows of each minibatch of the next epoch, read off the losses: row r has the loss 4**r."""
    seen = []
    run.run_epoch(lambda step, losses: seen.append(losses.copy()))
    sums = np.rint(seen[-1] * run.batch).astype(int)
    return [[row for row in range(run.rows) if total >> 2 * row & 1] for total in sums]


def revealing(shuffle=True, rows=11) -> Training:
    targets = 2.0 ** np.arange(rows, dtype=np.float32)
    return training("inp 1 3 / l2l", (np.zeros((rows, 1)), targets), Optimizer(1, 0, 1, 0, 0, 30), shuffle=shuffle)


def test_an_epoch_visits_the_rows_of_its_order_and_leaves_the_last_ones_out():
    run, left_out = revealing(), set()
    for _ in range(30):
        order = run._order()
        minibatches = visited(run)
        assert minibatches == [sorted(order[start : start + 3]) for start in (0, 3, 6)]
        left_out |= {*range(11)} - {row for rows in minibatches for row in rows}
    assert left_out == {*range(11)}  # over the epochs no row is left out for good


def test_without_shuffling_rows_come_in_file_order():
    run = revealing(shuffle=False)
    for _ in range(3):
        assert visited(run) == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]


def test_a_minibatch_of_all_rows_leaves_no_row_out():
    run = revealing(rows=3)
    assert visited(run) == [[0, 1, 2]]


# ------------------------------------------------------------------------------------------------- rates
@pytest.mark.parametrize(
    ("step", "rates"), [(2, [0.8, 0.8, 0.4, 0.4, 0.2]), (1, [0.8, 0.4, 0.2, 0.1, 0.05]), (0, [0.8] * 5), (9, [0.8] * 5)]
)
def test_the_rate_drops_after_every_step_epochs_and_never_for_step_0(step, rates):
    run = finish(training(optimizer=Optimizer(0.8, step, 0.5, 0, 0, 5)))
    assert [record.rate for record in run.history] == pytest.approx(rates, rel=1e-15)
    assert [record.epoch for record in run.history] == [1, 2, 3, 4, 5]


def test_the_rate_reaches_the_weights():
    def moved(optimizer):
        model = model_of(NET)
        model.initialise(0)
        before = model.parameters.copy()
        finish(Training(model, *data(30), optimizer))
        return np.linalg.norm(model.parameters - before)

    once = moved(Optimizer(0.01, 0, 1, 0, 0, 1))
    assert moved(Optimizer(0.02, 0, 1, 0, 0, 1)) == pytest.approx(2 * once, rel=1e-4)
    assert moved(Optimizer(0.01, 1, 0, 0, 0, 5)) == pytest.approx(once, rel=1e-6)  # dropped to 0


def test_no_epochs_change_nothing():
    run = training(optimizer=Optimizer(1, 0, 1, 0, 0, 0))
    assert run.finished
    assert run.history == []


# ---------------------------------------------------------------------------------------------- stopping
def test_stop_from_another_thread_ends_within_the_epoch():
    run = long_run()
    timer = threading.Timer(0.1, run.stop)
    timer.start()
    with pytest.raises(Interrupted, match=r"stopped in epoch 1 after minibatch \d+ of 1000000"):
        run.run_epoch()
    timer.join()
    assert run.step < run.steps
    assert run.epoch == 0
    assert np.isfinite(run.losses[: run.step]).all()
    assert np.isnan(run.losses[run.step :]).all()


def test_a_stop_before_or_between_epochs_is_not_lost():
    run = training()
    run.stop()
    with pytest.raises(Interrupted, match="stopped in epoch 1 after minibatch 0 of 3"):
        run.run_epoch()
    run.run_epoch(lambda step, losses: run.stop() if step == run.steps else None)  # too late for this epoch
    with pytest.raises(Interrupted, match="stopped in epoch 2 after minibatch 0 of 3"):
        run.run_epoch()
    finish(run)
    np.testing.assert_array_equal(run.model.parameters, finish(training()).model.parameters)


def test_an_exception_before_the_first_minibatch_leaves_the_run_where_it_was(monkeypatch):
    run = training()
    run.run_epoch()
    with monkeypatch.context() as patch:
        patch.setattr(run, "_order", lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run.run_epoch()
    assert (run.epoch, run.step) == (1, 0)
    np.testing.assert_array_equal(finish(run).model.parameters, finish(training()).model.parameters)


def test_an_exception_in_the_watch_ends_the_epoch_and_comes_through():
    run = long_run()

    class Enough(Exception):
        pass

    def watch(step, losses):
        if step:
            raise Enough

    with pytest.raises(Enough):
        run.run_epoch(watch)
    assert 0 < run.step < run.steps
    assert not [thread for thread in threading.enumerate() if "guarded" in thread.name]
    done = run.step
    with pytest.raises(Enough):
        run.run_epoch(lambda step, losses: watch(step - done, losses))
    assert run.step > done  # it went on from there, and the first stop is forgotten


def test_the_watch_sees_minibatches_grow_and_the_last_one():
    run, steps = training(arrays=data(3000), threads=1), []
    run.run_epoch(lambda step, losses: steps.append(step))
    assert steps == sorted(steps)
    assert steps[-1] == run.steps == 100


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("row", [0, 29, 30, 61, 89])
def test_divergence_names_epoch_and_minibatch(threads, row):
    X, Y = data()
    run = training(arrays=(X, Y), threads=threads, shuffle=False)
    run.run_epoch()
    X[row] = np.nan  # X is not copied, so the second epoch meets it
    with pytest.raises(Diverged, match=f"the loss is nan in epoch 2, minibatch {row // 30 + 1}") as caught:
        run.run_epoch()
    assert (caught.value.epoch, caught.value.minibatch) == (2, row // 30 + 1)
    assert np.isnan(caught.value.loss)
    assert len(run.history) == 1


def test_a_rate_far_too_large_diverges_instead_of_going_on_with_infinities():
    net = "inp 20 30 / lin 10 0 / rel / lin 1 0 / l2l"
    X, _ = data()
    with pytest.raises(Diverged):
        finish(training(net, (X, X[:, :1]), Optimizer(1e3, 0, 1, 0, 0.9, 100)))


# ------------------------------------------------------------------------------------------- the owner of the weights
def test_the_weights_are_slices_of_one_owner_which_counts_training():
    run = training()
    owner, vector = run.model.owner, run.model.parameters
    assert owner.vector is vector
    assert [each.layer for each in owner.slices] == [info.text for info in run.model.plan.infos]
    for number, (part, info) in enumerate(zip(owner.slices, run.model.plan.infos, strict=True)):
        assert part.size >= info.parameters
        assert owner.view(number).ctypes.data % 64 == 0 or not part.size
    assert run.velocity.shape == vector.shape
    before = owner.versions.copy()
    finish(run)
    assert (owner.versions > before).all()
    assert run.model.owner is owner


def test_a_vector_that_is_assigned_is_the_net_s_own():
    model = model_of(NET)
    assert model.parameters is None
    vector = model.unpack(np.arange(model.parameter_count))
    model.parameters = vector
    assert model.parameters is vector
    model.parameters = None
    assert model.parameters is None
