"""Gradients of Eltwise, Concat and Slice in plans, with the bits of the reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.backward_check import check_backward, expected_gradients
from reference.backward_harness import same_on_all_threads
from reference.caffe_graphs import data, graph_of, layer

from caffe64.engine.compiler.cpu import LANES
from caffe64.engine.graph.analysis.shapes import infer_shapes
from caffe64.engine.graph.ops.eltwise import ELTWISE_MIN

PICTURES = st.tuples(*(st.integers(1, most) for most in (3, 2 * LANES + 1, 9, 9)))
RIMS = st.sampled_from([(0, 0, 0, 0), (1, 2, 0, 1)])
OPERATIONS = ["SUM", "COEFFICIENTS", "PROD", "MAX", "MIN"]
LARGE = (9, 2 * LANES + 3, 14, 15)


def text(shape):
    return " ".join(map(str, shape))


def gradients_for(made, seed=1):
    shapes, rng = infer_shapes(made), np.random.default_rng(seed)
    return [rng.standard_normal(shapes[top]).astype(np.float32) for top in made.nodes[-1].tops]


def values_of(names, shapes, seed=0):
    """Small whole numbers: some are equal."""
    rng = np.random.default_rng(seed)
    return {name: rng.integers(-3, 4, shape).astype(np.float32) for name, shape in zip(names, shapes, strict=True)}


def eltwise(shape, operation, bottoms, behind=""):
    names = [f"b{n}" for n in range(bottoms)]
    coefficients = " ".join(f"coeff: {0.5 * n - 1}" for n in range(bottoms)) if operation == "COEFFICIENTS" else ""
    kind = {"COEFFICIENTS": "SUM", "MIN": "MAX"}.get(operation, operation)
    more = f"eltwise_param {{ operation: {kind} {coefficients} }}"
    inputs = [data(text(shape), name) for name in names]
    made = graph_of(*inputs, layer("it", "Eltwise", " ".join(names), more=more), behind)
    if operation == "MIN":  # which Caffe does not have
        node = next(node for node in made.nodes if node.name == "it")
        node.attributes = type(node.attributes)(ELTWISE_MIN)
    return made, names


@pytest.mark.parametrize("operation", OPERATIONS)
@settings(max_examples=20, deadline=None)
@given(shape=PICTURES, axes=st.integers(2, 4), bottoms=st.integers(2, 5), rim=RIMS)
def test_eltwise(operation, shape, axes, bottoms, rim):
    shape = shape[:axes]
    made, names = eltwise(shape, operation, bottoms)
    check_backward(made, values_of(names, [shape] * bottoms), gradients_for(made), rim=rim)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_eltwise_on_all_threads_and_of_some_bottoms(operation):
    made, names = eltwise(LARGE, operation, 3)
    values, gradients = values_of(names, [LARGE] * 3), gradients_for(made)
    check_backward(made, values, gradients, threads=True)
    found = check_backward(made, values, gradients, bottoms=[False, True, False])
    assert [each is None for each in found.bottoms] == [True, False, True]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_gradient_of_a_relu_behind_an_eltwise(operation):
    """dy where the ReLU gives more than 0, as if it had been given."""
    shape = (3, LANES + 3, 5, 6)
    made, names = eltwise(shape, operation, 2, layer("r", "ReLU", "it"))
    plain, _ = eltwise(shape, operation, 2)
    values, (dy,) = values_of(names, [shape] * 2), gradients_for(made)
    found = same_on_all_threads(made, values, [dy])
    expected = expected_gradients(plain, values, [np.where(found.tops[0] > 0, dy, np.float32(0))])[0]
    for name, gradient in zip(names, found.bottoms, strict=True):
        np.testing.assert_array_equal(gradient, expected[name])
    assert (found.tops[0] > 0).any()
    assert (found.tops[0] == 0).any()


@settings(max_examples=60, deadline=None)
@given(shape=st.lists(st.integers(1, 6), min_size=1, max_size=4), numbers=st.data(), parts=st.integers(1, 4))
def test_concat_and_slice_of_any_axis(shape, numbers, parts):
    axis = numbers.draw(st.integers(0, len(shape) - 1))
    sizes = [numbers.draw(st.integers(1, 2 * LANES + 1)) for _ in range(parts)]
    shapes = [(*shape[:axis], size, *shape[axis + 1 :]) for size in sizes]
    names = [f"b{n}" for n in range(parts)]
    inputs = [data(text(each), name) for each, name in zip(shapes, names, strict=True)]
    made = graph_of(*inputs, layer("it", "Concat", " ".join(names), more=f"concat_param {{ axis: {axis} }}"))
    wanted = [numbers.draw(st.booleans()) for _ in names]
    check_backward(made, values_of(names, shapes), gradients_for(made), bottoms=wanted)
    points = " ".join(f"slice_point: {sum(sizes[:n])}" for n in range(1, parts))
    whole = (*shape[:axis], sum(sizes), *shape[axis + 1 :])
    more = f"slice_param {{ axis: {axis} {points} }}"
    made = graph_of(data(text(whole)), layer("it", "Slice", "data", " ".join(names), more))
    check_backward(made, values_of(["data"], [whole]), gradients_for(made))


def test_concat_and_slice_on_all_threads():
    sizes = (LANES + 3, 2 * LANES, 5)
    shapes = [(9, size, 14, 15) for size in sizes]
    names = ["b0", "b1", "b2"]
    made = graph_of(*map(data, map(text, shapes), names), layer("it", "Concat", " ".join(names)))
    check_backward(made, values_of(names, shapes), gradients_for(made), threads=True)
    points = f"slice_param {{ slice_point: {sizes[0]} slice_point: {sum(sizes[:2])} }}"
    made = graph_of(data(f"9 {sum(sizes)} 14 15"), layer("it", "Slice", "data", " ".join(names), points))
    check_backward(made, values_of(["data"], [(9, sum(sizes), 14, 15)]), gradients_for(made), threads=True)
