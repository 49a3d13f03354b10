"""Layers that work on each value by itself, and Eltwise."""

from __future__ import annotations

import math

from onnx import TensorProto

from ....ops.eltwise import ELTWISE_MAX, ELTWISE_MIN, ELTWISE_PROD
from ....ops.piecewise import RELU6_CAP, clip_bounds
from ....ops.powers import checked_log, exponential
from .builder import Builder, ExportedLayer

HARD_SWISH_TYPES = "HardSwish", "HSwish"


def simple(kind: str):
    """A layer that is one ONNX node without parameters."""

    def export(builder: Builder, layer: ExportedLayer) -> None:
        builder.add(kind, layer.inputs, layer.outputs)

    return export


def relu(builder: Builder, layer: ExportedLayer) -> None:
    slope = layer.attributes.negative_slope
    if slope:
        builder.add("LeakyRelu", layer.inputs, layer.outputs, alpha=slope)
    else:
        builder.add("Relu", layer.inputs, layer.outputs)


def prelu(builder: Builder, layer: ExportedLayer) -> None:
    slopes = builder.weight(0, (-1, *[1] * (len(layer.bottoms[0]) - 2)))
    builder.add("PRelu", [*layer.inputs, slopes], layer.outputs)


def elu(builder: Builder, layer: ExportedLayer) -> None:
    builder.add("Elu", layer.inputs, layer.outputs, alpha=layer.attributes.alpha)


def swish(builder: Builder, layer: ExportedLayer) -> None:
    gate = builder.add("Sigmoid", [builder.times(layer.inputs[0], layer.attributes.beta)])
    builder.add("Mul", [layer.inputs[0], gate], layer.outputs)


def clip(builder: Builder, layer: ExportedLayer) -> None:
    _, least, most = clip_bounds(layer.node)
    bounds = [builder.constant(bound) if abs(bound) < math.inf else "" for bound in (least, most)]
    builder.add("Clip", [*layer.inputs, *bounds], layer.outputs)


def hard_sigmoid(builder: Builder, layer: ExportedLayer) -> None:
    builder.add("HardSigmoid", layer.inputs, layer.outputs, alpha=layer.attributes.alpha, beta=layer.attributes.beta)


def selu(builder: Builder, layer: ExportedLayer) -> None:
    builder.add("Selu", layer.inputs, layer.outputs, alpha=layer.attributes.alpha, gamma=layer.attributes.scale)


def mish(builder: Builder, layer: ExportedLayer) -> None:
    """ONNX's Mish came with opset 18."""
    gate = builder.add("Tanh", [builder.add("Softplus", layer.inputs)])
    builder.add("Mul", [layer.inputs[0], gate], layer.outputs)


def relu6(builder: Builder, layer: ExportedLayer) -> None:
    value, slope = layer.inputs[0], layer.attributes.negative_slope
    if slope:
        value = builder.add("LeakyRelu", [value], alpha=slope)
    lowest = "" if slope else builder.constant(0)
    builder.add("Clip", [value, lowest, builder.constant(RELU6_CAP)], layer.outputs)


def threshold(builder: Builder, layer: ExportedLayer) -> None:
    bound = builder.constant(layer.attributes.threshold)
    above = builder.add("Greater", [*layer.inputs, bound])
    builder.add("Cast", [above], layer.outputs, to=TensorProto.FLOAT)


def power(builder: Builder, layer: ExportedLayer) -> None:
    """(shift + scale * x) ** power, where power * scale is 0 the same number for any x."""
    parameter = layer.attributes
    value = layer.inputs[0]
    if parameter.power * parameter.scale == 0:
        value = builder.add("ConstantOfShape", [builder.add("Shape", [value])])  # zeros
    else:
        value = builder.times(value, parameter.scale)
    value = builder.plus(value, parameter.shift)
    if parameter.power != 1:
        value = builder.add("Pow", [value, builder.constant(parameter.power)])
    builder.finish(value)


def exp(builder: Builder, layer: ExportedLayer) -> None:
    _, inner, outer = exponential(layer.node)
    builder.finish(builder.times(builder.add("Exp", [builder.times(layer.inputs[0], inner)]), outer))


def log(builder: Builder, layer: ExportedLayer) -> None:
    parameter = layer.attributes
    value = builder.plus(builder.times(layer.inputs[0], parameter.scale), parameter.shift)
    builder.finish(builder.times(builder.add("Log", [value]), 1 / checked_log(layer.node, parameter.base)))


def eltwise(builder: Builder, layer: ExportedLayer) -> None:
    parameter, values = layer.attributes, layer.inputs
    if parameter.operation in (ELTWISE_MAX, ELTWISE_MIN):
        builder.add("Max" if parameter.operation == ELTWISE_MAX else "Min", values, layer.outputs)
    elif parameter.operation == ELTWISE_PROD:
        product = values[0]
        for value in values[1:]:
            product = builder.add("Mul", [product, value])
        builder.finish(product)
    else:
        factors = list(parameter.coeff) or [1.0] * len(values)
        terms = [builder.times(value, factor) for value, factor in zip(values, factors, strict=True)]
        builder.add("Sum", terms, layer.outputs)


def dropout(builder: Builder, layer: ExportedLayer) -> None:
    if layer.node.phase != "TEST":
        raise layer.node.error("draws random numbers in the phase TRAIN", "the phase TEST")
    builder.finish(layer.inputs[0])


EXPORTS = {
    "AbsVal": simple("Abs"),
    "BNLL": simple("Softplus"),
    "Clip": clip,
    "Dropout": dropout,
    "ELU": elu,
    "Eltwise": eltwise,
    "Exp": exp,
    "HardSigmoid": hard_sigmoid,
    "HSigmoid": hard_sigmoid,
    **dict.fromkeys(HARD_SWISH_TYPES, simple("HardSwish")),
    "Log": log,
    "Mish": mish,
    "PReLU": prelu,
    "Power": power,
    "ReLU": relu,
    "ReLU6": relu6,
    **dict.fromkeys(("SELU", "SeLu"), selu),
    "Sigmoid": simple("Sigmoid"),
    "Swish": swish,
    "TanH": simple("Tanh"),
    "Threshold": threshold,
}
