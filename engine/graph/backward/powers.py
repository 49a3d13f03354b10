"""Gradients of Power, Exp, Log and BNLL. Exp's and BNLL's are by kernels, the others NumPy's: few nets train them."""

from __future__ import annotations

import numpy as np

from ..ir.graph import Node, Shape
from ..ir.op import Run
from ..ops.activations import SIGMOID, bend
from ..ops.powers import checked_log, exponential
from .activations import bend_gradient, calling
from .op import Back, Backward


def prepare_power(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run) -> Back:
    """dx = dy * power * scale * (shift + scale * x) ** (power - 1).

    The power is taken itself. (Caffe divides y by shift + scale * x, which gives NaN at 0.)
    """
    parameter = node.attributes
    power, scale, shift = (np.float32(getattr(parameter, name)) for name in ("power", "scale", "shift"))
    slope = np.empty(bottoms[0], np.float32)

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        if power * scale == 0:
            input_gradients[0].fill(0)
            return
        np.multiply(inputs[0], scale, out=slope)
        np.add(slope, shift, out=slope)
        np.power(slope, power - 1, out=slope)
        np.multiply(slope, power * scale, out=slope)
        np.multiply(slope, output_gradients[0], out=input_gradients[0])

    return back


def prepare_log(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run) -> Back:
    """dx = dy * scale / (ln(base) * (shift + scale * x))."""
    parameter = node.attributes
    factor = np.float32(parameter.scale / checked_log(node, parameter.base))
    argument = np.empty(bottoms[0], np.float32)

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        np.multiply(inputs[0], np.float32(parameter.scale), out=argument)
        np.add(argument, np.float32(parameter.shift), out=argument)
        np.divide(factor, argument, out=argument)
        np.multiply(argument, output_gradients[0], out=input_gradients[0])

    return back


def prepare_bnll(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run) -> Back:
    """dx = dy / (1 + exp(-x))."""
    slope = np.empty(bottoms[0], np.float32)

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        bend.run(inputs[0].reshape(-1), slope.reshape(-1), SIGMOID, 1.0, 0.0)
        np.multiply(output_gradients[0], slope, out=input_gradients[0])

    return back


BACKWARDS = (
    Backward("Power", prepare_power),
    Backward("Exp", calling(bend_gradient, exponential)),
    Backward("Log", prepare_log),
    Backward("BNLL", prepare_bnll),
)
