"""One Caffe layer, run by the engine from its text, and comparison with what it should give."""

from __future__ import annotations

import numpy as np
from reference.executor import Executor
from reference.runners import ROUNDING, RUNNERS, assert_agree
from support import assert_close

from caffe64.engine.graph.analysis.shapes import weight_shapes
from caffe64.engine.graph.frontends.caffe.build import build_graph
from caffe64.engine.graph.ir.ownership import assign_weights
from caffe64.formats.caffe import parse_prototxt

TOLERANCE = 1e-5  # of the largest magnitude


def runtime_of(text, inputs, weights, phase="TEST", runner=Executor, **options):
    """What runs the net of `text`, whose last layer gets `weights`, with `inputs` in its Input layers' tops."""
    graph = build_graph(parse_prototxt(text, "net.prototxt").message, phase)
    assign_weights(graph, [[]] * (len(graph.nodes) - 1) + [weights])
    runtime = runner(graph, **options)
    expected = weight_shapes(graph, runtime.shapes)
    assert [[blob.shape for blob in node.weights] for node in graph.nodes] == expected
    for blob, value in zip(graph.inputs, inputs, strict=True):
        runtime.arrays[blob][...] = value
    return runtime


def run(layer, inputs, weights=(), phase="TEST", tops=1, tolerance=ROUNDING):
    """The tops of one layer, and its node, by the reference; the runtime gives the same."""
    text = "".join(
        f'layer {{ name: "in{i}" type: "Input" top: "in{i}" input_param {{ shape {{ '
        f"{' '.join(f'dim: {side}' for side in x.shape)} }} }} }}\n"
        for i, x in enumerate(inputs)
    )
    bottoms = " ".join(f'bottom: "in{i}"' for i in range(len(inputs)))
    named = " ".join(f'top: "top{i}"' for i in range(tops))
    text += f'layer {{ name: "tested" {bottoms} {named} {layer} }}'
    found = []
    for runner in RUNNERS:
        made = runtime_of(text, inputs, list(weights), phase, runner)
        made.forward()
        node = made.graph.nodes[-1]
        found.append(([made.arrays[top] for top in node.tops], node))
    (expected, node), (others, other) = found
    for actual, values in zip((*others, *other.weights), (*expected, *node.weights), strict=True):
        assert_agree("executor", actual, values, tolerance)
    return expected, node


def check(actual, expected, tolerance=TOLERANCE):
    assert_close("top", actual, expected, tolerance * max(1e-30, np.abs(expected).max(initial=0)))


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def exact(*arrays):
    return [array.astype(np.float64) for array in arrays]
