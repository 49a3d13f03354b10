"""Rules, clipping, schedules, minibatches with fewer rows and weights of rows, against float64 NumPy."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from reference import rules, text_net
from reference.clouds import classes
from reference.thread_group import run_ranks
from support import assert_close

import caffe64

TEXT = "inp 6 20 / lin 17 -0.5 / tnh / lin 3 -0.5 / sce"
SPECS = {
    "sgd": {"momentum": 0.9, "rate": 0.1},
    "nesterov": {"momentum": 0.9, "rate": 0.1},
    "adam": {"momentum": 0.8, "rate": 0.02, "second": 0.95, "epsilon": 1e-3},
    "rmsprop": {"momentum": 0.0, "rate": 0.02, "second": 0.9, "epsilon": 1e-3},
    "adagrad": {"momentum": 0.0, "rate": 0.1, "epsilon": 1e-3},
    "adadelta": {"momentum": 0.0, "rate": 1.0, "second": 0.9, "epsilon": 1e-3},
}
X, Y = classes(90)  # four minibatches of 20 rows and one of 10


def optimizer(rule="sgd", epochs=3, decay=0.05, **more):
    numbers = SPECS[rule] | {"step": 0, "factor": 1, "decay": decay, "epochs": epochs} | more
    return caffe64.Optimizer(rule=rule, **numbers)


def fitted(spec, shards=1, threads=1, text=TEXT, data=None, **options):
    net = caffe64.Net(text)
    net.initialise(3)
    history = net.fit(
        *(data or (X, Y)), spec, seed=2, shuffle=False, shards=shards, threads=threads, fresh=True, **options
    )
    return net, history


def reference(spec, *, remainder=False, weights=None, rates=None, batch=20):
    """(weights of the net, losses by epoch, largest norm of a mean gradient) by the formulas."""
    net, start = text_net.parse(TEXT), caffe64.Net(TEXT)
    start.initialise(3)
    sizes = np.cumsum(text_net.sizes(net))[:-1]
    w, state, updates, curve, largest = start.pack(start.parameters).astype(np.float64), {}, 0, [], 0.0
    weights = np.ones(len(X)) if weights is None else weights
    steps = -(-len(X) // batch) if remainder else len(X) // batch
    for _ in range(spec.epochs):
        losses = []
        for step in range(steps):
            rows = np.arange(step * batch, min((step + 1) * batch, len(X)))
            blobs = np.split(w, sizes)
            losses += list(weights[rows] * text_net.losses(net, blobs, X[rows].astype(np.float64), Y[rows, None]))
            g = sum(
                weights[n] * np.concatenate(text_net.gradients(net, blobs, X[[n]].astype(np.float64), Y[[n], None]))
                for n in rows
            )
            norm = np.linalg.norm(g) / len(rows)
            largest = max(largest, norm)
            if spec.clip and norm > spec.clip:
                g = g * spec.clip / norm
            mean = (g + spec.decay * w) / len(rows)
            rate = spec.rate if rates is None else rates[updates]
            updates += 1
            w = rules.step(spec.rule, w, mean, state, updates, rate, spec.momentum, spec.second, spec.epsilon)
        curve.append(np.mean(losses))
    return w, curve, largest


def assert_trained_as(expected, net, history):
    assert_close("weights", net.pack(net.parameters), expected[0], 2e-5)
    assert_close("losses", history.loss, expected[1], 2e-6)


@pytest.mark.parametrize("rule", SPECS)
def test_a_rule_follows_its_formula_with_the_same_bits_however_it_is_shared(rule):
    spec = optimizer(rule)
    net, history = fitted(spec)
    assert_trained_as(reference(spec), net, history)
    assert fitted(spec, threads=3)[0].parameters.tobytes() == net.parameters.tobytes()
    shared, history = fitted(spec, shards=4, threads=2)
    assert_trained_as(reference(spec), shared, history)
    ranks = run_ranks(2, lambda group: fitted(spec, shards=4, group=group)[0].parameters.tobytes())
    assert set(ranks) == {shared.parameters.tobytes()}


@pytest.mark.parametrize("rule", ["sgd", "adam"])
def test_a_gradient_that_is_too_long_is_shortened(rule):
    spec = optimizer(rule, clip=0.4)
    expected = reference(spec)
    assert expected[2] > 0.6  # so that clipping is at work
    net, history = fitted(spec)
    assert_trained_as(expected, net, history)
    assert fitted(spec, threads=4)[0].parameters.tobytes() == net.parameters.tobytes()
    shared, history = fitted(spec, shards=2)
    assert_trained_as(expected, shared, history)
    ranks = run_ranks(2, lambda group: fitted(spec, shards=2, group=group)[0].parameters.tobytes())
    assert set(ranks) == {shared.parameters.tobytes()}


def test_a_bound_that_no_gradient_reaches_changes_no_bit():
    plain, bounded = (fitted(optimizer("sgd", clip=clip))[0] for clip in (0, 1e6))
    assert plain.parameters.tobytes() == bounded.parameters.tobytes()


def test_clipping_sums_the_squares_of_large_layers_alike_on_any_threads():
    """A layer with more parameters than one piece of the sum has."""
    source = np.random.default_rng(1)
    data = source.standard_normal((20, 700), np.float32), source.integers(0, 3, 20)
    text, spec = "inp 700 20 / lin 97 -1 / rel / lin 3 -1 / sce", optimizer(rate=100.0, momentum=0.0, epochs=1, clip=1)
    before = caffe64.Net(text)
    before.initialise(3)
    nets = [fitted(spec, threads=threads, text=text, data=data)[0] for threads in (1, 2, 4)]
    assert len({net.parameters.tobytes() for net in nets}) == 1
    moved = (nets[0].pack(nets[0].parameters) - before.pack(before.parameters)).astype(np.float64)
    no_decay = fitted(dataclasses.replace(spec, decay=0), text=text, data=data)[0]
    moved = (no_decay.pack(no_decay.parameters) - before.pack(before.parameters)).astype(np.float64)
    assert np.linalg.norm(moved) == pytest.approx(100, rel=1e-5)  # rate times the bound


@pytest.mark.parametrize(("shards", "threads"), [(1, 1), (1, 2), (4, 1), (16, 2)])
@pytest.mark.parametrize("rule", ["sgd", "adam"])
def test_the_remainder_is_a_minibatch_of_its_rows(rule, shards, threads):
    spec = optimizer(rule)
    net, history = fitted(spec, shards, threads, remainder=True)
    assert_trained_as(reference(spec, remainder=True), net, history)


def test_the_remainder_may_be_all_rows_and_fewer_than_shards():
    few = X[:3], Y[:3]
    net = caffe64.Net(TEXT)
    with pytest.raises(caffe64.UsageError, match="there are 3 rows, but a minibatch of the net takes 20"):
        net.fit(*few, optimizer())
    one = fitted(optimizer(), 1, data=few, remainder=True)[0]
    cut = fitted(optimizer(), 8, data=few, remainder=True)[0]
    whole = fitted(optimizer(), 1, data=few, text=TEXT.replace("20", "3"))[0]
    assert one.parameters.tobytes() == whole.parameters.tobytes()
    assert_close("weights", cut.pack(cut.parameters), whole.pack(whole.parameters), 1e-5)


def test_weights_of_rows_multiply_losses_and_gradients():
    spec, weights = optimizer(), np.random.default_rng(5).random(len(X)) * 3
    for shards, threads in ((1, 1), (1, 2), (2, 2)):
        net, history = fitted(spec, shards, threads, sample_weight=weights, remainder=True)
        assert_trained_as(reference(spec, weights=weights, remainder=True), net, history)


def test_weights_of_classes_are_weights_of_their_rows():
    spec, labels = optimizer(), Y.astype(int)
    counts = np.bincount(labels)
    for given, expected in (
        ("balanced", len(Y) / (3 * counts[labels])),
        ([1, 0, 2.5], np.array([1, 0, 2.5])[labels]),
        ({2: 0.25}, np.where(labels == 2, 0.25, 1)),
    ):
        net, history = fitted(spec, class_weight=given)
        assert_trained_as(reference(spec, weights=expected), net, history)
    both = fitted(spec, class_weight=[1, 0, 2.5], sample_weight=counts[labels])[0]
    product = fitted(spec, sample_weight=np.array([1, 0, 2.5])[labels] * counts[labels])[0]
    assert both.parameters.tobytes() == product.parameters.tobytes()


def test_the_rows_of_a_one_hot_input_are_weighed_too():
    symbols, labels = np.random.default_rng(0).integers(0, 5, (60, 2)), np.arange(60) % 3
    weights = np.linspace(0, 2, 60)
    nets = []
    for data in (caffe64.OneHot(symbols, 5), np.asarray(caffe64.OneHot(symbols, 5))):
        text = "inp 10 20 / lin 3 -1 / sce"
        nets.append(fitted(optimizer("adam"), text=text, data=(data, labels), sample_weight=weights)[0])
    assert nets[0].parameters.tobytes() == nets[1].parameters.tobytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"class_weight": "even"}, "class_weight is 'even', expected 'balanced'"),
        ({"class_weight": [1, 2]}, r"class_weight has the shape \(2,\), expected \[3\], a weight for each class"),
        ({"class_weight": [1, -2, 1]}, r"class_weight\[1\] is -2, expected a finite number >= 0"),
        ({"class_weight": {3: 1}}, "class_weight has the class 3, expected one of 0 to 2"),
        ({"class_weight": {1: -1}}, r"class_weight\[1\] is -1, expected a finite number >= 0"),
        (
            {"sample_weight": np.ones(89)},
            r"sample_weight has the shape \(89,\), expected \[90\], a weight for each row",
        ),
        ({"sample_weight": np.full(90, np.nan)}, r"sample_weight\[0\] is nan, expected a finite number >= 0"),
        ({"sample_weight": np.zeros(90)}, "the weights of all rows are 0"),
        ({"schedule": 0.1}, "schedule is 0.1, expected"),
        ({"schedule": lambda t: -t - 1}, "the schedule gives the rate -1.0 after 0 epochs, expected a finite number"),
        ({"schedule": lambda t: None}, "the schedule gives the rate None after 0 epochs"),
        ({"remainder": 1}, "remainder is 1, expected"),
    ],
)
def test_what_is_not_a_weight_or_a_schedule_is_refused(options, message):
    with pytest.raises(caffe64.UsageError, match=message):
        fitted(optimizer(), **options)


def test_class_weights_are_for_classes():
    net = caffe64.Net("inp 6 20 / lin 1 -1 / l2l")
    with pytest.raises(caffe64.UsageError, match="class_weight is for nets that end in classes"):
        net.fit(X, Y, optimizer(), class_weight="balanced")


STEPS = 4
DONE = np.arange(3 * STEPS) / STEPS


@pytest.mark.parametrize(
    ("fields", "rates"),
    [
        ({"schedule": "exp", "step": 2, "factor": 0.25}, 0.1 * 0.25 ** (DONE / 2)),
        ({"schedule": "cosine"}, 0.05 * (1 + np.cos(math.pi * DONE / 3))),
        ({"warmup": 1.5}, 0.1 * np.minimum(1, (DONE + 1 / STEPS) / 1.5)),
        ({"step": 1, "factor": 0.5, "warmup": 0.5}, 0.1 * 0.5 ** (DONE // 1) * np.minimum(1, (DONE + 1 / STEPS) / 0.5)),
        (
            {"schedule": "cosine", "warmup": 2},
            0.05 * (1 + np.cos(math.pi * DONE / 3)) * np.minimum(1, (DONE + 0.25) / 2),
        ),
    ],
)
def test_a_schedule_gives_the_rate_of_each_minibatch(fields, rates):
    spec = optimizer(**fields)
    net, history = fitted(spec)
    assert_trained_as(reference(spec, rates=rates), net, history)
    assert [record.rate for record in history.epochs] == pytest.approx(rates[STEPS - 1 :: STEPS])


def test_a_function_gives_the_rate_of_each_minibatch_once():
    asked = []

    def schedule(done):
        asked.append(done)
        return 0.2 / (1 + done)

    spec = optimizer()
    net, history = fitted(spec, schedule=schedule)
    assert asked == DONE.tolist()
    assert_trained_as(reference(spec, rates=0.2 / (1 + DONE)), net, history)
    with pytest.raises(caffe64.UsageError, match="there is a schedule, and the optimizer has cosine"):
        fitted(optimizer(schedule="cosine"), schedule=schedule)


@pytest.mark.parametrize(
    "fields", [{"rule": "adam"}, {"rule": "adadelta"}, {"schedule": "exp", "step": 2, "factor": 0.5}]
)
def test_several_fits_go_on_as_one(fields):
    rule = fields.get("rule", "sgd")
    rest = {name: value for name, value in fields.items() if name != "rule"}
    one = fitted(optimizer(rule, epochs=4, **rest))[0]
    several = fitted(optimizer(rule, epochs=1, **rest))[0]
    for _ in range(3):
        several.fit(X, Y, optimizer(rule, epochs=1, **rest), seed=2, shuffle=False)
    assert several.parameters.tobytes() == one.parameters.tobytes()


def test_another_rule_begins_without_a_history_and_cosine_anew():
    net = fitted(optimizer())[0]
    net.fit(X, Y, optimizer("adam"), seed=2, shuffle=False)
    again = fitted(optimizer())[0]
    again.fit(X, Y, optimizer("adam"), seed=2, shuffle=False, fresh=True)
    assert net.parameters.tobytes() == again.parameters.tobytes()
    rates = [fit.rate for _ in "ab" for fit in net.fit(X, Y, optimizer(schedule="cosine")).epochs]
    assert rates[:3] == rates[3:]


@pytest.mark.parametrize("rule", ["adam", "adadelta", "nesterov"])
@pytest.mark.parametrize("shards", [1, 2])
def test_a_resumed_run_ends_with_the_same_bits(rule, shards, tmp_path):
    weights = np.linspace(0.5, 2, len(X))
    spec = optimizer(rule, schedule="cosine", warmup=1, clip=0.5)
    options = {"sample_weight": weights, "threads": 2}
    unbroken = fitted(spec, shards, remainder=True, sample_weight=weights)[0]
    net = caffe64.Net(TEXT)
    net.initialise(3)
    run = caffe64.Training(net, X, Y, spec, seed=2, shuffle=False, shards=shards, remainder=True, **options)
    run.run_epoch()
    caffe64.write_checkpoint(tmp_path / "run.ckpt", run.checkpoint())
    other, kept = caffe64.Net(TEXT), caffe64.read_checkpoint(tmp_path / "run.ckpt")
    assert kept.optimizer == spec
    rest = caffe64.Training.resume(kept, other, X, Y, **options)
    while not rest.finished:
        rest.run_epoch()
    assert other.parameters.tobytes() == unbroken.parameters.tobytes()
    for changed, message in (
        ({"sample_weight": None}, "the checkpoint's run has weights of rows or classes: give them"),
        ({"sample_weight": weights + 1}, "the checkpoint's run has other weights of rows"),
        ({"remainder": False}, "the checkpoint's run has remainder=True, here is False"),
    ):
        with pytest.raises(caffe64.UsageError, match=message):
            caffe64.Training.resume(kept, caffe64.Net(TEXT), X, Y, **options | changed)


def test_a_run_by_a_function_needs_it_again():
    net = caffe64.Net(TEXT)
    run = caffe64.Training(net, X, Y, optimizer(), schedule=lambda t: 0.1)
    run.run_epoch()
    with pytest.raises(caffe64.UsageError, match="has a schedule of its own, a function: give it here as well"):
        caffe64.Training.resume(run.checkpoint(), caffe64.Net(TEXT), X, Y)
