"""Dropout of the TRAIN phase in plans: the values that the layer's own code drops, wherever they lie."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.backward_harness import BackwardRun, run_backward, same_on_all_threads
from reference.caffe_graphs import conv, data, graph_of, layer
from reference.plans import draw_inputs, run_plan

from caffe64.engine.compiler.cpu import LANES
from caffe64.engine.graph.plan import Plan
from caffe64.engine.graph.plan.storage import StorageKind
from caffe64.engine.graph.reference import Interpreter

SIDES = st.integers(1, 5)
CHANNELS = st.sampled_from([1, LANES - 1, LANES, LANES + 1, 3 * LANES])
SHAPES = st.one_of(
    st.tuples(st.integers(1, 3), CHANNELS, SIDES, SIDES), st.tuples(st.integers(1, 3), CHANNELS),
    st.tuples(st.integers(1, 70)), st.tuples(*[SIDES] * 5),
)  # fmt: skip


def net(shape, ratio=0.5, more="", seed=5, iteration=3):
    fields = f"dropout_param {{ dropout_ratio: {ratio} {more} }}"
    graph = graph_of(data(" ".join(map(str, shape))), layer("it", "Dropout", "data", more=fields), phase="TRAIN")
    graph.streams.seed, graph.streams.iteration = seed, iteration
    return graph


def draw(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def kept(graph, shape):
    """What values are multiplied by: by NumPy's own generator."""
    parameter = graph.nodes[-1].attributes
    numbers = graph.streams.generator("it").random(shape, np.float32)
    scale = 1 / (1 - parameter.dropout_ratio) if parameter.scale_train else 1
    return (numbers >= np.float32(parameter.dropout_ratio)) * np.float32(scale)


@settings(max_examples=60, deadline=None)
@given(
    shape=SHAPES, ratio=st.sampled_from([0, 0.1, 0.5, 0.75, 1 - 2**-24]), scaled=st.booleans(),
    rim=st.sampled_from([(0, 0, 0, 0), (1, 2, 0, 1)]), blocked=st.booleans(), seed=st.sampled_from([0, 2**64 - 1]),
    iteration=st.sampled_from([0, 1, 2**40]),
)  # fmt: skip
def test_what_is_dropped(shape, ratio, scaled, rim, blocked, seed, iteration):
    graph = net(shape, ratio, f"scale_train: {str(scaled).lower()}", seed, iteration)
    x, dy = draw(shape), draw(shape, 1)
    kind = StorageKind.BLOCKED if blocked and 2 <= len(shape) <= 4 else StorageKind.PLANAR
    found = run_backward(graph, {"data": x}, [dy], rim=rim, stored=kind)
    mask = kept(graph, shape)
    np.testing.assert_array_equal(found.tops[0], x * mask)
    np.testing.assert_array_equal(found.bottoms[0], dy * mask)


@pytest.mark.parametrize("shape", [(3, 2 * LANES + 1, 40, 33), (70, 1000), (40000,)], ids=str)
@pytest.mark.parametrize("kind", [StorageKind.BLOCKED, StorageKind.PLANAR], ids=str)
def test_on_all_threads(shape, kind):
    if kind is StorageKind.BLOCKED and len(shape) == 1:
        return
    graph, x, dy = net(shape), draw(shape), draw(shape, 1)
    found = same_on_all_threads(graph, {"data": x}, [dy], stored=kind)
    np.testing.assert_array_equal(found.tops[0], x * kept(graph, shape))
    np.testing.assert_array_equal(found.bottoms[0], dy * kept(graph, shape))


def test_each_run_drops_others():
    graph, x = net((2, 700)), np.ones((2, 700), np.float32)
    run = BackwardRun(graph, {"data": x})
    for iteration in (4, 5):
        graph.streams.iteration = iteration
        run.forward()
        run.backward([x])
        np.testing.assert_array_equal(run.found([]).bottoms[0], kept(graph, x.shape))


def test_values_that_are_no_numbers_stay_so():
    """As NumPy multiplies them, dropped or kept."""
    x = np.resize(np.array([np.nan, np.inf, -np.inf, -1, -0.0], np.float32), (1, 90))
    graph = net(x.shape)
    with np.errstate(invalid="ignore"):
        expected = x * kept(graph, x.shape)
    (found,) = run_backward(graph, {"data": x}, [x]).tops
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(np.signbit(found)[x == -1], np.signbit(expected)[x == -1])


def test_the_same_as_the_reference_without_gradients():
    """Behind a convolution, in place, in front of another one."""
    graph = graph_of(
        data("3 3 9 7"), conv("c", "data"), layer("it", "Dropout", "c", "c"), conv("d", "c"), phase="TRAIN"
    )
    inputs, interpreter, plan = draw_inputs(graph), Interpreter(graph), Plan(graph)
    assert any(step.kernel.__name__ == "drop_rows" for step in plan.steps)
    for iteration in range(2):
        graph.streams.iteration = iteration
        interpreter.fill({blob.name: values for blob, values in inputs.items()})
        interpreter.forward()
        for blob, values in run_plan(plan, inputs).items():
            np.testing.assert_allclose(values, interpreter.arrays[blob], rtol=0, atol=1e-5 * np.abs(values).max())
