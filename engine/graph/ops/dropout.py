"""Dropout."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..ir.graph import Node, Shape
from ..ir.op import Back, Gradient, Layers, Op, Run, same_shape


@dataclass(frozen=True)
class Dropout:
    """`scale_train`: in the TRAIN phase, kept values are divided by 1 - dropout_ratio."""

    dropout_ratio: float = 0.5
    scale_train: bool = True


def dropout_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    ratio = node.attributes.dropout_ratio
    if not 0 <= ratio < 1:
        raise node.error(f"dropout_ratio {ratio:g}", "0 to less than 1")
    return same_shape(node, bottoms)


def prepare_dropout(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    """TEST: a copy. TRAIN: each value is 0 with probability `dropout_ratio`, else divided by 1 - dropout_ratio, or with
    scale_train: false unchanged.

    The mask of an iteration is drawn from the net's streams, under the layer's name (`parameters/streams.py`).
    """
    if node.phase == "TEST":
        return copy_unless_in_place
    ratio = node.attributes.dropout_ratio
    mask = np.empty(bottoms[0], np.float32)
    scale = np.float32(1 / (1 - ratio) if node.attributes.scale_train else 1)

    def run(inputs, outputs):
        node.streams.generator(node.name).random(dtype=np.float32, out=mask)
        np.greater_equal(mask, np.float32(ratio), out=mask, casting="unsafe")
        np.multiply(mask, scale, out=mask)
        np.multiply(inputs[0], mask, out=outputs[0])

    run.mask = mask  # of the last run, for its gradient
    return run


def copy_unless_in_place(inputs, outputs):
    if not np.may_share_memory(outputs[0], inputs[0]):  # two arrays of the same memory where it is in place
        np.copyto(outputs[0], inputs[0])


# ------------------------------------------------------------------------------------------------------------- gradient
# Gradient of Dropout: dy by the mask of the run, scaled alike.
def dropout_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        if node.phase == "TEST":
            copy_unless_in_place(output_gradients, input_gradients)
        else:
            np.multiply(output_gradients[0], run.mask, out=input_gradients[0])

    return back


OPS = (Op("Dropout", dropout_shapes, prepare_dropout, in_place=True, gradient=Gradient(dropout_back)),)
