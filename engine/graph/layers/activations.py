"""Element-wise activations."""

from __future__ import annotations

import numpy as np

from ... import signatures as types
from ... import simd
from ...cpu import LANES
from ...jit import F1, F1_IN, f32, kernel
from ..graph import Node, Shape
from ..op import Op, Run, same_shape


@kernel(types.void(F1_IN, F1, f32))
def relu(x, y, slope):
    """y = max(x, 0) + slope * min(x, 0).   x, y [P]; y may be x."""
    slopes, whole = simd.broadcast(slope), x.size // LANES * LANES
    for i in range(0, whole, LANES):
        v = simd.load(x, i)
        simd.store(y, i, simd.maximum(v, simd.zeros()) + slopes * simd.minimum(v, simd.zeros()))
    if whole < x.size:
        v = simd.load_part(x, whole, x.size - whole)
        v = simd.maximum(v, simd.zeros()) + slopes * simd.minimum(v, simd.zeros())
        simd.store_part(y, whole, v, x.size - whole)


def prepare_relu(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    slope = np.float32(node.message.relu_param.negative_slope)
    return lambda inputs, outputs: relu.run(inputs[0].reshape(-1), outputs[0].reshape(-1), slope)


OPS = (Op("ReLU", same_shape, prepare_relu, in_place=True),)
