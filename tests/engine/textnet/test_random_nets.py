"""Gradients and short runs of random nets against the float64 reference.

With rate = B, no decay and no momentum, the velocity after one step is the gradient itself, bit for bit.

Tolerance. A float32 run is, layer by layer, the exact run of slightly changed data. So the reference is run again
with its parameters and inputs changed by up to WOBBLE of themselves, and what comes out may differ by MARGIN times as
much; a value that is small only because large ones cancel may be off by FLOOR of the largest.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st
from reference import text_net
from reference.differences import at_places
from support import assert_close

from caffe64.engine.products.gemm import NR
from caffe64.engine.textnet.layers.lin import LIN_KC
from caffe64.engine.textnet.model import Model
from caffe64.engine.textnet.training import Training
from caffe64.errors import Diverged
from caffe64.formats.network import parse_network
from caffe64.formats.optimizer import Optimizer

WOBBLE, MARGIN, FLOOR = 2.0**-22, 8, 2.0**-21
KINK = 3e-5  # an input of a rel nearer to 0, relative to the largest, may come out on the other side in float32

hidden = st.one_of(
    st.tuples(st.just("lin"), st.integers(1, 40)),
    st.sampled_from([("rel",), ("tnh",), ("smx",), ("sig",), ("lky 0.25",)]),
)
random_settings = settings(max_examples=150)


@st.composite
def cases(draw, most_rows=1):
    """(net, blobs, X, Y): B rows, or up to `most_rows` times as many and a few that no minibatch takes."""
    features, batch = draw(st.integers(1, 40)), draw(st.integers(1, 20))
    layers = draw(st.lists(hidden, min_size=0, max_size=5))
    layers.insert(draw(st.integers(0, len(layers))), ("lin", draw(st.integers(1, 40))))  # something to train
    cap = draw(st.sampled_from(["sce", "l2l", "sft", "bce", "hub 0.5"]))
    lines = [f"inp {features} {batch}", *(f"{line[0]} {line[1]} 0" if line[1:] else line[0] for line in layers), cap]
    net = text_net.parse(" / ".join(lines))
    rows = batch * draw(st.integers(1, most_rows)) + (draw(st.integers(0, batch - 1)) if most_rows > 1 else 0)
    seed = draw(st.integers(0, 2**32 - 1))
    source = np.random.default_rng(seed)
    X = source.standard_normal((rows, features)).astype(np.float32)
    Y = text_net.draw_targets(net, rows, source).astype(np.float32)
    return net, text_net.draw(net, seed, deviation=draw(st.sampled_from([0.1, 0.4, 1.0]))), X, Y


def as_text(net) -> str:
    words = [" ".join((word, *(f"{number:g}" for number in numbers))) for word, numbers in net]
    return "\n".join((str(len(words)), *words))


def model_of(net, blobs) -> Model:
    model = Model(parse_network(as_text(net)))
    model.parameters = model.unpack(np.concatenate(blobs).astype(np.float32))
    return model


def train(net, blobs, X, Y, optimizer, **options):
    """The finished run."""
    run = Training(model_of(net, blobs), X, Y, Optimizer(*optimizer), shuffle=False, **options)
    while not run.finished:
        run.run_epoch()
    return run


def wobbled(arrays, seed):
    source = np.random.default_rng(seed)
    return [array * (1 + WOBBLE * source.uniform(-1, 1, array.shape)) for array in arrays]


def tolerances(function, blobs, X):
    """function(blobs, X) gives one vector per line; returns them and how far a float32 run may be from each value."""
    exact = function(blobs, X)
    change = [np.zeros(1) for _ in exact]
    for seed in range(4):
        *other, other_x = wobbled([*blobs, X], seed)
        for i, vector in enumerate(function(other, other_x)):
            change[i] = max(change[i], np.abs(vector - exact[i]).max(initial=0))
    floor = FLOOR * max(np.abs(vector).max(initial=0) for vector in exact)
    return exact, [MARGIN * each + floor for each in change]


def check_gradients(net, blobs, X, Y, **options):
    """One step's velocity against the reference's gradients, value by value; returns (velocity, tolerances), packed."""
    wide = X.astype(np.float64)
    run = train(net, blobs, X, Y, (len(X), 0, 1, 0, 0, 1), **options)
    exact, allowed = tolerances(lambda blobs, X: text_net.gradients(net, blobs, X, Y), blobs, wide)
    source = np.random.default_rng(9)
    noisy = text_net.gradients(net, blobs, wide, Y, lambda shape: WOBBLE * source.uniform(-1, 1, shape))
    for i, vector in enumerate(noisy):
        allowed[i] = allowed[i] + MARGIN * np.abs(vector - exact[i]).max(initial=0)
    velocity = np.split(run.model.pack(run.velocity), np.cumsum(text_net.sizes(net))[:-1])
    for i, (word, _) in enumerate(net):
        assert_close(f"{as_text(net)}\ngradient of line {i}, {word}, ", velocity[i], exact[i], allowed[i])
    losses = text_net.losses(net, blobs, wide, Y)
    assert_close("loss", run.history[0].loss, losses.mean(), 1e-5 * np.abs(losses).mean() + 1e-5)
    return np.concatenate(velocity), np.repeat([float(np.max(each)) for each in allowed], text_net.sizes(net))


@random_settings
@given(cases())
def test_the_velocity_after_one_step_is_the_gradient(case):
    net, blobs, X, Y = case
    wide = X.astype(np.float64)
    assume(text_net.nearest_kink(net, blobs, wide) > KINK)
    velocity, allowed = check_gradients(net, blobs, X, Y)
    # The reference's own gradient could be wrong in the same way; central differences cannot.
    packed, cuts, length = np.concatenate(blobs), np.cumsum(text_net.sizes(net))[:-1], 1e-6
    places = np.random.default_rng(0).permutation(packed.size)[:12]
    found = at_places(lambda all: text_net.objective(net, np.split(all, cuts), wide, Y), packed, places, length)
    rounding = 2.0**-49 * text_net.objective(net, blobs, wide, Y) / length
    curvature = 1e-5 * np.abs(velocity).max()
    name = f"{as_text(net)}\ndifferences at {places}"
    assert_close(name, velocity[places], found, allowed[places] + rounding + curvature)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(
    "text",
    [
        f"inp {LIN_KC + 5} 30 / lin 33 0 / tnh / lin {LIN_KC + 9} 0 / tnh / lin 5 0 / sce",
        f"inp 7 300 / lin {NR + 1} 0 / tnh / lin {2 * NR - 1} 0 / smx / lin 3 0 / l2l",
        "inp 3 513 / tnh / lin 1 0 / l2l",
    ],
)
def test_gradients_of_layers_and_minibatches_larger_than_a_block(text, threads):
    net = text_net.parse(text)
    features, batch = map(int, net[0][1])
    source = np.random.default_rng(2)
    X = source.standard_normal((batch, features)).astype(np.float32)
    Y = text_net.draw_targets(net, batch, source)
    check_gradients(net, text_net.draw(net, 3, deviation=0.1), X, Y.astype(np.float32), threads=threads)


@random_settings
@given(
    cases(most_rows=4),
    st.sampled_from([0, 1, 2]),
    st.sampled_from([0.01, 0.1]),
    st.sampled_from([0.0, 0.1]),
    st.sampled_from([0.0, 0.9]),
)
def test_a_short_run_ends_with_the_references_weights(case, step, rate, decay, momentum):
    net, blobs, X, Y = case
    optimizer = (rate, step, 0.5, decay, momentum, 3)

    def run_reference(blobs, X):
        return text_net.train(net, blobs, X, Y, optimizer)[0]

    with np.errstate(over="ignore", invalid="ignore"):
        exact, allowed = tolerances(run_reference, blobs, X.astype(np.float64))
    size = max(np.abs(vector).max(initial=0) for vector in exact)
    assume(size < 1e3)  # not diverging
    assume(max(np.max(each) for each in allowed) < 1e-3 * size)  # no rel changed sides on the way
    run = train(net, blobs, X, Y, optimizer)
    for i, vector in enumerate(run.model.layer_parameters()):
        assert_close(f"{as_text(net)}\nweights of line {i}", vector, exact[i], allowed[i])
    losses = text_net.train(net, blobs, X.astype(np.float64), Y, optimizer)[2]
    found = [record.loss for record in run.history]
    assert_close("losses", found, losses.mean(axis=1), 1e-4 * np.abs(losses).mean() + 1e-5)


@random_settings
@given(cases(), st.integers(1, 60))
def test_predictions_are_the_references_for_any_number_of_rows(case, rows):
    net, blobs, X, _ = case
    X = np.resize(X, (rows, X.shape[1]))
    exact, allowed = tolerances(lambda blobs, X: [text_net.outputs(net, blobs, X)], blobs, X.astype(np.float64))
    assert_close(as_text(net), model_of(net, blobs).predict(X), exact[0], allowed[0])


@random_settings
@given(cases())
def test_a_net_without_a_loss_predicts_what_reaches_it(case):
    net, blobs, X, _ = case
    bare = net[:-1], blobs[:-1]
    exact, allowed = tolerances(lambda blobs, X: [text_net.outputs(net[:-1], blobs, X)], blobs[:-1], X.astype(float))
    assert_close(as_text(bare[0]), model_of(*bare).predict(X), exact[0], allowed[0])


@settings(max_examples=40)
@given(cases(most_rows=3), st.integers(2, 4))
def test_threads_change_no_bit(case, threads):
    net, blobs, X, Y = case
    try:
        runs = [train(net, blobs, X, Y, (0.01, 0, 1, 0.1, 0.5, 2), threads=count) for count in (1, threads)]
    except Diverged:
        reject()
    np.testing.assert_array_equal(runs[0].model.parameters, runs[1].model.parameters)
    assert [r.loss for r in runs[0].history] == [r.loss for r in runs[1].history]
