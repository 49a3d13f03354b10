"""Functions of each value by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ......formats.onnx.records import OnnxNode
from ....ir.graph import Blob
from ....ops.eltwise import ELTWISE_PROD, ELTWISE_SUM, Eltwise
from ....ops.piecewise import Clip, HardSigmoid, Threshold
from ....ops.powers import Exp, Log, Power
from ....ops.relu import PReLU, ReLU
from ....ops.smooth import ELU, SELU, Swish
from .broadcast import negated, power, times
from .builder import GraphBuilder

BOUNDS_ARE_INPUTS = 11  # of Clip, since this opset
SLOPES_OF_CHANNELS = 7  # before this opset a slope is one number, or one per channel


def simple(kind: str, make: Callable[..., Any] | None = None, **defaults: float) -> Callable:
    """An operator that is one layer, whose attributes are made of the operator's, with these `defaults`."""

    def read(builder: GraphBuilder, node: OnnxNode) -> Blob:
        given = {name: builder.number(name, default) for name, default in defaults.items()}
        return builder.add(kind, [builder.input()], make(**given) if make else None)

    return read


def relu(builder: GraphBuilder, node: OnnxNode) -> Blob:
    return builder.add("ReLU", [builder.input()], ReLU())


def leaky_relu(builder: GraphBuilder, node: OnnxNode) -> Blob:
    return builder.add("ReLU", [builder.input()], ReLU(builder.number("alpha", 0.01)))


def prelu(builder: GraphBuilder, node: OnnxNode) -> Blob:
    """A slope per channel where it is the same for all positions, else max(x, 0) + slope * min(x, 0) by layers."""
    blob, slope = builder.input(), builder.needed_constant(1, "slope")
    rank = len(builder.axes[blob])
    if slope.size == 1 and rank > 1:
        return builder.add("PReLU", [blob], PReLU(channel_shared=True), [slope.reshape(())])
    if node.version < SLOPES_OF_CHANNELS and rank > 1:
        slope = slope.reshape(-1, *[1] * (rank - 2))
    slopes = _channel_slopes(slope, rank)
    if slopes is not None and slopes.size == builder.axes[blob][1][0]:
        return builder.add("PReLU", [blob], PReLU(), [slopes])
    positive = builder.add("ReLU", [blob], ReLU())
    negative = builder.add("ReLU", [negated(builder, blob)], ReLU())
    return builder.add("Eltwise", [positive, times(builder, negative, -slope)], Eltwise(ELTWISE_SUM))


def _channel_slopes(slope: np.ndarray, rank: int) -> np.ndarray | None:
    """One slope per channel of a value with `rank` axes, where all positions have the same."""
    if rank < 2 or slope.ndim > rank or slope.ndim < rank - 1 or (slope.ndim == rank and slope.shape[0] != 1):
        return None
    rows: np.ndarray = slope.reshape(slope.shape[slope.ndim - rank + 1], -1)
    return np.ascontiguousarray(rows[:, 0]) if (rows == rows[:, :1]).all() else None


def clip(builder: GraphBuilder, node: OnnxNode) -> Blob:
    """Bounds are attributes before opset 11; one that is missing is infinite."""
    bounds = {}
    for position, (name, missing) in enumerate((("min", -np.inf), ("max", np.inf)), 1):
        bounds[name] = float(node.attributes.get(name, missing))
        if node.version >= BOUNDS_ARE_INPUTS and builder.has(position):
            bound = builder.needed_constant(position, name)
            if bound.size != 1:
                builder.refuse(f"{name} has {bound.size} numbers", "one")
            bounds[name] = float(bound.reshape(()))
    if bounds["min"] > bounds["max"]:
        builder.refuse(f"has min {bounds['min']:g} and max {bounds['max']:g}", "min up to max")
    return builder.add("Clip", [builder.input()], Clip(**bounds))


def selu(builder: GraphBuilder, node: OnnxNode) -> Blob:
    default = SELU()
    attributes = SELU(builder.number("alpha", default.alpha), builder.number("gamma", default.scale))
    return builder.add("SELU", [builder.input()], attributes)


def celu(builder: GraphBuilder, node: OnnxNode) -> Blob:
    alpha = builder.number("alpha", 1.0)
    curve = builder.add("ELU", [builder.add("Power", [builder.input()], Power(scale=1 / alpha))], ELU())
    return builder.add("Power", [curve], Power(scale=alpha))


def softsign(builder: GraphBuilder, node: OnnxNode) -> Blob:
    """x / (1 + |x|)."""
    size = builder.add("AbsVal", [builder.input()])
    return _gated(builder, builder.add("Power", [size], Power(power=-1.0, shift=1.0)))


def thresholded_relu(builder: GraphBuilder, node: OnnxNode) -> Blob:
    """x where it is above alpha, else 0."""
    gate = builder.add("Threshold", [builder.input()], Threshold(builder.number("alpha", 1.0)))
    return _gated(builder, gate)


def _gated(builder: GraphBuilder, gate: Blob) -> Blob:
    return builder.add("Eltwise", [builder.input(), gate], Eltwise(ELTWISE_PROD))


def swish(builder: GraphBuilder, node: OnnxNode) -> Blob:
    return builder.add("Swish", [builder.input()], Swish(builder.number("alpha", 1.0)))


def pow_(builder: GraphBuilder, node: OnnxNode) -> Blob:
    exponent = builder.needed_constant(1, "exponent")
    if exponent.size != 1:
        builder.refuse(f"has {exponent.size} exponents", "one number")
    return power(builder, builder.input(), float(exponent.reshape(())))


OPERATORS = {
    "Abs": simple("AbsVal"),
    "Celu": celu,
    "Clip": clip,
    "Elu": simple("ELU", ELU, alpha=1.0),
    "Exp": simple("Exp", Exp),
    "HardSigmoid": simple("HardSigmoid", HardSigmoid, alpha=0.2, beta=0.5),
    "HardSwish": simple("HardSwish"),
    "LeakyRelu": leaky_relu,
    "Log": simple("Log", Log),
    "Mish": simple("Mish"),
    "Neg": lambda builder, node: negated(builder, builder.input()),
    "PRelu": prelu,
    "Pow": pow_,
    "Reciprocal": lambda builder, node: power(builder, builder.input(), -1.0),
    "Relu": relu,
    "Selu": selu,
    "Sigmoid": simple("Sigmoid"),
    "Softplus": simple("BNLL"),
    "Softsign": softsign,
    "Sqrt": lambda builder, node: power(builder, builder.input(), 0.5),
    "Swish": swish,
    "Tanh": simple("TanH"),
    "ThresholdedRelu": thresholded_relu,
}
