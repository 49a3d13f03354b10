"""The reference is checked too: its gradients are central differences, its steps the contract's formula."""

from __future__ import annotations

import numpy as np
import pytest
from reference import text_net
from reference.differences import at_places

NETS = [
    "inp 5 4 / lin 6 -1 / tnh / lin 3 -1 / sce",
    "inp 5 4 / rel / lin 7 0 / rel / rel / lin 2 -1 / l2l",
    "inp 3 4 / lin 6 0 / smx / tnh / tnh / lin 4 0 / smx / l2l",
    "inp 3 4 / lin 4 0 / smx / sce",
    "inp 3 4 / lin 4 0 / lky 0.25 / lin 4 0 / sig / sft",
    "inp 3 4 / lin 6 0 / lky 0.5 / lky 0.5 / lin 4 0 / bce",
    "inp 3 4 / sig / lin 4 0 / hub 0.5",
]


@pytest.mark.parametrize("text", NETS)
def test_gradients_of_the_reference_are_central_differences(text):
    net, source = text_net.parse(text), np.random.default_rng(3)
    blobs, X = text_net.draw(net, 4), source.standard_normal((4, int(net[0][1][0])))
    Y = text_net.draw_targets(net, 4, source)
    assert text_net.nearest_kink(net, blobs, X) > 1e-3
    packed, cuts = np.concatenate(blobs), np.cumsum(text_net.sizes(net))[:-1]
    found = at_places(lambda all: text_net.objective(net, np.split(all, cuts), X, Y), packed, range(packed.size))
    np.testing.assert_allclose(np.concatenate(text_net.gradients(net, blobs, X, Y)), found, atol=1e-8, rtol=1e-7)
    assert np.abs(found).max() > 0.01


@pytest.mark.parametrize(
    "text",
    [
        "inp 3 9 / bnm / lin 5 0 / bnm / tnh / drp 0.25 / lin 2 0 / l2l",
        "inp 3 9 / drp 0.5 / lin 4 0 / sig / bnm / drp 0.5 / sce",
    ],
)
def test_gradients_of_a_training_are_central_differences(text):
    net, source, moment = text_net.parse(text), np.random.default_rng(3), text_net.Moment(7, 11, 2)
    blobs, X = text_net.draw(net, 4), source.standard_normal((9, 3))
    Y = text_net.draw_targets(net, 9, source)
    packed, cuts = np.concatenate(blobs), np.cumsum(text_net.sizes(net))[:-1]

    def objective(packed):
        return text_net.objective(net, np.split(packed, cuts), X, Y, moment)

    parts = text_net.gradients(net, blobs, X, Y, moment=moment)
    for (word, _), part in zip(net, parts, strict=True):
        part[len(part) // 2 if word == "bnm" else len(part) :] = 0  # the objective does not depend on running averages
    found = at_places(objective, packed, range(packed.size))
    np.testing.assert_allclose(np.concatenate(parts), found, atol=1e-7, rtol=1e-6)
    assert np.abs(found).max() > 0.01


def test_two_steps_by_hand():
    net = text_net.parse("inp 1 2 / lin 1 0 / l2l")
    X, Y = np.array([[1.0], [3.0], [9.0]]), np.array([[0.0], [1.0], [9.0]])  # the third row fills no minibatch
    blobs, velocity, losses = text_net.train(
        net, [np.empty(0), np.array([2.0, 1.0]), np.empty(0)], X, Y, (0.1, 1, 0.5, 0.01, 0.9, 2)
    )
    # y = 2x + 1: 3 and 7, d = 3 and 6; g = 21 + 0.02 and 9 + 0.01, halved and times 0.1
    first = np.array([1.051, 0.4505])
    w, b = np.array([2.0, 1.0]) - first
    d = np.array([w + b, 3 * w + b - 1])
    second = 0.9 * first + 0.025 * (np.array([d[0] + 3 * d[1], d.sum()]) + 0.01 * np.array([w, b]))
    np.testing.assert_allclose(losses, [[22.5], [(d**2).mean()]])
    np.testing.assert_allclose(velocity[1], second)
    np.testing.assert_allclose(blobs[1], [w, b] - second)
