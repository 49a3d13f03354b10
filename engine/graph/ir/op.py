"""What the engine knows of a Caffe layer type: shapes, weights, arithmetic, cost.

A file of `ops/` says it for a family of types:

    shapes(node, bottoms)            shapes of the tops, from those of the bottoms. Raises node.error(...).
    weight_shapes(node, bottoms)     shapes of the layer's blobs (weights, bias, ...)
    prepare(node, bottoms, tops)     for these shapes: a function run(inputs, outputs) of two lists of float32
                                     C-contiguous arrays. It reads node.weights when it runs and writes the outputs;
                                     what it needs besides it allocates in `prepare`, not in `run`.
    macs(node, bottoms, tops)        multiply-accumulates of one run
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .graph import Node, Shape

Run = Callable[[Sequence[np.ndarray], Sequence[np.ndarray]], None]
MANY = 1 << 30


@dataclass(frozen=True)
class Op:
    """One layer type. `in_place`: run is right where outputs[0] is inputs[0]. `view`: every top has the memory of
    bottom 0 in another shape, and run does nothing. `bottoms` and `tops` are the least and the largest number."""

    type: str
    shapes: Callable[[Node, list[Shape]], list[Shape]]
    prepare: Callable[[Node, list[Shape], list[Shape]], Run]
    weight_shapes: Callable[[Node, list[Shape]], list[Shape]] = lambda node, bottoms: []
    macs: Callable[[Node, list[Shape], list[Shape]], int] = lambda node, bottoms, tops: 0
    bottoms: tuple[int, int] = (1, 1)
    tops: tuple[int, int] = (1, 1)
    in_place: bool = False
    view: bool = False


def count(shape: Sequence[int], start: int = 0, end: int | None = None) -> int:
    """Product of shape[start:end], 1 for none, as Caffe's count."""
    return math.prod(shape[start:end])


def axis_of(node: Node, axis: int, dimensions: int) -> int:
    """`axis` of a blob with so many axes, counted from the end if negative. Raises node.error out of range."""
    if not -dimensions <= axis < dimensions:
        raise node.error(f"axis {axis} of a blob with {dimensions} axes", f"{-dimensions} to {dimensions - 1}")
    return axis % dimensions


def same_shape(node: Node, bottoms: list[Shape]) -> list[Shape]:
    """The shape rule of element-wise layers."""
    return [bottoms[0]]


def nothing(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    """The `prepare` of layers that have nothing to do: inputs, views."""
    return lambda inputs, outputs: None
