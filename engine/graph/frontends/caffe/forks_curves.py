"""Activations of forks: ReLU6, SELU, HardSigmoid and HSigmoid."""

from __future__ import annotations

from ...ir.graph import Node
from ...ops.piecewise import HardSigmoid, ReLU6
from ...ops.smooth import SELU
from .fields import Reader, by_name, writes


def _read_selu(node: Node, layer) -> SELU:
    return SELU(layer.selu_param.alpha, getattr(layer.selu_param, "lambda"))  # a word of Python


_SELU = Reader(_read_selu, {"alpha": writes("selu_param", "alpha"), "scale": writes("selu_param", "lambda")})
READERS = {
    "HSigmoid": Reader(lambda node, layer: HardSigmoid(1 / 6, 0.5)),
    "HardSigmoid": by_name(HardSigmoid, "hard_sigmoid_param"),
    "ReLU6": by_name(ReLU6, "relu6_param"),
    "SELU": _SELU,
    "SeLu": _SELU,
}
