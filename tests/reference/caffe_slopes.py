"""Gradients of one Caffe layer, run by the engine, and differences of float64 functions to hold against them."""

from __future__ import annotations

import numpy as np
from reference.caffe_running import runtime_of
from reference.plans import NAN_BYTE
from reference.runners import assert_agree
from support import assert_close

from caffe64.engine.graph.reference import Interpreter, gradients_of

STEP = 1e-5
DIRECTIONS = 4
BEFORE = 0.5  # what the gradients of weights hold before: they are added to


def layer_net(layer: str, shapes, tops: int = 1) -> str:
    """A net of one layer over Input layers, whose gradients are all wanted."""
    inputs = "".join(
        f'layer {{ name: "in{i}" type: "Input" top: "in{i}" input_param {{ shape {{ '
        f"{' '.join(f'dim: {side}' for side in shape)} }} }} }}\n"
        for i, shape in enumerate(shapes)
    )
    flow = [*(f'bottom: "in{i}"' for i in range(len(shapes))), *(f'top: "top{i}"' for i in range(tops))]
    return f'force_backward: true\n{inputs}layer {{ name: "tested" {" ".join(flow)} {layer} }}'


def backward(text, bottoms, weights, top_diffs, phase="TEST"):
    """The gradients of the bottoms (None where there is none) and of the weights of the net's last layer.

    On the way: the bottoms' gradients are overwritten, whatever they held, and the weights' are added to. They are the
    reference's but for rounding.
    """
    runtime = runtime_of(text, bottoms, list(weights), phase, gradients=True)
    node = runtime.graph.nodes[-1]
    runtime.plan.arena.fill(NAN_BYTE)
    runtime.fill({blob.name: values for blob, values in zip(runtime.graph.inputs, bottoms, strict=True)})
    for array in runtime.weights.get(node, []):
        array.fill(BEFORE)
    runtime.forward()
    gradients = runtime.backward(dict(zip(node.tops, top_diffs, strict=True)))
    for blob, values in zip(runtime.graph.inputs, bottoms, strict=True):
        np.testing.assert_array_equal(runtime.arrays[blob], values)
    found = (
        [gradients.get(blob) for blob in runtime.graph.inputs],
        [array - np.float32(BEFORE) for array in runtime.weights.get(node, [])],
    )
    expected = reference_gradients(text, bottoms, weights, top_diffs, phase)
    for kind, one, other in zip(("bottom", "weight"), found, expected, strict=True):
        for actual, values in zip(one, other, strict=True):
            assert (actual is None) == (values is None)
            if actual is not None:
                assert_agree(kind, actual, values, 1e-5)
    return found


def reference_gradients(text, bottoms, weights, top_diffs, phase):
    """The same by the reference."""
    made = runtime_of(text, bottoms, list(weights), phase, Interpreter)
    made.forward()
    node = made.graph.nodes[-1]
    blobs, of_weights = gradients_of(made, dict(zip(node.tops, top_diffs, strict=True)))
    return [blobs.get(blob) for blob in made.graph.inputs], of_weights.get(node, [])


def check_slopes(function, layer, bottoms, weights=(), *, phase="TEST", tolerance=2e-5, fixed=()):
    """The engine's gradients of `layer` against central differences of `function`, along random directions.

    function(*bottoms, *weights) -> a top or a list of tops, all float64. `fixed`: numbers of the bottoms that have no
    gradient, such as labels.
    """
    random = np.random.default_rng(sum(bottom.size for bottom in bottoms))
    exact = [np.asarray(array, np.float64) for array in (*bottoms, *weights)]

    def tops(arrays):
        found = function(*arrays)
        return [np.asarray(top) for top in (found if isinstance(found, list) else [found])]

    diffs = [random.standard_normal(top.shape).astype(np.float32) for top in tops(exact)]
    text = layer_net(layer, [bottom.shape for bottom in bottoms], len(diffs))
    bottom_diffs, weight_diffs = backward(text, bottoms, weights, diffs, phase)
    compared = 0
    for number, gradient in enumerate((*bottom_diffs, *weight_diffs)):
        if number in fixed:
            assert gradient is None
            continue
        for _ in range(DIRECTIONS):
            direction, sides = random.choice([-1.0, 1.0], exact[number].shape), []
            for step in (STEP, -STEP):
                moved = [*exact[:number], exact[number] + step * direction, *exact[number + 1 :]]
                sides.append(sum(np.sum(diff * top) for diff, top in zip(diffs, tops(moved), strict=True)))
            slope, scale = (sides[0] - sides[1]) / (2 * STEP), np.abs(gradient).sum() + 1e-3
            assert_close(f"slope of {number}", np.sum(gradient * direction, dtype=float), slope, tolerance * scale)
            compared += 1
    assert compared


def apart(*shape, seed=0) -> np.ndarray:
    """float32 between -2 and 2 in random order: no two closer than their number allows, none near 0 or +-1."""
    size = int(np.prod(shape))
    values = (np.arange(size) + 0.37) / size * 4 - 2
    for kink in (0, 1, -1):
        values = np.where(np.abs(values - kink) < 0.01, values + 0.02, values)
    return np.random.default_rng(seed).permutation(values).reshape(shape).astype(np.float32)
