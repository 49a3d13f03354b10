"""A graph of one layer, made without a file, and the same as an ONNX model."""

from __future__ import annotations

import numpy as np

from caffe64.engine.graph.ir.graph import Blob, Graph, Node
from caffe64.engine.graph.ir.ownership import assign_weights
from caffe64.engine.graph.ops import OPS
from caffe64.engine.graph.ops.inputs import InputBlobs
from caffe64.engine.graph.plan import Plan
from caffe64.engine.graph.reference import Interpreter


def one_layer(kind, attributes, *shapes, weights=()) -> Graph:
    """The graph: inputs x0, x1, ... of these shapes, and a layer "y"."""
    inputs = [
        Node(f"x{number}", "Input", [], [Blob(f"x{number}")], InputBlobs((tuple(shape),)))
        for number, shape in enumerate(shapes)
    ]
    node = Node("y", kind, [each.tops[0] for each in inputs], [Blob("y")], attributes)
    graph = Graph([*inputs, node], path="made", name="made")
    assign_weights(graph, [*([] for _ in inputs), [np.asarray(each, np.float32) for each in weights]])
    return graph


def outputs_of(graph, *arrays):
    """The layer's output in the reference, after a comparison with the plan's."""
    inputs = {f"x{number}": np.ascontiguousarray(each, np.float32) for number, each in enumerate(arrays)}
    interpreter, plan = Interpreter(graph), Plan(graph, threads=1)
    interpreter.fill(inputs)
    interpreter.forward()
    for blob in graph.inputs:
        plan.inputs[blob][...] = inputs[blob.name]
    plan.forward()
    (top,) = graph.nodes[-1].tops
    found = interpreter.array(top)
    largest = np.abs(found).max(where=np.isfinite(found), initial=0)
    np.testing.assert_allclose(plan.outputs[top], found, rtol=1e-5, atol=1e-5 * largest)
    return found


def gradient_of(graph, dy, *arrays):
    """The gradients of the layer's inputs, by its own code."""
    node = graph.nodes[-1]
    arrays = [np.ascontiguousarray(each, np.float32) for each in arrays]
    shapes = [each.shape for each in arrays]
    tops = OPS[node.type].shapes(node, shapes)
    run, y = OPS[node.type].prepare(node, shapes, tops), np.full(tops[0], np.nan, np.float32)
    run(arrays, [y])
    found = [np.full_like(each, np.nan) for each in arrays]
    OPS[node.type].gradient.prepare(node, shapes, tops, run, None)(arrays, [y], [np.float32(dy)], found, [])
    return found


def slope_of(function, dy, x, step=1e-4):
    """d(sum of dy * function(x)) / dx in float64, by central differences."""
    x, found = np.array(x, np.float64), np.empty(np.shape(x))
    for at in np.ndindex(*x.shape):
        sums = []
        for side in (step, -step):
            moved = x.copy()
            moved[at] += side
            sums.append((dy * function(moved)).sum())
        found[at] = (sums[0] - sums[1]) / (2 * step)
    return found
