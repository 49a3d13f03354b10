"""Text nets over ranks, which are threads of one process here: the same bits for any number of ranks and threads."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from reference import squared_scale
from reference.running import NET, STEADY, data, finish, model_of
from reference.thread_group import ThreadGroup, run_ranks, tree

from caffe64.api import Net
from caffe64.engine.textnet.layers import TABLE, register
from caffe64.engine.textnet.one_hot import OneHot
from caffe64.engine.textnet.training import Training
from caffe64.errors import Diverged, InputError, Interrupted, UsageError
from caffe64.formats.checkpoint import read_checkpoint, write_checkpoint
from caffe64.formats.network import GRAMMAR
from caffe64.formats.optimizer import Optimizer
from caffe64.ranks.agreement import is_agreed

MATRIX = [(S, R, threads) for S in (1, 2, 4, 8) for R in (1, 2, 4) if R <= S for threads in (1, 2)]


def result(run: Training) -> tuple:
    """All that must be the same bits."""
    arrays = [each.view(np.int32).tolist() for each in (run.model.parameters, run.velocity)]
    return *arrays, [(each.epoch, each.loss, each.rate) for each in run.history]


def trained(ranks: int = 1, net=NET, arrays=None, optimizer=STEADY, **options) -> list[Training]:
    """The training of each rank, finished."""

    def work(group):
        return finish(Training(model_of(net), *(arrays or data()), optimizer, group=group, **options))

    return run_ranks(ranks, work)


@pytest.fixture(scope="module")
def one_process():
    return {S: result(trained(shards=S, threads=1)[0]) for S in (1, 2, 4, 8)}


@pytest.mark.parametrize(("S", "R", "threads"), MATRIX)
def test_weights_momentum_and_losses_are_the_same_bits(one_process, S, R, threads):
    """Minibatches of 30 rows, which 4 and 8 do not divide."""
    for run in trained(R, shards=S, threads=threads):
        assert result(run) == one_process[S]


def test_one_shard_is_what_it_was_without_any(one_process):
    run = finish(Training(model_of(NET), *data(), STEADY))
    assert result(run) == one_process[1]


def test_shards_change_the_last_bits_alone(one_process):
    weights = [np.array(one_process[S][0], np.int32).view(np.float32) for S in (1, 2, 4, 8)]
    for first, second in itertools.pairwise(weights):
        assert (first != second).any()
        np.testing.assert_allclose(first, second, atol=1e-5)


@pytest.mark.parametrize("S", [2, 4, 8])
def test_the_gradient_is_the_tree_over_those_of_the_shards(S):
    """Each of which is that of a run whose minibatch has these rows alone."""
    X, Y = data(30)

    def gradient(rows, **options):
        model = model_of(NET.replace("inp 20 30", f"inp 20 {len(rows)}"))
        optimizer = Optimizer(len(rows), 0, 1, 0, 0, 1)  # rate = B: the velocity is the gradient
        run = finish(Training(model, X[rows], Y[rows], optimizer, shuffle=False, seed=3, **options))
        return run.velocity, run.history[0].loss * len(rows)

    all_rows = np.arange(30)
    parts = [gradient(all_rows[30 * s // S : 30 * (s + 1) // S]) for s in range(S)]
    found, loss = gradient(all_rows, shards=S)
    np.testing.assert_array_equal(found, tree([part for part, _ in parts]))
    assert loss == pytest.approx(tree([part for _, part in parts]), rel=1e-14)


@pytest.mark.parametrize(
    ("net", "arrays", "options"),
    [
        ("inp 20 37 / lin 9 -1 / rel / lin 3 -1 / l2l", (data(80)[0], data(80)[0][:, :3].copy()), {}),
        (NET, data(), {"shuffle": False, "seed": 7}),
        ("inp 60 25 / lin 11 -1 / tnh / lin 5 -1 / sce", "one-hot", {}),
        ("inp 20 8 / lin 5 -1 / smx / lin 5 0 / sce", data(40), {"optimizer": Optimizer(0.5, 2, 0.5, 0.01, 0, 3)}),
        ("inp 20 30 / sce", (data()[0], data()[1]), {}),  # no parameters at all
    ],
)
def test_other_nets_and_data(net, arrays, options):
    if arrays == "one-hot":
        symbols = np.random.default_rng(3).integers(0, 12, (60, 5))
        arrays = OneHot(symbols, 12), (symbols[:, 0] % 5).astype(np.float32)
    expected = result(trained(net=net, arrays=arrays, shards=4, threads=1, **options)[0])
    for ranks in (2, 4):
        for run in trained(ranks, net, arrays, shards=4, threads=2, **options):
            assert result(run) == expected


@pytest.fixture
def squared():
    register(squared_scale.LAYER)
    yield "inp 20 30 / lin 9 -0.5 / sqr / lin 5 -0.5 / sce"
    del GRAMMAR["sqr"], TABLE["sqr"]


def test_a_layer_of_the_user_s_own_whose_gradient_reads_its_weights(squared):
    whole = trained(net=squared)[0]
    expected = result(trained(net=squared, shards=4)[0])
    for run in trained(2, squared, shards=4, threads=2):
        assert result(run) == expected
        np.testing.assert_allclose(run.model.parameters, whole.model.parameters, atol=1e-5)
    scale = whole.model.layer_parameters()[2]
    assert scale.size == 9
    assert np.abs(whole.velocity).max() > 0


# ------------------------------------------------------------------------------------------------------- the end
class Stopping(ThreadGroup):
    """Its rank `who` does something at an exchange of its own choice."""

    def begin(self, rank: int, exchange: int, deed) -> None:
        self.left, self.deed = (exchange, deed) if self.rank == rank else (-1, None)

    def alltoall(self, send, receive):
        self.left -= 1
        if self.left == 0:
            self.deed()
        super().alltoall(send, receive)


def interrupted(ranks: int, rank: int, exchange: int, deed, **options) -> list[tuple[Training, BaseException | None]]:
    """Each rank's training and how it ended, where `deed(training)` is done by one of them."""

    def work(group):
        group.__class__ = Stopping
        run = Training(model_of(NET), *data(300), STEADY, shards=4, group=group, **options)
        group.begin(rank, exchange, lambda: deed(run))
        try:
            finish(run)
        except BaseException as error:
            return run, error
        return run, None

    return run_ranks(ranks, work)


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("exchange", [1, 14, 20])
def test_a_stop_of_one_rank_stops_all_after_the_same_minibatch_and_another_number_resumes(rank, exchange, tmp_path):
    """Of ten minibatches in an epoch. The last one of an epoch is followed by the next epoch's start."""
    stopped = interrupted(2, rank, exchange, Training.stop)
    for run, error in stopped:
        assert isinstance(error, Interrupted)
        assert is_agreed(error)
        assert (run.epoch, run.step) == (stopped[0][0].epoch, stopped[0][0].step)
        assert run.epoch * 10 + run.step in (exchange, exchange + 1)
    write_checkpoint(tmp_path / "run.ckpt", stopped[1][0].checkpoint())
    saved = read_checkpoint(tmp_path / "run.ckpt")
    assert saved.shards == 4
    expected = result(trained(arrays=data(300), shards=4)[0])
    for ranks in (1, 4):

        def resumed(group):
            return finish(Training.resume(saved, model_of(NET), *data(300), group=group))

        for run in run_ranks(ranks, resumed):
            assert result(run) == expected


def test_an_exception_of_one_rank_comes_through_there_and_stops_the_others():
    class Enough(Exception):
        pass

    def work(group):
        def watch(step, losses):
            if group.rank == 1:
                raise Enough

        run = Training(model_of(NET), *data(30_000), STEADY, shards=2, group=group)
        with pytest.raises(Enough if group.rank == 1 else Interrupted) as caught:
            run.run_epoch(watch)
        assert is_agreed(caught.value) == (group.rank != 1)
        return run

    runs = run_ranks(2, work)
    assert runs[0].step == runs[1].step > 0
    np.testing.assert_array_equal(runs[0].velocity, runs[1].velocity)


@pytest.mark.parametrize("threads", [1, 2])
def test_an_exchange_that_fails_ends_the_loop_with_its_error(threads):
    class Lost(Exception):
        pass

    class Failing(ThreadGroup):
        def alltoall(self, send, receive):
            self.calls = getattr(self, "calls", 0) + 1
            if self.calls == 3:
                raise Lost
            super().alltoall(send, receive)

    def work(group):
        group.__class__ = Failing
        run = Training(model_of(NET), *data(300), STEADY, shards=2, threads=threads, group=group)
        with pytest.raises(Lost) as caught:
            run.run_epoch()
        assert not is_agreed(caught.value)
        return run.step

    assert run_ranks(2, work) == [2, 2]


def test_a_loss_that_is_not_finite_ends_all_ranks_before_the_update():
    def work(group):
        X, Y = data(90)
        run = Training(model_of(NET), X, Y, STEADY, shards=4, group=group, shuffle=False)
        run.run_epoch()
        before = run.model.parameters.copy()
        X[1] = np.nan  # of the first minibatch, a row of rank 0
        with pytest.raises(Diverged, match="the loss is nan in epoch 2, minibatch 1") as caught:
            run.run_epoch()
        assert is_agreed(caught.value)
        np.testing.assert_array_equal(run.model.parameters, before)

    run_ranks(2, work)


# ----------------------------------------------------------------------------------------- what does not fit together
@pytest.mark.parametrize(
    ("options", "difference"),
    [
        ({"seed": 1}, "seed: 1 and 0"),
        ({"optimizer": Optimizer(0.1, 0, 1, 0.001, 0.9, 4)}, "optimizer"),
        ({"shards": 4}, "number of shards: 4 and 2"),
        ({"shuffle": False}, "order of the rows: False and True"),
        ({"arrays": data(seed=2)}, "rows of X"),
        ({"arrays": (data()[0], data()[1][::-1].copy())}, "rows of Y"),
        ({"arrays": data(94)}, r"shape of X: \(94, 20\) and \(95, 20\)"),
        ({"net": NET.replace("30", "10")}, "net: .*inp 20 10"),
        ({"weights": 5}, "weights"),
    ],
)
def test_ranks_that_train_something_else_are_found_before_the_first_minibatch(options, difference):
    def work(group):
        own = {"net": NET, "arrays": data(), "optimizer": STEADY, "shards": 2, "weights": 4}
        own |= options if group.rank == 1 else {}
        model = model_of(own.pop("net"))
        model.initialise(own.pop("weights"))
        run = Training(model, *own.pop("arrays"), own.pop("optimizer"), group=group, **own)
        with pytest.raises(UsageError, match=f"rank 1 and rank 0 differ in the {difference}") as caught:
            run.run_epoch()
        assert is_agreed(caught.value)

    run_ranks(2, work)


@pytest.mark.parametrize(
    ("ranks", "shards", "message"),
    [
        (1, 3, "shards are 3, expected a power of two"),
        (2, 1, "2 ranks have 1 shards to share"),
        (1, 32, "a minibatch of 30 rows cannot be cut into 32 shards"),
        (1, 0, "shards is 0, expected a whole number from 1"),
        (1, 2.0, "shards is 2.0, expected a whole number"),
    ],
)
def test_wrong_numbers_of_shards(ranks, shards, message):
    def work(group):
        with pytest.raises(UsageError, match=message):
            Training(model_of(NET), *data(), STEADY, shards=shards, group=group)

    run_ranks(ranks, work)


def test_a_checkpoint_keeps_its_number_of_shards():
    run = trained(shards=4)[0]
    with pytest.raises(UsageError, match="the checkpoint's run has 4 shards, here are 2"):
        Training.resume(run.checkpoint(), model_of(NET), *data(), shards=2)
    assert Training.resume(run.checkpoint(), model_of(NET), *data(), shards=4).shards == 4
    assert Training.resume(run.checkpoint(), model_of(NET), *data()).shards == 4


@pytest.mark.parametrize("shards", ["1", 0, 3, 64, 2.0])
def test_a_checkpoint_whose_shards_are_wrong_is_damaged(shards, tmp_path):
    state = dataclasses.replace(trained(shards=2)[0].checkpoint(), shards=shards)
    write_checkpoint(tmp_path / "run.ckpt", state)
    with pytest.raises(InputError, match=r"has a damaged header: .*shards"):
        read_checkpoint(tmp_path / "run.ckpt")


def test_fit_goes_on_over_ranks_as_it_does_alone():
    def work(group):
        net = Net(NET)
        for _ in range(2):
            history = net.fit(*data(), Optimizer(0.1, 1, 0.5, 0.001, 0.9, 1), shards=4, group=group)
        return net.parameters.tolist(), history.loss

    alone = Net(NET)
    losses = alone.fit(*data(), Optimizer(0.1, 1, 0.5, 0.001, 0.9, 2), shards=4).loss
    for weights, loss in run_ranks(2, work):
        assert weights == alone.parameters.tolist()
        assert loss == losses[1:]
