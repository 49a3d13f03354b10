"""Gradients of Eltwise:   SUM coeff * dy    PROD dy times the other bottoms    MAX dy where the bottom was taken.

The product of the others is always taken itself; Caffe's stable_prod_grad: false divides y by the bottom instead, which
is the same but for bottoms near 0.
"""

from __future__ import annotations

import numpy as np

from ..ir.graph import Node, Shape
from ..ir.op import Run
from ..ops.eltwise import PROD, SUM
from .op import Back, Backward


def prepare_eltwise(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run) -> Back:
    kind = node.attributes.operation
    factors = [np.float32(each) for each in node.attributes.coeff] or [np.float32(1)] * len(bottoms)

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        dy = output_gradients[0]
        taken = None if kind in (PROD, SUM) else winners(inputs)
        for number, dx in enumerate(input_gradients):
            if dx is None:
                continue
            if kind == SUM:
                np.multiply(dy, factors[number], out=dx)
            elif kind == PROD:
                np.copyto(dx, dy)
                for other, x in enumerate(inputs):
                    if other != number:
                        np.multiply(dx, x, out=dx)
            else:
                np.multiply(dy, taken == number, out=dx)

    return back


def winners(inputs) -> np.ndarray:
    """Which bottom is the largest at each place; of equal ones the second is taken before the first, and these before
    the later ones, as in the forward run."""
    taken = np.where(inputs[0] > inputs[1], 0, 1)
    largest = np.where(taken == 0, inputs[0], inputs[1])
    for number, x in enumerate(inputs[2:], 2):
        higher = x > largest
        taken[higher], largest[higher] = number, x[higher]
    return taken


BACKWARDS = (Backward("Eltwise", prepare_eltwise),)
