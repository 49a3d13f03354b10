"""Caffe solvers over shards and ranks: the same bits for any number of ranks and threads, by ranks that are threads."""

from __future__ import annotations

import lmdb
import numpy as np
import pytest
from reference.shard_training import BATCH, DROPOUT, NORM, OWN_CODE, train, write_training

from caffe64.caffe.solver.loop import SNAPSHOT, STOP
from caffe64.errors import Diverged, InputError, UsageError
from caffe64.formats.caffe.solver_state import read_state
from caffe64.proto import caffe_pb2

CLIPPED = "iter_size: 2 clip_gradients: 0.5"
RULES = {
    "SGD": "",
    "Nesterov": 'type: "Nesterov"',
    "AdaGrad": 'type: "AdaGrad" momentum: 0',
    "RMSProp": 'type: "RMSProp" momentum: 0 rms_decay: 0.9',
    "AdaDelta": 'type: "AdaDelta" delta: 1e-6',
    "Adam": 'type: "Adam" base_lr: 0.002',
}


@pytest.mark.parametrize("shards", [2, 4, 8])
def test_ranks_and_threads_do_not_change_a_bit(tmp_path, shards):
    path = write_training(tmp_path, CLIPPED)
    expected = train(path, shards)[0]
    assert len(set(expected.losses)) == len(expected.losses) == 8
    for ranks in (1, 2, 4):
        for threads in (1, 2):
            if ranks <= shards:
                first, *others = train(path, shards, ranks, threads)
                first.same(expected)
                for other in others:
                    assert other.weights.tobytes() == expected.weights.tobytes()
                    assert other.losses == expected.losses


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_updates_shares_as_it_updates_all(tmp_path, rule):
    path = write_training(tmp_path, RULES[rule])
    expected = train(path, 4)[0]
    train(path, 4, 4)[0].same(expected)


def test_layers_of_own_code_run_in_pieces_with_the_same_bits(tmp_path):
    path = write_training(tmp_path, norm=NORM, more=OWN_CODE, last="mvn")
    train(path, 4, 2)[0].same(train(path, 4)[0])


@pytest.mark.parametrize("rule", RULES)
def test_shards_are_the_passes_of_an_iteration_up_to_rounding(tmp_path, rule):
    """iter_size 4 with a quarter of the batch reads the same rows, with the same crops, mirrors and dropout, and sums
    the same gradients, in another order. Without BatchNorm, whose averages go another way."""
    one, other = tmp_path / "shards", tmp_path / "passes"
    one.mkdir()
    other.mkdir()
    rest = RULES[rule] + " max_iter: 3 clip_gradients: "
    found = train(write_training(one, rest + "0.5", norm=""), 4)[0]
    expected = train(write_training(other, rest + "2 iter_size: 4", batch=BATCH // 4, norm=""))[0]
    # Of sums of 4 numbers in two orders, each divided by its length; 3 updates of a slope that is smooth
    np.testing.assert_allclose(found.losses, expected.losses, rtol=3e-6)
    for mine, theirs in zip((found.weights, *found.histories), (expected.weights, *expected.histories), strict=True):
        assert np.abs(mine - theirs).max() <= 1e-5 * np.abs(theirs).max()
    assert found.weights.any()


def test_averages_of_batches_are_the_means_of_those_of_the_shards(tmp_path):
    """BatchNorm of the pictures themselves: what it keeps is known without a net."""
    norm = NORM.split("layer {")[1].replace('bottom: "conv" top: "conv"', 'bottom: "data" top: "data"')
    path = write_training(tmp_path, "max_iter: 3", norm="layer {" + norm)
    net = path.with_name("net.prototxt")
    head, conv, rest = (
        net.read_text()
        .replace("mirror: true crop_size: 10", "")
        .replace("crop_size: 10", "")
        .partition('layer { name: "conv"')
    )
    conv_layer, norm_layer, last = (conv + rest).partition("layer {" + norm)
    net.write_text(head + norm_layer + conv_layer + last)
    found = train(path, 4, 2)[0]
    with lmdb.open(str(tmp_path / "train_db"), readonly=True, lock=False) as environment, environment.begin() as reader:
        records = [caffe_pb2.Datum.FromString(value) for _, value in reader.cursor()]
    pictures = np.array([np.frombuffer(record.data, np.uint8) for record in records], np.float64) * 0.01
    kept = np.zeros(3)
    for iteration in range(3):
        shards = [
            pictures[np.arange(at, at + 4) % len(pictures)] for at in range(iteration * 16, iteration * 16 + 16, 4)
        ]
        kept = np.mean([0.9 * kept + (x.mean(), x.var(ddof=1), 1) for x in shards], axis=0)
    np.testing.assert_allclose(found.named["norm"], kept, rtol=1e-5)


def stop_at(iteration, rank, word=STOP):
    asked = []

    def poll(own, now):
        if own == rank and now == iteration and not asked:
            asked.append(word)
            return word
        return None

    return poll


@pytest.mark.parametrize("rank", [0, 1])
def test_what_one_rank_is_asked_for_all_do_after_the_same_iteration(tmp_path, rank):
    path = write_training(tmp_path)
    whole = train(path, 4)[0]
    found = train(path, 4, 2, poll=stop_at(2, rank))  # asked in the third iteration
    assert [each.losses for each in found] == [whole.losses[:3]] * 2
    assert found[0].saved.iteration == 3
    assert read_state(found[0].saved.state).iteration == 3
    found = train(path, 4, 2, poll=stop_at(5, rank, SNAPSHOT))
    assert [each.saved.iteration for each in found] == [8, 8]
    assert (tmp_path / "snap_iter_6.solverstate").exists()


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_a_training_goes_on_over_other_numbers_of_ranks(tmp_path, ranks):
    path = write_training(tmp_path, CLIPPED + " snapshot_diff: true")
    whole = train(path, 4)[0]
    files = {name: (tmp_path / name).read_bytes() for name in ("snap_iter_8.caffemodel", "snap_iter_8.solverstate")}
    train(path, 4, 2, poll=stop_at(2, 1))
    (tmp_path / "snap_iter_8.caffemodel").unlink()
    found = train(path, 4, ranks, state=str(tmp_path / "snap_iter_3.solverstate"))[0]
    assert found.weights.tobytes() == whole.weights.tobytes()
    assert found.losses == whole.losses[3:]
    assert {name: (tmp_path / name).read_bytes() for name in files} == files


def test_a_snapshot_that_is_asked_for_in_a_test_is_written_after_it(tmp_path):
    path, asked = write_training(tmp_path), []

    def poll(rank, iteration):
        """In the first pass of the test before iteration 4, which rank 0 runs."""
        asked.append(rank) if iteration == 4 else None
        return SNAPSHOT if iteration == 4 and rank == 0 and asked.count(0) == 2 else None

    whole = train(path, 2)[0]
    found = train(path, 2, 2, poll=poll)[0]
    assert (tmp_path / "snap_iter_4.solverstate").exists()
    assert found.losses == whole.losses
    assert train(path, 2, state=str(tmp_path / "snap_iter_4.solverstate"))[0].losses == whole.losses[4:]


def test_a_state_belongs_to_its_number_of_shards(tmp_path):
    path = write_training(tmp_path, "max_iter: 1")
    train(path, 2)
    with pytest.raises(InputError, match=r"is of a training with 2 shards, expected one with 1 \(--shards 2"):
        train(path, state=str(tmp_path / "snap_iter_1.solverstate"))
    train(path)
    with pytest.raises(InputError, match="is of a training with 1 shards, expected one with 4"):
        train(path, 4, state=str(tmp_path / "snap_iter_1.solverstate"))


def test_a_loss_that_is_not_finite_ends_all_ranks_before_the_update(tmp_path):
    path = write_training(tmp_path, "base_lr: 1e30 snapshot_after_train: false", norm="")
    errors = []
    for ranks in (1, 2):
        with pytest.raises(Diverged) as caught:
            train(path, 4, ranks)
        errors.append(str(caught.value))
    assert errors[0] == errors[1]


@pytest.mark.parametrize(
    ("shards", "ranks", "batch", "kind", "message"),
    [
        (3, 1, 16, UsageError, "shards are 3, expected a power of two"),
        (2, 4, 16, UsageError, "4 ranks have 2 shards to share, expected 4 or a larger"),
        (4, 1, 18, InputError, r"layer 'data' \(Data\): has batches of 18 rows, expected a multiple of the 4"),
        (32, 1, 16, InputError, "has batches of 16 rows, expected a multiple of the 32 shards"),
    ],
)
def test_batches_that_cannot_be_cut_are_errors(tmp_path, shards, ranks, batch, kind, message):
    path = write_training(tmp_path, batch=batch, more=DROPOUT)
    with pytest.raises(kind, match=message):
        train(path, shards, ranks)


RECURRENT = """
layer { name: "r" type: "LSTM" bottom: "data" bottom: "clip" top: "r" recurrent_param { num_output: 2 } }"""
INPUT = 'layer { name: "more" type: "Input" top: "more" input_param { shape { dim: 16 dim: 10 } } }'


@pytest.mark.parametrize(
    ("settings", "more", "message"),
    [
        ("debug_info: true", DROPOUT, r"solver.prototxt:\d+:1: debug_info: true, expected false \(it traces one net"),
        ("", DROPOUT + INPUT + 'layer { name: "s" type: "Silence" bottom: "more" }', ""),
        (
            "",
            DROPOUT + INPUT + 'layer { name: "e" type: "InnerProduct" bottom: "more" top: "e" '
            "inner_product_param { num_output: 2 } }",
            r"layer 'more' \(Input\): has 'more', which nothing reads",
        ),
    ],
)
def test_what_shards_cannot_do_is_refused(tmp_path, settings, more, message):
    path = write_training(tmp_path, settings + " max_iter: 1", more=more)
    if message:
        with pytest.raises(InputError, match=message):
            train(path, 2)
    else:
        train(path, 2)
