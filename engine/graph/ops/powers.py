"""Power, Exp and Log. All may work in place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..ir.graph import Node, Shape
from ..ir.op import Back, Gradient, Layers, Op, Run, same_shape
from .curves import EXP, LINEAR, curve
from .piecewise import piecewise_activation
from .smooth import smooth_activation, smooth_activation_gradient


@dataclass(frozen=True)
class Power:
    """(shift + scale * x) ** power."""

    power: float = 1.0
    scale: float = 1.0
    shift: float = 0.0


@dataclass(frozen=True)
class Exp:
    """base ** (shift + scale * x); the base -1 stands for e."""

    base: float = -1.0
    scale: float = 1.0
    shift: float = 0.0


@dataclass(frozen=True)
class Log:
    """log(shift + scale * x) to a base, of which -1 stands for e."""

    base: float = -1.0
    scale: float = 1.0
    shift: float = 0.0


def exponential(node: Node) -> tuple[int, float, float]:
    """base ** (shift + scale * x) as outer * exp(inner * x)."""
    parameter = node.attributes
    log_base = checked_log(node, parameter.base)
    with np.errstate(over="ignore"):
        outer = float(np.exp(log_base * parameter.shift))
    return EXP, float(log_base * parameter.scale), outer


def checked_log(node: Node, base: float) -> float:
    """ln(base), 1 for -1, which stands for e."""
    if base != -1 and not 0 < base < np.inf:
        raise node.error(f"base {base:g}", "a positive number, or -1 for e")
    return 1.0 if base == -1 else float(np.log(base))


def prepare_power(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    """(shift + scale * x) ** power. Powers other than 1 are NumPy's: few nets have them."""
    parameter = node.attributes
    power, scale, shift = (np.float32(getattr(parameter, name)) for name in ("power", "scale", "shift"))
    start = shift if shift else np.float32(-0.0)  # Caffe adds no shift of 0, so -0 stays -0
    if power * scale == 0:
        value = np.float32(1) if power == 0 else np.power(shift, power)
        return lambda inputs, outputs: outputs[0].fill(value)

    def run(inputs, outputs):
        piecewise_activation.run(inputs[0].reshape(-1), outputs[0].reshape(-1), LINEAR, scale, start)
        if power == 2:
            np.square(outputs[0], out=outputs[0])
        elif power != 1:
            np.power(outputs[0], power, out=outputs[0])

    return run


def power_curve(node: Node) -> tuple[int, float, float] | None:
    """The first power."""
    parameter = node.attributes
    shift = parameter.shift if parameter.shift else -0.0
    return (LINEAR, parameter.scale, shift) if parameter.power == 1 and parameter.scale else None


def prepare_log(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    """log(shift + scale * x) to a base."""
    parameter = node.attributes
    log_base = checked_log(node, parameter.base)
    if log_base == 0:
        raise node.error("base 1", "a positive number other than 1, or -1 for e")
    inverse = np.float32(1 / log_base)

    def run(inputs, outputs):
        piecewise_activation.run(
            inputs[0].reshape(-1), outputs[0].reshape(-1), LINEAR, parameter.scale, parameter.shift
        )
        np.log(outputs[0], out=outputs[0])
        np.multiply(outputs[0], inverse, out=outputs[0])

    return run


# ------------------------------------------------------------------------------------------------------------- gradient
# Gradients of Power, Exp and Log. Exp has a kernel, the others use NumPy: few nets train them.
def power_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
    """dx = dy * power * scale * (shift + scale * x) ** (power - 1).

    The power itself is computed. (Caffe divides y by shift + scale * x, which gives NaN at 0.)
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


def log_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
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


OPS = (
    Op(
        "Power", same_shape, prepare_power, in_place=True, kernels=(piecewise_activation,),
        gradient=Gradient(power_back), curve=power_curve,
    ),
    curve("Exp", exponential, smooth_activation, smooth_activation_gradient),
    Op(
        "Log", same_shape, prepare_log, in_place=True, kernels=(piecewise_activation,),
        gradient=Gradient(log_back),
    ),
)  # fmt: skip
