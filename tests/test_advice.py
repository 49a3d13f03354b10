"""Hints about data and trainings: said where something is unusual by orders of magnitude, and else not."""

from __future__ import annotations

import numpy as np
import pytest
from reference.clouds import OPTIMIZER, classes

import caffe64
from caffe64 import advice

NORMAL = np.random.default_rng(1).normal(size=(500, 3)).astype(np.float32)
CLASSES = np.arange(500) % 3


def hints(X, Y=CLASSES, outputs=3, loss="sce") -> list[str]:
    return caffe64.hints(X, Y, caffe64.Net(f"inp {np.shape(X)[1]} 10 / lin {outputs} -1 / {loss}"))


def changed(column: int, factor: float, shift: float = 0) -> np.ndarray:
    X = NORMAL.copy()
    X[:, column] = X[:, column] * factor + shift
    return X


@pytest.mark.parametrize(
    ("X", "start"),
    [
        (changed(1, 1e4), "feature 2 has values up to "),
        (changed(0, 1e-4), "feature 3 has values up to 3.75, feature 1 only up to 0.000355: "),
        (changed(2, 1, 1e5), "feature 3 has values up to "),
        (changed(2, 1, 1e5)[:, 2:], "feature 1 runs from 99,99"),
        (NORMAL * 5e3, "the features have values up to 1"),
        (NORMAL * 1e-5, "the features have values up to 3"),
    ],
)
def test_features_that_differ_by_orders_of_magnitude_are_one_hint(X, start):
    (found,) = hints(X)
    assert found.startswith(start)
    assert "--scale standard" in found


@pytest.mark.parametrize(
    ("Y", "start"),
    [
        (changed(1, 1e4), "target 2 has values up to "),
        (changed(2, 1, 1e5)[:, 2:], "target 1 runs from 99,99"),
        (NORMAL * 5e3, "the targets have values up to 1"),
    ],
)
def test_so_are_real_targets(Y, start):
    for loss in ("l2l", "hub 1"):
        (found,) = hints(NORMAL, Y, Y.shape[1], loss)
        assert found.startswith(start)
        assert "--scale standard" in found
        assert not hints(NORMAL, NORMAL, 3, loss)
    assert not hints(NORMAL, np.full((500, 1), 7e5), 1, "l2l")


def test_columns_of_a_frame_are_named():
    class Frame(np.ndarray):
        columns = ("width", "income", "age")

    assert hints(changed(1, 1e4).view(Frame))[0].startswith("feature 2 (income) has values up to ")


def pixels(shift: int, rows: int = 11_000) -> np.ndarray:
    """Like MNIST's: pixels that are always 0, or nearly so, and others that take all values."""
    source = np.random.default_rng(2)
    X = np.zeros((rows, 6), np.float32)
    X[:, 1:4] = source.integers(0, 256, (rows, 3))
    X[::5000, 4], X[7, 5] = 1, 9
    return X + shift


@pytest.mark.parametrize(
    "X",
    [
        NORMAL,
        pixels(0),
        pixels(-128),
        np.eye(3)[CLASSES],  # one-hot
        np.ones((500, 2)),  # constant
        np.column_stack([NORMAL, np.full(500, 1e6)]),  # a constant beside others: a bias
        NORMAL[:1],
    ],
)
def test_usual_features_are_none(X):
    assert hints(X, np.arange(len(X)) % 3) == []


def test_rows_are_looked_at_from_all_over_the_array():
    X = pixels(0, 25_000)
    X[20_000:, 1] *= 1e4
    assert hints(X, np.arange(25_000) % 3)[0].startswith("feature 2 has values up to 2,550,000, feature ")


def labels(*counts: int) -> np.ndarray:
    return np.random.default_rng(3).permutation(np.repeat(np.arange(len(counts)), counts))


@pytest.mark.parametrize(
    ("counts", "starts"),
    [
        ((300, 300, 300), []),
        ((850, 35, 15), []),  # an even share is 300; a twentieth of it 15
        ((851, 35, 14), ["class 2 (14 of 900 rows) is rare: "]),
        ((5, 890, 5), ["classes 0 (5 of 900 rows), 2 (5 of 900 rows) are rare: "]),
        ((450, 0, 450), ["class 1 is missing, of 3: "]),
        ((0, 896, 4), ["class 2 (4 of 900 rows) is rare: ", "class 0 is missing, of 3: "]),
        ((59, 0, 0), []),  # so few rows that a class may be missing by chance
        (
            (1000, *[1] * 5),
            ["classes 1 (1 of 1005 rows), 2 (1 of 1005 rows), 3 (1 of 1005 rows) and 2 more are rare: "],
        ),
    ],
)
def test_rare_and_missing_classes(counts, starts):
    Y = labels(*counts)
    X = np.random.default_rng(4).normal(size=(len(Y), 3))
    found = hints(X, Y, len(counts))
    assert len(found) == len(starts)
    assert all(text.startswith(start) for text, start in zip(found, starts, strict=True))


def test_real_targets_have_no_classes():
    assert hints(NORMAL, labels(499, 1).astype(float), 1, "l2l") == []


def test_one_hot_rows_have_no_features():
    X = caffe64.OneHot(np.random.default_rng(5).integers(0, 2000, (500, 2)), 2000)
    assert caffe64.hints(X, CLASSES, caffe64.Net("inp 4000 10 / lin 3 -1 / sce")) == []


@pytest.mark.parametrize(
    ("steps", "epochs", "expected"),
    [(600, 15, 5), (600, 3, 3), (600, 1, 2), (1, 10_000, 1000), (1, 40, 100), (30, 40, 5), (10, 8, 10), (0, 0, 100)],
)
def test_a_loss_has_time_to_fall(steps, epochs, expected):
    assert advice.time_to_look(steps, epochs) == expected


@pytest.mark.parametrize(
    ("losses", "said"),
    [
        ([2.3026, 2.3025, 2.3026], True),
        ([2.3026, 2.4, 2.9], True),
        ([2.3026, 2.3002], False),
        ([2.3026, 1.0, 2.3026], False),
        ([0.0, 0.0], False),
        ([float("nan"), 1.0], False),
    ],
)
def test_a_loss_that_has_not_fallen(losses, said):
    assert bool(advice.loss_hints(losses)) is said


def test_the_history_of_a_training_is_looked_at():
    X, Y = classes()
    net = caffe64.Net("inp 6 10 / lin 9 -1 / rel / lin 3 -1 / sce")
    good = net.fit(X, Y, OPTIMIZER)
    assert caffe64.hints(X, Y, net, good) == []
    slow = caffe64.Net("inp 6 10 / lin 9 -1 / rel / lin 3 -1 / sce")
    bad = slow.fit(X, Y, caffe64.Optimizer(1e-9, 0, 1, 0, 0, 20))
    (found,) = caffe64.hints(X, Y, slow, bad)
    assert found.startswith("the loss has not fallen in 5 epochs, from 1.")
    short = caffe64.Net("inp 6 10 / lin 9 -1 / rel / lin 3 -1 / sce")
    assert caffe64.hints(X, Y, short, short.fit(X, Y, caffe64.Optimizer(1e-9, 0, 1, 0, 0, 4))) == []


def test_what_does_not_fit_is_refused():
    net = caffe64.Net("inp 3 10 / lin 3 -1 / sce")
    with pytest.raises(caffe64.UsageError, match="the net is 'inp"):
        caffe64.hints(NORMAL, CLASSES, "inp 3 10 / sce")
    with pytest.raises(caffe64.LabelError):
        caffe64.hints(NORMAL, CLASSES + 1, net)
    with pytest.raises(caffe64.UsageError, match="history is of the type list, expected what Net"):
        caffe64.hints(NORMAL, CLASSES, net, [1.0])
