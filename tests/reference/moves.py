"""Graphs of one layer that moves values, in plans and by the reference: what their tests share."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from caffe64.engine.compiler.cpu import LANES
from caffe64.engine.graph.plan import Plan
from caffe64.engine.graph.reference import Interpreter

from .caffe_graphs import data, layer
from .plans import draw_inputs, run_again, run_plan, same_bits, ways
from .products import UNIT

CHANNELS = st.sampled_from([1, 3, LANES - 1, LANES, LANES + 1, 2 * LANES, 3 * LANES + 2])
PICTURES = st.tuples(st.integers(1, 2), CHANNELS, st.integers(1, 9), st.integers(1, 9))
PADDED = layer("z", "Convolution", "it", more="convolution_param { num_output: 5 kernel_size: 3 pad: 2 }")


def shaped(shape, name="data"):
    return data(" ".join(map(str, shape)), name)


def check(graph, *, rounding=0, lowered=True):
    """Of one thread and of two; beside other values with which the memory is filled. Numbers may be off by `rounding`
    units of the largest, where they are finite."""
    inputs, interpreter = draw_inputs(graph), Interpreter(graph)
    for blob, x in inputs.items():
        interpreter.arrays[blob][...] = x
    interpreter.forward()
    first = None
    for threads in (1, 2):
        plan = Plan(graph, threads=threads, exact=True)
        assert bool(ways(plan)["it"]) == lowered
        found = run_plan(plan, inputs)
        assert same_bits(run_again(plan, inputs), found)
        assert first is None or same_bits(found, first)
        first = found
        for blob, values in found.items():
            expected = interpreter.arrays[blob]
            limit = rounding * UNIT * abs(expected).max() if rounding else 0
            np.testing.assert_allclose(values, expected, rtol=0, atol=limit)
    return plan
