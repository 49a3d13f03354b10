"""Gradients of InnerProduct by the plan's steps against float64, over shapes at the edges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.backward_harness import run_backward, same_on_all_threads
from reference.caffe_graphs import data, graph_of, layer
from support import assert_close

from caffe64.engine.compiler.cpu import LANES
from caffe64.engine.graph.analysis.shapes import infer_shapes
from caffe64.engine.graph.plan.lowering.outer_products import GRADIENT_LINES, NEAR_ROWS
from caffe64.engine.products.pixel_tile import PANEL

TOLERANCE = 5e-6  # of the largest gradient
WIDE = PANEL * LANES
SIZES = st.sampled_from([1, 2, LANES - 1, LANES, LANES + 1, WIDE, WIDE + 1, 3 * WIDE + LANES + 3, GRADIENT_LINES + 1])


def check(rows, depth, outputs, transpose, bias=True, relu=False, run=run_backward, seed=0, **options):
    text = f"num_output: {outputs} transpose: {str(transpose).lower()} bias_term: {str(bias).lower()}"
    layers = [layer("p", "InnerProduct", "data", more=f"inner_product_param {{ {text} }}")]
    layers += [layer("r", "ReLU", "p")] * relu
    graph = graph_of(data(f"{rows} {depth} 1 1"), *layers)
    source, shapes = np.random.default_rng(seed), infer_shapes(graph)
    x, dy = (source.standard_normal(shapes[blob]).astype(np.float32) for blob in (*graph.inputs, *graph.outputs))
    found = run(graph, {"data": x}, [dy], **options)
    wide_dy = (np.where(found.tops[0] > 0, dy, 0) if relu else dy).astype(np.float64)
    wide_x, w = x.reshape(rows, depth).astype(np.float64), graph.nodes[1].weights[0].astype(np.float64)
    dw = wide_x.T @ wide_dy if transpose else wide_dy.T @ wide_x
    dx = wide_dy @ (w.T if transpose else w)
    expected = dx.reshape(x.shape), dw, wide_dy.sum(0)
    (weights,) = found.weights.values()
    for name, actual, exact in zip(("dx", "dW", "db"), (*found.bottoms, *weights), expected, strict=False):
        if actual is not None:
            assert_close(name, actual, exact, TOLERANCE * max(np.abs(exact).max(), 1e-6))
    return found


@settings(max_examples=60)
@given(
    rows=st.sampled_from([1, 3, 8, NEAR_ROWS + 1]),
    depth=SIZES,
    outputs=SIZES,
    transpose=st.booleans(),
    bias=st.booleans(),
    relu=st.booleans(),
    seed=st.integers(0, 9),
)
def test_gradients(rows, depth, outputs, transpose, bias, relu, seed):
    check(rows, depth, outputs, transpose, bias, relu, seed=seed)


@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize(("depth", "outputs"), [(800, 500), (401, 70)])
def test_any_number_of_threads_gives_the_same_bits(depth, outputs, transpose):
    check(3 * NEAR_ROWS + 7, depth, outputs, transpose, relu=True, run=same_on_all_threads)


@pytest.mark.parametrize(
    ("bottoms", "weights"), [([False], [True, False]), ([False], [False, True]), ([True], [False] * 2)]
)
def test_what_is_not_wanted_is_not_computed(bottoms, weights):
    found = check(9, LANES + 3, LANES + 1, False, bottoms=bottoms, weights=weights)
    assert [each is not None for each in found.bottoms] == bottoms
    assert [each is not None for each in found.weights["p"]] == weights
