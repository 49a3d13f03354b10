"""ReverseTime: the first steps of each stream of a sequence backwards.   bottoms x [T, N, ...], lengths [N]."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..ir.graph import Node, Shape
from ..ir.op import Back, Gradient, Layers, Op, Run, count
from .checks import refuse_in_place, whole_numbers


@dataclass(frozen=True)
class ReverseTime:
    """`copy_remaining`: what follows the first `length` steps of a stream is copied, else it is 0."""

    copy_remaining: bool = False


def reverse_time_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    refuse_in_place(node)
    x, lengths = bottoms
    if len(x) < 2 or count(lengths) != x[1]:
        raise node.error(f"bottoms of shapes {list(x)} and {list(lengths)}", "[T, N, ...] and [N]")
    return [x]


def _turn(node: Node, lengths: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
    for n, length in enumerate(whole_numbers(node, 1, lengths.reshape(-1), len(x) + 1)):
        y[:length, n] = x[:length, n][::-1]
        y[length:, n] = x[length:, n] if node.attributes.copy_remaining else 0


def prepare_reverse_time(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    return lambda inputs, outputs: _turn(node, inputs[1], inputs[0], outputs[0])


def reverse_time_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
    """The layer is its own adjoint. There is none to the lengths."""

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        _turn(node, inputs[1], output_gradients[0], input_gradients[0])

    return back


OPS = (
    Op(
        "ReverseTime", reverse_time_shapes, prepare_reverse_time, bottoms=(2, 2),
        gradient=Gradient(reverse_time_back, labels=(1,)),
    ),
)  # fmt: skip
