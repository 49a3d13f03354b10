"""ShuffleChannel and Reorg: the numbers of each picture in another order.

Both are the bottom's numbers under other axes, and these in another order. Reorg has darknet's addressing: its bottom
is read as if it were [N, C / s^2, H s, W s], whose pixels go s x s to s^2 channels; in reverse the axes are as
written.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..ir.graph import PICTURE_AXES, Node, Shape
from ..ir.op import Back, Gradient, Layers, Op, Run
from .checks import refuse_in_place


@dataclass(frozen=True)
class ShuffleChannel:
    group: int = 1


@dataclass(frozen=True)
class Reorg:
    """`reverse`: pixels come from channels."""

    stride: int | None = None
    reverse: bool = False


Order = tuple[Shape, list[int]]  # the bottom's numbers under these axes, and which axis of those is each of the top


def shuffle_order(node: Node, bottom: Shape) -> Order:
    """Raises node.error."""
    group = node.attributes.group
    if len(bottom) < 2:
        raise node.error(f"has a bottom of shape {list(bottom)}", "2 axes or more, channels on axis 1")
    if group < 1 or bottom[1] % group:
        raise node.error(f"group {group} of {bottom[1]} channels", "a divisor of them")
    return (bottom[0], group, bottom[1] // group, *bottom[2:]), [0, 2, 1, *range(3, len(bottom) + 1)]


def reorg_order(node: Node, bottom: Shape) -> Order:
    """Raises node.error."""
    s = node.attributes.stride
    if len(bottom) != PICTURE_AXES:
        raise node.error(f"has a bottom of shape {list(bottom)}", f"{PICTURE_AXES} axes")
    if s is None or s < 1:
        raise node.error("has no stride" if s is None else f"stride {s}", "stride, a positive number")
    pictures, channels, height, width = bottom
    if channels % (s * s):
        raise node.error(f"stride {s} of {channels} channels", f"a multiple of {s * s} channels")
    if node.attributes.reverse:
        return (pictures, s, s, channels // (s * s), height, width), [0, 3, 4, 1, 5, 2]
    if height % s or width % s:
        raise node.error(f"stride {s} of {height} rows and {width} columns", f"multiples of {s}")
    return (pictures, channels // (s * s), height, s, width, s), [0, 3, 5, 1, 2, 4]


ORDERS = {"ShuffleChannel": shuffle_order, "Reorg": reorg_order}


def shuffle_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    refuse_in_place(node)
    shuffle_order(node, bottoms[0])
    return [bottoms[0]]


def reorg_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    refuse_in_place(node)
    reorg_order(node, bottoms[0])
    pictures, channels, height, width = bottoms[0]
    s = node.attributes.stride
    if node.attributes.reverse:
        return [(pictures, channels // (s * s), height * s, width * s)]
    return [(pictures, channels * s * s, height // s, width // s)]


def prepare_order(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    shape, order = ORDERS[node.type](node, bottoms[0])
    turned = [shape[axis] for axis in order]
    return lambda inputs, outputs: np.copyto(outputs[0].reshape(turned), inputs[0].reshape(shape).transpose(order))


def order_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
    shape, order = ORDERS[node.type](node, bottoms[0])
    turned = [shape[axis] for axis in order]

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        np.copyto(input_gradients[0].reshape(shape).transpose(order), output_gradients[0].reshape(turned))

    return back


OPS = (
    Op("ShuffleChannel", shuffle_shapes, prepare_order, gradient=Gradient(order_back)),
    Op("Reorg", reorg_shapes, prepare_order, gradient=Gradient(order_back)),
)
