"""The gradients of whole small nets, drawn at random, against central differences of their losses.

Branches and their sums, products and concatenations, weights shared by name, layers in place, BatchNorm, and several
losses with their weights: for each weight blob the derivative along a random direction.
"""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.drawn_nets import CHANNELS, ROWS, SIDE, nets

import caffe64

STEP = 2.0**-7  # of a weight; those of the drawn nets are about 1
# Rounding of a float32 loss makes 1e-7 / STEP of it, curvature STEP**2; a ReLU whose input changes its sign in between
# makes up to STEP of what passes it.
TOLERANCE = 0.02


def total(net, inputs):
    """The loss in float64 of a run whose losses are float32."""
    outputs = net.forward(**inputs)
    weights = {top.name: node.loss_weight for node in net.graph.nodes for top in node.tops if node.loss_weight}
    return sum(float(weight[0]) * float(outputs[name]) for name, weight in weights.items())


@given(nets(), st.integers(0, 2**20))
@settings(max_examples=60)
def test_gradients_are_the_slopes_of_the_loss(text, seed):
    draws = np.random.default_rng(seed)
    net = caffe64.load_caffe(text.encode(), phase="TRAIN", seed=seed)
    inputs = {
        "data": draws.normal(size=(ROWS, CHANNELS, SIDE, SIDE)), "label": draws.integers(0, 3, ROWS),
        "target": draws.normal(size=(ROWS, CHANNELS, SIDE, SIDE)),
    }  # fmt: skip
    loss = total(net, inputs)
    net.clear_param_diffs()
    net.backward()
    seen = set()
    for name, blobs in net.params.items():
        if name.startswith("batchnorm"):
            continue  # statistics
        for number, blob in enumerate(blobs):
            if blob.data.ctypes.data in seen:
                continue  # shared, with one gradient
            seen.add(blob.data.ctypes.data)
            kept, gradient = blob.data.copy(), blob.diff.copy()
            direction = draws.choice([-1.0, 1.0], kept.shape)
            sides = []
            for sign in (1, -1):
                blob.data[...] = kept + sign * STEP * direction
                sides.append(total(net, inputs))
            blob.data[...] = kept
            slope = (sides[0] - sides[1]) / (2 * STEP)
            scale = np.linalg.norm(gradient) + 1e-4 * abs(loss) / STEP
            assert abs(slope - (gradient * direction).sum()) <= TOLERANCE * (scale + abs(slope)), (name, number)
