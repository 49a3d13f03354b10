"""The backward steps of a graph's last group against the reference's gradients."""

from __future__ import annotations

import numpy as np
from reference.backward_harness import run_backward, same_on_all_threads

from caffe64.engine.graph.reference.gradients import gradients_of
from caffe64.engine.graph.reference.interpreter import Interpreter


def expected_gradients(graph, inputs, top_gradients):
    """Of the graph's inputs by name, and of weights by node: by the reference, layer by layer."""
    graph.force_backward = True
    interpreter = Interpreter(graph)
    for blob in graph.inputs:
        interpreter.arrays[blob][...] = inputs[blob.name]
    interpreter.forward()
    given = dict(zip(graph.nodes[-1].tops, top_gradients, strict=False))
    blobs, weights = gradients_of(interpreter, given)
    return {blob.name: blobs[blob] for blob in graph.inputs if blob in blobs}, weights


def check_backward(graph, inputs, top_gradients, *, tolerance=0.0, least=0.0, threads=False, **options):
    """The same gradients, to `tolerance` of the largest, which counts as `least` at least; `threads`: with the same
    bits on 1 to 4 of them. The bottoms of the group are the graph's inputs. Returns what the steps found."""
    run = same_on_all_threads if threads else run_backward
    found = run(graph, inputs, top_gradients, **options)
    blobs, weights = expected_gradients(graph, inputs, top_gradients)
    names = [blob.name for blob in graph.nodes[-1].bottoms]
    for name, gradient in zip(names, found.bottoms, strict=True):
        if gradient is not None:
            close(gradient, blobs[name], tolerance, least)
    for node, gradients in weights.items():
        for gradient, expected in zip(found.weights[node.name], gradients, strict=True):
            if gradient is not None:
                close(gradient, expected, tolerance, least)
    return found


def close(found, expected, tolerance, least=0.0):
    """NaN and infinities at the same places, and the rest to `tolerance` of the largest, or of `least`."""
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(np.where(finite, 0, found), np.where(finite, 0, expected))
    largest = np.abs(expected[finite]).max(initial=least)
    np.testing.assert_allclose(found[finite], expected[finite], rtol=0, atol=tolerance * largest)
