"""What the engine knows of a layer type: shapes, weights, arithmetic, gradient, cost.

A file of `ops/` declares it for a family of types:

    shapes(node, bottoms)            shapes of the tops, from those of the bottoms. Raises node.error(...).
    weight_shapes(node, bottoms)     shapes of the layer's blobs (weights, bias, ...)
    prepare(node, bottoms, tops)     for these shapes: a function run(inputs, outputs) of two lists of float32
                                     C-contiguous arrays. It reads node.weights when it runs and writes the outputs;
                                     other memory is allocated in `prepare`, not in `run`.
                                     What a layer carries over to its next run is run.state (`carried.py`).
    macs(node, bottoms, tops)        multiply-accumulates of one run

and of its gradient, if there is one:

    prepare(node, bottoms, tops, run, layers)   for these shapes, and for the `run` that the op prepared: a function
                                     back(inputs, outputs, output_gradients, input_gradients, weight_gradients)

inf and NaN are values like others: all of these are called where NumPy does not warn of them.

`back` runs after `run`, on its inputs and outputs: lists of float32 C-contiguous arrays, one per blob; gradients have
their blob's shape. It overwrites the input gradients and adds to the weight gradients; None stands for one that is not
needed. No array overlaps another, but where the layer works in place an input gradient may be the output gradient.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...compiler.jit import Kernel
from .graph import Node, Shape

MANY = 1 << 30
NO_ROW = -1  # the last key of rows behind those that are found
NO_VALUES = np.zeros(0, np.float32)  # for an operand that a layer does not have
Arrays = Sequence[np.ndarray]
Gradients = Sequence[np.ndarray | None]
Run = Callable[[Arrays, Arrays], None]
Back = Callable[[Arrays, Arrays, Arrays, Gradients, Gradients], None]


def no_curve(node: Node) -> None:
    """The `curve` of layers that are not element-wise functions."""


@dataclass(frozen=True)
class Layers:
    """How a gradient that consists of other layers runs them. `prepare` prepares one, as an Op does. `threads`: how
    many may run, None for as many as pay off."""

    prepare: Callable[[Node, list[Shape], list[Shape]], Run]
    threads: int | None = None


@dataclass(frozen=True)
class Gradient:
    """`labels` are the bottoms to which there is none, -1 for the last; `loss` says that the layer's first top is a
    loss, of which gradients are taken unless loss_weight is 0. `kernels` are those that it runs itself, `layers` the
    types of the layers that it runs. `reads_memory`: as in Caffe, of a bottom over which later layers work in place
    it gets what these left."""

    prepare: Callable[[Node, list[Shape], list[Shape], Run, Layers], Back]
    labels: tuple[int, ...] = ()
    loss: bool = False
    kernels: tuple[Kernel, ...] = ()
    layers: tuple[str, ...] = ()
    reads_memory: bool = False


@dataclass(frozen=True)
class Op:
    """One layer type. `in_place`: run is right where outputs[0] is inputs[0]. `view`: every top has the memory of
    bottom 0 in another shape, and run does nothing. `bottoms` and `tops` are the least and the largest number.
    `kernels` are those that `run` may call: they can be compiled before. `curve(node)` says of an element-wise function
    which one it is: a kind of `ops/curves.py`, a and b; None where that has none. Weights, if it has any, are a of
    all or of each channel. A plan may then run it in another layer's loop, in place. `onnx(builder, layer)` adds its
    ONNX nodes, and `kind` gives a drawing its colour: for types that are not in `frontends/onnx/write/` and
    `drawing/kinds.py`. `attributes` is the dataclass of a type that Caffe's format does not have; without such
    attributes, a layer of that name is another one. `initial(node)` are weights that neither a model nor fillers give,
    float32 arrays, after `weight_shapes` was asked; without it they are 0.

    `row_keys`, if not 0, says that tops [..., rows, columns] hold the rows that are found, and behind them padding: so
    many of the first columns (an image's number, a label) tell which rows of two results may be the same one, and in
    padding the last of these is NO_ROW."""

    type: str
    shapes: Callable[[Node, list[Shape]], list[Shape]]
    prepare: Callable[[Node, list[Shape], list[Shape]], Run]
    weight_shapes: Callable[[Node, list[Shape]], list[Shape]] = lambda node, bottoms: []
    macs: Callable[[Node, list[Shape], list[Shape]], int] = lambda node, bottoms, tops: 0
    bottoms: tuple[int, int] = (1, 1)
    tops: tuple[int, int] = (1, 1)
    in_place: bool = False
    view: bool = False
    kernels: tuple[Kernel, ...] = ()
    gradient: Gradient | None = None
    curve: Callable[[Node], tuple[int, float, float] | None] = no_curve
    onnx: Callable[[Any, Any], None] | None = None
    kind: str = ""
    attributes: type | None = None
    initial: Callable[[Node], list[np.ndarray]] | None = None
    row_keys: int = 0


def count(shape: Sequence[int], start: int = 0, end: int | None = None) -> int:
    """Product of shape[start:end], 1 for none, as Caffe's count."""
    return math.prod(shape[start:end])


def largest_size(shape: Sequence[int]) -> int:
    """Numbers of a blob of that shape, were its empty axes not: what is computed from some of its axes is no larger."""
    return math.prod(max(1, side) for side in shape)


def axis_of(node: Node, axis: int, dimensions: int) -> int:
    """`axis` of a blob with `dimensions` axes, counted from the end if negative. Raises node.error out of range."""
    if not -dimensions <= axis < dimensions:
        expected = f"{-dimensions} to {dimensions - 1}" if dimensions else "a blob that has axes"
        raise node.error(f"axis {axis} of a blob with {dimensions} axes", expected)
    return axis % dimensions


def same_shape(node: Node, bottoms: list[Shape]) -> list[Shape]:
    """The shape rule of element-wise layers."""
    return [bottoms[0]]


def nothing(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    """The `prepare` of layers that have nothing to do: inputs, views."""
    return lambda inputs, outputs: None
