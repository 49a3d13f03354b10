"""Layers whose tops are their weights: Embed's rows, and Parameter's blob."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..ir.graph import Node, Shape
from ..ir.op import Back, Gradient, Layers, Op, Run
from .checks import whole_numbers


@dataclass(frozen=True)
class Embed:
    """Weights of `input_dim` rows."""

    num_output: int = 0
    input_dim: int = 0
    bias_term: bool = True


@dataclass(frozen=True)
class ParameterBlob:
    """Of a Parameter layer."""

    shape: Shape = ()


def embed_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    return [(*bottoms[0], node.attributes.num_output)]


def embed_weights(node: Node, bottoms: list[Shape]) -> list[Shape]:
    parameter = node.attributes
    for name in ("num_output", "input_dim"):
        if getattr(parameter, name) == 0:
            raise node.error(f"{name} 0", "a positive number")
    rows = (parameter.input_dim, parameter.num_output)
    return [rows, (parameter.num_output,)] if parameter.bias_term else [rows]


def prepare_embed(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    """y[..., :] = W[x[...]] + bias, with x truncated to whole numbers."""
    rows = embed_weights(node, bottoms)[0][0]

    def run(inputs, outputs):
        np.take(node.weights[0], whole_numbers(node, 0, inputs[0], rows), axis=0, out=outputs[0], mode="clip")
        if len(node.weights) > 1:
            np.add(outputs[0], node.weights[1], out=outputs[0])

    return run


def parameter_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    return [node.attributes.shape]


def prepare_parameter(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    return lambda inputs, outputs: np.copyto(outputs[0], node.weights[0])


# ------------------------------------------------------------------------------------------------------------- gradient
# Gradients of Embed's rows and of Parameter's blob.
def embed_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
    """Each row of dy is added to the row of W that it was read from."""
    rows, width = node.attributes.input_dim, tops[0][-1]

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        dy, (weights, *bias) = output_gradients[0].reshape(-1, width), weight_gradients
        if weights is not None:
            np.add.at(weights, whole_numbers(node, 0, inputs[0].reshape(-1), rows), dy)
        for gradient in bias:
            if gradient is not None:
                np.add(gradient, dy.sum(axis=0), out=gradient)

    return back


def parameter_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        if weight_gradients[0] is not None:
            np.add(weight_gradients[0], output_gradients[0], out=weight_gradients[0])

    return back


OPS = (
    Op("Embed", embed_shapes, prepare_embed, embed_weights, gradient=Gradient(embed_back, labels=(0,))),
    Op(
        "Parameter", parameter_shapes, prepare_parameter, parameter_shapes, bottoms=(0, 0),
        gradient=Gradient(parameter_back),
    ),
)  # fmt: skip
