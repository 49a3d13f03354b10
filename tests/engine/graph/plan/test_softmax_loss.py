"""SoftmaxWithLoss as steps of a plan, against sums in float64."""

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
from caffe64.errors import InputError

MODES = ["FULL", "VALID", "BATCH_SIZE", "NONE"]
IGNORED = 2
LARGE = [(700, 10), (3, 1000), (2, 21, 60, 70), (3, 5, 1, 2000)]


def net(shape, axis=1, mode="VALID", ignored=False, top="loss", weight=""):
    labels = (*shape[:axis], *shape[axis + 1 :])
    text = [" ".join(map(str, each)) for each in (shape, labels)]
    more = f"softmax_param {{ axis: {axis} }} loss_param {{ normalization: {mode} "
    more += f"{f'ignore_label: {IGNORED}' if ignored else ''} }} {weight}"
    return graph_of(data(text[0], "x"), data(text[1], "label"), layer("it", "SoftmaxWithLoss", "x label", top, more))


def draw(shape, axis=1, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, shape[axis], (*shape[:axis], *shape[axis + 1 :]))
    return {"x": rng.normal(0, 4, shape).astype(np.float32), "label": labels.astype(np.float32)}


def expected(values, axis, mode, ignored, weight):
    """The loss and the gradient of the scores times `weight`, in float64."""
    x = np.moveaxis(values["x"].astype(np.float64), axis, -1)
    labels = np.trunc(values["label"]).astype(int)
    p = np.exp(x - x.max(axis=-1, keepdims=True))
    p /= p.sum(axis=-1, keepdims=True)
    valid = labels != IGNORED if ignored else np.ones(labels.shape, bool)
    picked = np.where(valid, labels, 0)
    of_label = np.maximum(np.take_along_axis(p, picked[..., np.newaxis], -1)[..., 0], np.finfo(np.float32).tiny)
    outer = int(np.prod(labels.shape[:axis]))
    divisor = {"FULL": labels.size, "VALID": valid.sum(), "BATCH_SIZE": outer, "NONE": 1}[mode]
    divisor = max(1, int(divisor))
    ones = np.arange(x.shape[-1]) == picked[..., np.newaxis]
    gradient = np.moveaxis((p - ones) * valid[..., np.newaxis] * weight / divisor, -1, axis)
    return -np.log(of_label)[valid].sum() / divisor, gradient


def check(shape, axis, mode, ignored, values, run=run_backward):
    made, weight = net(shape, axis, mode, ignored), 1.5
    found = run(made, values, [np.float32(weight)], bottoms=[True, False])
    loss, gradient = expected(values, axis, mode, ignored, weight)
    np.testing.assert_allclose(found.tops[0], loss, rtol=2e-6, atol=1e-7)
    np.testing.assert_allclose(found.bottoms[0], gradient, rtol=0, atol=2e-6 * max(np.abs(gradient).max(), 1e-6))


@settings(max_examples=80, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 5), st.integers(1, 2 * LANES + 1), st.integers(1, 6), st.integers(1, 6)),
    axes=st.integers(2, 4), axis=st.integers(1, 3), mode=st.sampled_from(MODES), ignored=st.booleans(),
)  # fmt: skip
def test_the_loss_and_its_gradient(shape, axes, axis, mode, ignored):
    shape, axis = shape[:axes], min(axis, axes - 1)
    check(shape, axis, mode, ignored and shape[axis] > IGNORED, draw(shape, axis))


@pytest.mark.parametrize("shape", LARGE, ids=str)
def test_the_bits_do_not_depend_on_threads(shape):
    check(shape, 1, "VALID", True, draw(shape), same_on_all_threads)


def test_labels_are_cut_off_and_may_be_ignored():
    values = draw((6, 4))
    values["label"] = np.float32([0.9, -0.9, 2, 2.5, 3, 1])
    check((6, 4), 1, "VALID", True, values)
    values["label"][:] = IGNORED
    check((6, 4), 1, "VALID", True, values)


def test_a_probability_of_nothing_and_nan():
    """The loss is that of the least normal number, and NaN where a score is NaN."""
    values = draw((2, 3))
    values["x"][0], values["label"][:] = (200, 0, 0), 1
    check((2, 3), 1, "FULL", False, values)
    values["x"][1, 0] = np.nan
    found = run_backward(net((2, 3)), values, [np.float32(1)], bottoms=[True, False])
    assert np.isnan(found.tops[0])
    assert np.isnan(found.bottoms[0][1]).all()
    assert np.isfinite(found.bottoms[0][0]).all()


@pytest.mark.parametrize("shape", [(700, 10), (2, 3, 40, 50)], ids=str)
@pytest.mark.parametrize("wrong", [-1, 1e30, np.nan, np.inf, -np.inf, 255])
def test_a_label_that_is_no_class_is_refused_where_it_is(shape, wrong):
    values = draw(shape)
    place = values["label"].size - 5
    values["label"].flat[place] = wrong
    plan = Plan(net(shape), threads=2)
    inputs = {blob: values[blob.name] for blob in plan.graph.inputs}
    with pytest.raises(InputError, match=f"'label' holds .* at position {place}, expected a number from 0 to"):
        run_plan(plan, inputs)
    values["label"].flat[place] = 1
    assert np.isfinite(next(iter(run_plan(plan, inputs).values())))


def test_a_loss_without_a_top_has_its_weight():
    values = draw((5, 4))
    made = net((5, 4), top="", weight="loss_weight: 3")
    found = run_backward(made, values, [], bottoms=[True, False])
    np.testing.assert_allclose(found.bottoms[0], expected(values, 1, "VALID", False, 3)[1], rtol=0, atol=2e-6)
