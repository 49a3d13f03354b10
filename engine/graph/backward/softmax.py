"""Gradient of Softmax:   dx = y * (dy - sum of dy * y over the axis)."""

from __future__ import annotations

import numpy as np

from ..ir.graph import Node, Shape
from ..ir.op import Run
from ..ops.softmax import axis_sizes
from .op import Back, Backward


def prepare_softmax(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run) -> Back:
    sizes = axis_sizes(node, bottoms[0])

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        y, dy, dx = (array.reshape(sizes) for array in (outputs[0], output_gradients[0], input_gradients[0]))
        shared = np.einsum("oci,oci->oi", y, dy)
        np.subtract(dy, shared[:, None], out=dx)
        np.multiply(dx, y, out=dx)

    return back


BACKWARDS = (Backward("Softmax", prepare_softmax),)
