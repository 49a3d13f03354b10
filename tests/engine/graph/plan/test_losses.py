"""EuclideanLoss, SigmoidCrossEntropyLoss, HingeLoss and ContrastiveLoss as steps of a plan, against float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.backward_harness import run_backward, same_on_all_threads
from reference.caffe_graphs import data, graph_of, layer
from reference.plans import run_plan

from caffe64.engine.compiler.cpu import LANES
from caffe64.engine.graph.plan import Plan
from caffe64.engine.graph.plan.lowering.pair_losses import values_cut_off_to
from caffe64.errors import InputError

WEIGHT = 1.5
SHAPES = st.one_of(
    st.tuples(st.integers(1, 5), st.integers(1, 3 * LANES + 1)), st.tuples(*[st.integers(1, 6)] * 4),
    st.tuples(st.integers(1, 3 * LANES)),
)  # fmt: skip
ROWS = st.tuples(st.integers(1, 9), st.integers(1, 3 * LANES + 1))
LARGE = [(300, 100), (2, 40000)]


def net(kind, shapes, more="", top="loss"):
    names = "abc"[: len(shapes)]
    inputs = [data(" ".join(map(str, shape)), name) for shape, name in zip(shapes, names, strict=True)]
    return graph_of(*inputs, layer("it", kind, " ".join(names), top, more))


def check(graph, values, loss, gradients, run=run_backward, tolerance=2e-6):
    inputs = dict(zip("abc", values, strict=False))
    wanted = [gradient is not None for gradient in gradients]
    found = run(graph, inputs, [np.float32(WEIGHT)], bottoms=wanted)
    np.testing.assert_allclose(found.tops[0], loss, rtol=tolerance)
    for gradient, expected in zip(found.bottoms, gradients, strict=True):
        if expected is not None:
            largest = np.abs(expected).max()
            np.testing.assert_allclose(gradient, WEIGHT * expected, rtol=0, atol=tolerance * largest)


def draw(shape, seed=0, scale=2.0):
    return np.random.default_rng(seed).normal(0, scale, shape).astype(np.float32)


# ------------------------------------------------------------------------------------------------- EuclideanLoss
def check_euclidean(shape, **options):
    a, b = draw(shape), draw(shape, 1)
    d = a.astype(np.float64) - b
    loss, gradient = (d**2).sum() / (2 * shape[0]), d / shape[0]
    check(net("EuclideanLoss", [shape, shape]), [a, b], loss, [gradient, -gradient], **options)


@settings(max_examples=40, deadline=None)
@given(shape=SHAPES)
def test_euclidean(shape):
    check_euclidean(shape)


@pytest.mark.parametrize("shape", LARGE, ids=str)
def test_euclidean_on_all_threads(shape):
    check_euclidean(shape, run=same_on_all_threads)


# --------------------------------------------------------------------------------------- SigmoidCrossEntropyLoss
def check_cross_entropy(shape, mode="BATCH_SIZE", ignored=None, scale=2.0, **options):
    x, t = draw(shape, scale=scale), np.random.default_rng(1).integers(-1, 3, shape) / 2
    t = t.astype(np.float32)
    wide, valid = x.astype(np.float64), np.trunc(t) != ignored if ignored is not None else np.ones(shape, bool)
    divisor = {"FULL": x.size, "VALID": valid.sum(), "BATCH_SIZE": shape[0], "NONE": 1}[mode]
    divisor = max(1, int(divisor))
    terms = np.logaddexp(0, wide) - wide * t
    gradient = np.where(valid, 1 / (1 + np.exp(-wide)) - t, 0) / divisor
    rule = f"normalization: {mode} {'' if ignored is None else f'ignore_label: {ignored}'}"
    made = net("SigmoidCrossEntropyLoss", [shape, shape], f"loss_param {{ {rule} }}")
    check(made, [x, t], terms[valid].sum() / divisor, [gradient, None], **options)


@settings(max_examples=60, deadline=None)
@given(
    shape=SHAPES, mode=st.sampled_from(["FULL", "VALID", "BATCH_SIZE", "NONE"]),
    ignored=st.sampled_from([None, 0, 1, 7]), scale=st.sampled_from([0.01, 2.0, 60.0]),
)  # fmt: skip
def test_cross_entropy(shape, mode, ignored, scale):
    check_cross_entropy(shape, mode, ignored, scale)


@pytest.mark.parametrize("shape", LARGE, ids=str)
def test_cross_entropy_on_all_threads(shape):
    check_cross_entropy(shape, "VALID", 1, run=same_on_all_threads)


@pytest.mark.parametrize("number", [0, 1, -1, 5, -5, 255, 2**24, -(2**24), 2**30, None])
def test_which_targets_are_ignored(number):
    near = np.float32([0 if number is None else number] * 9)
    near += np.float32([0, 0.5, -0.5, 0.999, -0.999, 1, -1, 2, np.nan])
    near = np.concatenate([near, np.nextafter(near, np.float32(np.inf)), np.nextafter(near, np.float32(-np.inf))])
    low, high = values_cut_off_to(number)
    expected = np.zeros(near.shape, bool) if number is None else np.trunc(near) == np.float32(number)
    np.testing.assert_array_equal((np.float32(low) < near) & (near < np.float32(high)), expected)


# ---------------------------------------------------------------------------------------------------- HingeLoss
def check_hinge(shape, norm, **options):
    x, labels = draw(shape), np.random.default_rng(1).integers(0, shape[1], shape[0])
    d = np.where(np.arange(shape[1]) == labels[:, np.newaxis], -1, 1)
    m = np.maximum(0, 1 + d * x.astype(np.float64))
    loss, slope = (m.sum(), np.sign(m)) if norm == 1 else ((m**2).sum(), 2 * m)
    made = net("HingeLoss", [shape, shape[:1]], f"hinge_loss_param {{ norm: L{norm} }}")
    check(made, [x, labels.astype(np.float32)], loss / shape[0], [d * slope / shape[0], None], **options)


@settings(max_examples=40, deadline=None)
@given(shape=ROWS, norm=st.sampled_from([1, 2]))
def test_hinge(shape, norm):
    check_hinge(shape, norm)


@pytest.mark.parametrize("shape", LARGE, ids=str)
def test_hinge_on_all_threads(shape):
    check_hinge(shape, 2, run=same_on_all_threads)


def test_hinge_counts_nan_as_nothing():
    x = np.float32([[np.nan, 1, -2], [0, np.nan, 3]])
    made = net("HingeLoss", [(2, 3), (2,)])
    found = run_backward(made, {"a": x, "b": np.float32([0, 2])}, [np.float32(1)], bottoms=[True, False])
    assert found.tops[0] == np.float32((2 + 0 + 1 + 0) / 2)
    np.testing.assert_array_equal(found.bottoms[0], np.float32([[0, 1, 0], [1, 0, 0]]) / 2)


@pytest.mark.parametrize(("label", "at"), [(3, 1), (-1, 0), (np.nan, 2), (1e30, 401)])
def test_hinge_names_a_label_that_is_no_class(label, at):
    made, labels = net("HingeLoss", [(5000, 3), (5000,)]), np.zeros(5000, np.float32)
    labels[at] = label
    plan = Plan(made, threads=2)
    with pytest.raises(InputError, match=rf"'b' holds .* at position {at}, expected a number from 0 to 2"):
        run_plan(plan, dict(zip(made.inputs, [draw((5000, 3)), labels], strict=True)))


# ---------------------------------------------------------------------------------------------- ContrastiveLoss
def check_contrastive(shape, legacy=False, margin=3.0, same=0, **options):
    a, b = draw(shape), draw(shape, 1)
    b[:same] = a[:same]
    similar = np.random.default_rng(2).choice([0, 0.5, 1, 1.7, -2], shape[0]).astype(np.float32)
    d = a.astype(np.float64) - b
    square, is_similar = (d**2).sum(axis=1), np.trunc(similar) != 0
    distance = square if legacy else np.sqrt(square)
    beyond = np.maximum(margin - distance, 0)
    terms = np.where(is_similar, square, beyond if legacy else beyond**2)
    push = -1 if legacy else -(margin - distance) / (distance + 1e-4)
    factors = np.where(is_similar, 1, np.where(distance < margin, push, 0))
    gradient = d * factors[:, np.newaxis] / shape[0]
    fields = f"contrastive_loss_param {{ margin: {margin} legacy_version: {str(legacy).lower()} }}"
    made = net("ContrastiveLoss", [shape, shape, (shape[0], 1)], fields)
    check(made, [a, b, similar], terms.sum() / (2 * shape[0]), [gradient, -gradient, None], tolerance=1e-5, **options)


@settings(max_examples=40, deadline=None)
@given(shape=ROWS, legacy=st.booleans(), margin=st.sampled_from([1.0, 8.0, 400.0]), same=st.integers(0, 2))
def test_contrastive(shape, legacy, margin, same):
    check_contrastive(shape, legacy, margin, same)


@pytest.mark.parametrize("shape", LARGE, ids=str)
def test_contrastive_on_all_threads(shape):
    check_contrastive(shape, margin=15, run=same_on_all_threads)


@pytest.mark.parametrize("kind", ["EuclideanLoss", "SigmoidCrossEntropyLoss"])
def test_a_loss_without_a_top(kind):
    made = net(kind, [(3, 5)] * 2, "loss_weight: 0.5", top="")
    with_top = net(kind, [(3, 5)] * 2)
    values = {"a": draw((3, 5)), "b": draw((3, 5), 1)}
    found = run_backward(made, values, [], bottoms=[True, False]).bottoms[0]
    expected = run_backward(with_top, values, [np.float32(0.5)], bottoms=[True, False]).bottoms[0]
    np.testing.assert_array_equal(found, expected)
