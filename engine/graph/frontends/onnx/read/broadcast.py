"""Sums, differences, products, quotients, maxima and minima, of constants and of values, with ONNX's broadcasting.

a constant of one number                     Power
a constant of some axes                      Scale or Bias of these axes; the value is tiled where it has one
values of equal shapes                       Eltwise
a value of some axes of the other's          Scale or Bias with two bottoms (squeeze-excite)
other values                                 Tile, then Eltwise
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ......formats.onnx.records import OnnxNode
from ....ir.graph import Blob
from ....ops.arrangement import Tile
from ....ops.eltwise import ELTWISE_MAX, ELTWISE_MIN, ELTWISE_PROD, ELTWISE_SUM, Eltwise
from ....ops.piecewise import Clip
from ....ops.powers import Power
from ....ops.scale import Bias, Scale
from .builder import Axes, GraphBuilder

NO_BROADCAST = 7  # before this opset the right side is broadcast only where `broadcast` says so


# ------------------------------------------------------------------------------------------------------------ constants
def plus(builder: GraphBuilder, blob: Blob, addend: np.ndarray) -> Blob:
    """A factor before becomes one layer with it."""
    if addend.size == 1:
        blob, before = _power_before(builder, with_axes(builder, blob, addend.ndim), power=1.0, shift=0.0)
        return builder.add("Power", [blob], replace(before, shift=float(addend.reshape(()))))
    blob, axis, operand = aligned(builder, blob, addend)
    scale = builder.maker(blob, "Scale")
    if scale and len(scale.bottoms) == 1 and scale.attributes == Scale(axis, operand.ndim) and builder.take_back(blob):
        return builder.add("Scale", scale.bottoms, replace(scale.attributes, bias_term=True), [*scale.weights, operand])
    return builder.add("Bias", [blob], Bias(axis, operand.ndim), [operand])


def times(builder: GraphBuilder, blob: Blob, factor: np.ndarray) -> Blob:
    if factor.size == 1:
        blob = with_axes(builder, blob, factor.ndim)
        return builder.add("Power", [blob], Power(scale=float(factor.reshape(()))))
    blob, axis, operand = aligned(builder, blob, factor)
    return builder.add("Scale", [blob], Scale(axis, operand.ndim), [operand])


def power(builder: GraphBuilder, blob: Blob, exponent: float) -> Blob:
    blob, before = _power_before(builder, blob, power=1.0)
    return builder.add("Power", [blob], replace(before, power=exponent))


def negated(builder: GraphBuilder, blob: Blob) -> Blob:
    return builder.add("Power", [blob], Power(scale=-1.0))


def _power_before(builder: GraphBuilder, blob: Blob, **attributes: float) -> tuple[Blob, Power]:
    """The value, and a Power that does nothing; or what a Power before reads, and that one, if it has these
    attributes."""
    node = builder.maker(blob, "Power")
    if node is None or replace(node.attributes, **attributes) != node.attributes or not builder.take_back(blob):
        return blob, Power()
    return node.bottoms[0], node.attributes


def aligned(builder: GraphBuilder, blob: Blob, constant: np.ndarray) -> tuple[Blob, int, np.ndarray]:
    """The value, tiled where the constant has more; and the first of the axes that the constant has, with its numbers
    for them."""
    blob = with_axes(builder, blob, constant.ndim)
    rank = len(builder.axes[blob])
    shape = (*[1] * (rank - constant.ndim), *constant.shape)
    for axis, size in enumerate(shape):
        blob = tiled(builder, blob, axis, builder.same(size))
    axes = [axis for axis, size in enumerate(shape) if size > 1]
    first, last = axes[0], axes[-1] + 1
    whole = [builder.sizes(blob, axis) for axis in range(first, last)]
    try:
        return blob, first, np.ascontiguousarray(np.broadcast_to(constant.reshape(shape[first:last]), whole))
    except ValueError:
        builder.refuse(f"has a constant of shape {list(constant.shape)}", f"one that broadcasts to {whole}")


# --------------------------------------------------------------------------------------------------------------- values
def with_axes(builder: GraphBuilder, blob: Blob, rank: int) -> Blob:
    """The value with leading axes of one, up to `rank` axes."""
    missing = rank - len(builder.axes[blob])
    return builder.reshape(blob, [builder.ones()] * missing + builder.axes[blob]) if missing > 0 else blob


def tiled(builder: GraphBuilder, blob: Blob, axis: int, sizes: tuple[int, ...]) -> Blob:
    """The value, repeated along an axis if it has one number there and `sizes` more."""
    if builder.axes[blob][axis] != builder.ones() or sizes == builder.ones():
        return blob
    if len(set(sizes)) > 1:
        builder.refuse("broadcasts along the batch", "values of every row")
    if sizes[0] < 1:
        builder.refuse(f"broadcasts to {sizes[0]} numbers", "1 or more")
    return builder.add("Tile", [blob], Tile(axis, sizes[0]))


def _both(builder: GraphBuilder, a: Blob, b: Blob) -> tuple[Blob, Blob, Axes]:
    """Two values of as many axes, and the axes of their result."""
    rank = max(len(builder.axes[a]), len(builder.axes[b]))
    a, b = with_axes(builder, a, rank), with_axes(builder, b, rank)
    result = []
    for one, other in zip(builder.axes[a], builder.axes[b], strict=True):
        if one != other and builder.ones() not in (one, other):
            shapes = [[sizes[0] for sizes in builder.axes[blob]] for blob in (a, b)]
            builder.refuse(f"combines {shapes[0]} with {shapes[1]}", "shapes that broadcast to each other")
        result.append(other if one == builder.ones() else one)
    return a, b, result


def eltwise(builder: GraphBuilder, a: Blob, b: Blob, operation: int, coeff: tuple[float, ...] = ()) -> Blob:
    a, b, result = _both(builder, a, b)
    for axis, sizes in enumerate(result):
        a, b = (tiled(builder, blob, axis, sizes) for blob in (a, b))
    return builder.add("Eltwise", [a, b], Eltwise(operation, coeff))


def _operand(builder: GraphBuilder, small: Blob, result: Axes) -> tuple[Blob, int] | None:
    """A value as the second bottom of a Scale, which has some adjacent axes of `result`; None where it has others."""
    axes = builder.axes[small]
    own = [axis for axis, sizes in enumerate(axes) if sizes != builder.ones()]
    first, last = (own[0], own[-1] + 1) if own else (0, 0)
    if axes[first:last] != result[first:last]:
        return None
    return builder.reshape(small, axes[first:last]), first


def _scaled(builder: GraphBuilder, kind: str, big: Blob, small: Blob) -> Blob | None:
    """`big` times or plus `small`, which is broadcast; None where no Scale or Bias does that."""
    big, small, result = _both(builder, big, small)
    if builder.axes[big] != result or builder.axes[small] == result:
        return None
    operand = _operand(builder, small, result)
    if operand is None:
        return None
    attributes = Scale(axis=operand[1]) if kind == "Scale" else Bias(axis=operand[1])
    return builder.add(kind, [big, operand[0]], attributes)


def product(builder: GraphBuilder, a: Blob, b: Blob) -> Blob:
    found = _scaled(builder, "Scale", a, b) or _scaled(builder, "Scale", b, a)
    return found or eltwise(builder, a, b, ELTWISE_PROD)


def total(builder: GraphBuilder, a: Blob, b: Blob) -> Blob:
    found = _scaled(builder, "Bias", a, b) or _scaled(builder, "Bias", b, a)
    return found or eltwise(builder, a, b, ELTWISE_SUM)


def difference(builder: GraphBuilder, a: Blob, b: Blob) -> Blob:
    if builder.axes[a] == builder.axes[b]:
        return eltwise(builder, a, b, ELTWISE_SUM, (1.0, -1.0))
    return total(builder, a, negated(builder, b))


# ------------------------------------------------------------------------------------------------------------ operators
def add(builder: GraphBuilder, node: OnnxNode) -> Blob:
    return _combined(builder, plus, total)


def mul(builder: GraphBuilder, node: OnnxNode) -> Blob:
    return _combined(builder, times, product)


def sub(builder: GraphBuilder, node: OnnxNode) -> Blob:
    first, second = _operands(builder)
    if isinstance(second, np.ndarray):
        return plus(builder, _blob(builder, first), -second)
    if isinstance(first, np.ndarray):
        if first.size == 1:
            blob = with_axes(builder, second, first.ndim)
            return builder.add("Power", [blob], Power(scale=-1.0, shift=float(first.reshape(()))))
        return plus(builder, negated(builder, second), first)
    return difference(builder, first, second)


def div(builder: GraphBuilder, node: OnnxNode) -> Blob:
    first, second = _operands(builder)
    if isinstance(second, np.ndarray):
        with np.errstate(divide="ignore"):
            return times(builder, _blob(builder, first), (1 / np.float64(second)).astype(np.float32))
    inverse = power(builder, second, -1.0)
    return times(builder, inverse, first) if isinstance(first, np.ndarray) else product(builder, first, inverse)


def _combined(builder: GraphBuilder, with_constant: Callable, with_value: Callable) -> Blob:
    first, second = _operands(builder)
    if isinstance(first, np.ndarray):
        first, second = second, first
    if isinstance(second, np.ndarray):
        return with_constant(builder, _blob(builder, first), second)
    return with_value(builder, first, second)


def _blob(builder: GraphBuilder, operand: Blob | np.ndarray) -> Blob:
    return builder.parameter(operand) if isinstance(operand, np.ndarray) else operand


def _operands(builder: GraphBuilder) -> tuple[Blob | np.ndarray, Blob | np.ndarray]:
    """Both inputs, constants as arrays; before opset 7 the second one with the axes at which it lies."""
    first, second = (builder.constant(position) for position in (0, 1))
    a = builder.input(0) if first is None else first
    b = builder.input(1) if second is None else second
    node = builder.node
    if node.version < NO_BROADCAST and node.attributes.get("broadcast") and "axis" in node.attributes:
        rank = a.ndim if isinstance(a, np.ndarray) else len(builder.axes[a])
        axis = node.attributes["axis"] % rank
        if isinstance(b, np.ndarray):
            b = b.reshape(*b.shape, *[1] * max(0, rank - axis - b.ndim))
        else:
            behind = max(0, rank - axis - len(builder.axes[b]))
            b = builder.reshape(b, builder.axes[b] + [builder.ones()] * behind)
    return a, b


# ------------------------------------------------------------------------------------------------- of several operands
def _folded(with_constant: Callable, with_value: Callable) -> Callable:
    """An operator of any number of operands, two at a time."""

    def read(builder: GraphBuilder, node: OnnxNode) -> Blob:
        inputs = range(len(node.inputs))
        values = [builder.input(position) for position in inputs if builder.constant(position) is None]
        constants = [builder.constant(position) for position in inputs if builder.constant(position) is not None]
        blob = values[0] if values else builder.parameter(constants.pop(0))
        for other in values[1:]:
            blob = with_value(builder, blob, other)
        for constant in constants:
            blob = with_constant(builder, blob, constant)
        return blob

    return read


def _limited(operation: int, bound: str) -> Callable:
    def limited(builder: GraphBuilder, blob: Blob, constant: np.ndarray) -> Blob:
        if constant.size != 1:
            return eltwise(builder, blob, builder.parameter(constant), operation)
        bounds = {"min": -np.inf, "max": np.inf, bound: float(constant.reshape(()))}
        return builder.add("Clip", [with_axes(builder, blob, constant.ndim)], Clip(**bounds))

    return limited


def _extreme(operation: int) -> Callable:
    return lambda builder, a, b: eltwise(builder, a, b, operation)


def mean(builder: GraphBuilder, node: OnnxNode) -> Blob:
    blob = _sum(builder, node)
    return blob if len(node.inputs) == 1 else times(builder, blob, np.array(1 / len(node.inputs), np.float32))


_sum = _folded(plus, total)
OPERATORS = {
    "Add": add,
    "Div": div,
    "Max": _folded(_limited(ELTWISE_MAX, "min"), _extreme(ELTWISE_MAX)),
    "Mean": mean,
    "Min": _folded(_limited(ELTWISE_MIN, "max"), _extreme(ELTWISE_MIN)),
    "Mul": mul,
    "Sub": sub,
    "Sum": _sum,
}
