"""Gradient of Dropout: what the mask of the run let through, scaled alike."""

from __future__ import annotations

import numpy as np

from ..ir.graph import Node, Shape
from ..ir.op import Run
from ..ops.dropout import copy_unless_in_place
from .op import Back, Backward


def prepare_dropout(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run) -> Back:
    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        if node.phase == "TEST":
            copy_unless_in_place(output_gradients, input_gradients)
        else:
            np.multiply(output_gradients[0], run.mask, out=input_gradients[0])

    return back


BACKWARDS = (Backward("Dropout", prepare_dropout),)
