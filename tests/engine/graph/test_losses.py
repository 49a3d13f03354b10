"""Losses and Accuracy, value by value in Python's float64, over all ways to normalise, with ignored labels and ties."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.caffe_layers import forward, net_text, run_layer, runtime
from support import assert_close

from caffe64.errors import InputError

few = settings(max_examples=40)
seeds = st.integers(0, 1000)
MODES = ["", "normalization: FULL", "normalization: VALID", "normalization: BATCH_SIZE", "normalization: NONE"]
OLD_MODES = ["normalize: true", "normalize: false", "normalize: false normalization: VALID"]
modes = st.sampled_from(MODES + OLD_MODES)


def divisor(mode: str, default: str, outer: int, inner: int, valid: int) -> int:
    """What the field's rules make of `mode`: `normalization` if given, else `normalize`, else the layer's default."""
    if "normalization: " in mode:
        name = mode.split()[-1]
    elif mode:
        name = "VALID" if "true" in mode else "BATCH_SIZE"
    else:
        name = default
    return max(1, {"FULL": outer * inner, "VALID": valid, "BATCH_SIZE": outer, "NONE": 1}[name])


def check(kind: str, found: list[np.ndarray], expected: float) -> None:
    (top,) = found
    assert top.shape == ()
    assert_close(kind, top, expected, 1e-6 * (1 + abs(expected)))


@few
@given(
    outer=st.integers(1, 4),
    classes=st.integers(1, 6),
    inner=st.sampled_from([(), (1,), (2, 3), (17,)]),
    ignored=st.sampled_from([None, 0, -1, 255]),
    mode=modes,
    seed=seeds,
)
def test_softmax_with_loss(outer, classes, inner, ignored, mode, seed):
    random = np.random.default_rng(seed)
    scores = random.standard_normal((outer, classes, *inner), np.float32) * 3
    labels = random.integers(0, classes, (outer, *inner)).astype(np.float32)
    if ignored is not None:
        labels[random.random(labels.shape) < 0.3] = ignored
    total, valid = 0.0, 0
    for place in np.ndindex(labels.shape):
        label = int(labels[place])
        if label != ignored:
            row = scores[place[0], :, *place[1:]].astype(float).tolist()
            total += math.log(sum(math.exp(score - row[label]) for score in row))
            valid += 1
    skip = "" if ignored is None else f"ignore_label: {ignored}"
    found = run_layer("SoftmaxWithLoss", [scores, labels], f"loss_param {{ {skip} {mode} }}")
    check("loss", found, total / divisor(mode, "VALID", outer, labels.size // outer, valid))


def test_softmax_with_loss_of_an_impossible_label_along_another_axis():
    scores = np.array([[0, 1000], [0, 0]], np.float32)
    parameters = "softmax_param { axis: -2 } loss_param { normalization: NONE }"
    check(
        "loss", run_layer("SoftmaxWithLoss", [scores, np.float32([1, 1])], parameters), math.log(2) - math.log(2**-126)
    )


@few
@given(shape=st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple), seed=seeds)
def test_euclidean_loss(shape, seed):
    a, b = np.random.default_rng(seed).standard_normal((2, *shape), np.float32)
    total = sum((x - y) ** 2 for x, y in zip(a.astype(float).flat, b.astype(float).flat, strict=True))
    check("loss", run_layer("EuclideanLoss", [a, b.reshape(shape[0], -1)]), total / (2 * shape[0]))


@few
@given(rows=st.integers(1, 5), classes=st.integers(1, 6), norm=st.sampled_from(["L1", "L2"]), seed=seeds)
def test_hinge_loss(rows, classes, norm, seed):
    random = np.random.default_rng(seed)
    scores = random.standard_normal((rows, classes, 1), np.float32) * 2
    labels = random.integers(0, classes, rows)
    total = 0.0
    for n in range(rows):
        for c in range(classes):
            margin = max(0.0, 1 + (-1 if c == labels[n] else 1) * float(scores[n, c, 0]))
            total += margin if norm == "L1" else margin**2
    check("loss", run_layer("HingeLoss", [scores, labels], f"hinge_loss_param {{ norm: {norm} }}"), total / rows)


def test_hinge_loss_counts_nan_as_nothing():
    scores = np.array([[np.nan, 2]], np.float32)
    check("loss", run_layer("HingeLoss", [scores, np.float32([0])]), 3)


@few
@given(
    shape=st.lists(st.integers(1, 5), min_size=1, max_size=3).map(tuple),
    ignored=st.sampled_from([None, 0, -1]),
    mode=modes,
    seed=seeds,
)
def test_sigmoid_cross_entropy_loss(shape, ignored, mode, seed):
    random = np.random.default_rng(seed)
    x = random.standard_normal(shape, np.float32) * 20
    targets = random.choice(np.float32([0, 0.25, 1, 1.5, -1]), shape)
    total, valid = 0.0, 0
    for value, target in zip(x.astype(float).flat, targets.astype(float).flat, strict=True):
        if ignored is None or int(target) != ignored:
            total += max(value, 0) - value * target + math.log1p(math.exp(-abs(value)))
            valid += 1
    skip = "" if ignored is None else f"ignore_label: {ignored}"
    found = run_layer("SigmoidCrossEntropyLoss", [x, targets], f"loss_param {{ {skip} {mode} }}")
    check("loss", found, total / divisor(mode, "BATCH_SIZE", shape[0], x.size // shape[0], valid))


@few
@given(
    outer=st.integers(1, 5),
    classes=st.integers(1, 5),
    inner=st.sampled_from([(), (1, 1), (3,)]),
    ignored=st.sampled_from([None, 0, 255]),
    data=st.data(),
    seed=seeds,
)
def test_accuracy_of_all_and_of_each_class(outer, classes, inner, ignored, data, seed):
    random, top_k = np.random.default_rng(seed), data.draw(st.integers(1, classes))
    scores = random.integers(0, 4, (outer, classes, *inner)).astype(np.float32)  # so that many are equal
    labels = random.integers(0, classes, (outer, *inner)).astype(np.float32)
    if ignored is not None:
        labels[random.random(labels.shape) < 0.3] = ignored
    right, seen = np.zeros(classes), np.zeros(classes)
    for place in np.ndindex(labels.shape):
        label = int(labels[place])
        if label != ignored:
            row = scores[place[0], :, *place[1:]]
            seen[label] += 1
            right[label] += sum(row >= row[label]) - 1 < top_k
    skip = "" if ignored is None else f"ignore_label: {ignored}"
    found = run_layer("Accuracy", [scores, labels], f"accuracy_param {{ top_k: {top_k} {skip} }}", tops=2)
    assert found[0].shape == ()
    assert_close("accuracy", found[0], right.sum() / max(1, seen.sum()), 1e-7)
    assert_close("of each class", found[1], right / np.maximum(seen, 1), 1e-7)


@pytest.mark.parametrize(
    ("scores", "expected"), [([1, 1, 0], 0), ([2, 1, 0], 1), ([np.nan, 1, 2], 1), ([1, np.nan, 0], 1)]
)
def test_accuracy_of_ties_and_nan(scores, expected):
    (found,) = run_layer("Accuracy", [np.float32([scores]), np.float32([0])])
    assert found == expected


LABELLED = ["SoftmaxWithLoss", "HingeLoss", "Accuracy"]


@pytest.mark.parametrize("kind", LABELLED)
@pytest.mark.parametrize(("label", "shown"), [(3, "3"), (-1, "-1"), (np.nan, "nan"), (1e30, "1e[+]30")])
def test_a_label_that_is_not_a_class(kind, label, shown):
    message = rf"layer 'it' \({kind}\): 'b1' holds {shown} at position 1, expected a number from 0 to 2"
    with pytest.raises(InputError, match=message):
        run_layer(kind, [np.zeros((2, 3), np.float32), np.float32([0, label])])


@pytest.mark.parametrize("kind", ["SoftmaxWithLoss", "HingeLoss", "EuclideanLoss", "SigmoidCrossEntropyLoss"])
def test_a_loss_without_a_top_still_runs(kind):
    labels = (2,) if kind in LABELLED else (2, 3)
    made = runtime(net_text(kind, [(2, 3), labels], tops=0))
    assert forward(made, [np.zeros((2, 3)), np.zeros(labels)]) == []


def test_the_top_is_the_loss_whatever_its_weight():
    a, b = np.float32([[1, 2]]), np.float32([[3, 4]])
    check("loss", run_layer("EuclideanLoss", [a, b], "loss_weight: 10"), 4)
