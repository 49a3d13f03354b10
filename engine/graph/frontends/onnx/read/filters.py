"""Convolutions and products with constant weights."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ......formats.onnx.records import OnnxNode
from ....ir.graph import Blob
from ....ops.arrangement import Permute
from ....ops.inner_product import InnerProduct
from ....ops.padding import Pad
from ....ops.windows import Convolution
from .broadcast import plus, times, total
from .builder import GraphBuilder
from .sides import Sides, read_sides

MOST_SPATIAL_AXES = 3


def conv(builder: GraphBuilder, node: OnnxNode) -> Blob:
    blob, weights = builder.input(), _filters(builder)
    sides = read_sides(builder, blob, weights.shape[2:])
    before, after = sides.pads()
    attributes = _attributes(sides, weights.shape[0], before, after, builder.has(2))
    return builder.add("Convolution", [blob], attributes, [weights, *_bias(builder)])


def conv_transpose(builder: GraphBuilder, node: OnnxNode) -> Blob:
    """The padding behind, less what `output_padding` adds; where that is more, zeros are added before the bias."""
    blob, weights = builder.input(), _filters(builder)
    sides = read_sides(builder, blob, weights.shape[2:])
    before, after = _transposed_pads(builder, sides)
    outputs = weights.shape[1] * sides.group
    added = [max(0, -pad) for pad in after]
    bias = _bias(builder)
    attributes = _attributes(sides, outputs, before, [max(0, pad) for pad in after], bool(bias) and not any(added))
    blob = builder.add("Deconvolution", [blob], attributes, [weights, *([] if any(added) else bias)])
    if any(added):
        blob = builder.add("Pad", [blob], Pad((0,) * (2 + len(added)), (0, 0, *added)))
        for each in bias:
            blob = plus(builder, blob, each.reshape(-1, *[1] * len(added)))
    return blob


def _transposed_pads(builder: GraphBuilder, sides: Sides) -> tuple[list[int], list[int]]:
    """The padding of both sides, that behind without `output_padding`. With `output_shape` or auto_pad SAME it is
    what the output leaves, the larger half before, with SAME_UPPER behind."""
    attributes, axes = builder.node.attributes, len(sides.size)
    more = list(attributes.get("output_padding", (0,) * axes))
    wanted = attributes.get("output_shape")
    if wanted is None and sides.auto.startswith("SAME"):
        wanted = [n * s for n, s in zip(sides.size, sides.stride, strict=True)]
    if wanted is None:
        before, after = sides.pads()
    else:
        wanted = list(wanted)[-axes:]
        full = [(n - 1) * s + e for n, s, e in zip(sides.size, sides.stride, sides.extent, strict=True)]
        totals = [f + m - size for f, m, size in zip(full, more, wanted, strict=True)]
        pairs = [_halves(total, behind=sides.auto == "SAME_UPPER") for total in totals]
        before, after = map(list, zip(*pairs, strict=True))
    return before, [pad - each for pad, each in zip(after, more, strict=True)]


def _halves(total: int, *, behind: bool) -> tuple[int, int]:
    """A padding in two halves, the larger one before or behind; behind what is missing instead."""
    less = max(0, total) // 2
    return (less, total - less) if behind or total < 0 else (total - less, less)


def _attributes(sides: Sides, outputs: int, before, after, bias: bool) -> Convolution:
    return Convolution(
        outputs,
        sides.kernel,
        sides.stride,
        tuple(before),
        tuple(after),
        sides.dilation,
        sides.group,
        bias_term=bias,
    )


def _filters(builder: GraphBuilder) -> np.ndarray:
    weights = builder.needed_constant(1, "W")
    spatial = len(builder.axes[builder.input()]) - 2
    if not 1 <= spatial <= MOST_SPATIAL_AXES:
        builder.refuse(f"has {spatial} spatial axes", f"1 to {MOST_SPATIAL_AXES}")
    if weights.ndim != spatial + 2:
        builder.refuse(f"has W of shape {list(weights.shape)}", f"{spatial + 2} axes")
    return weights


def _bias(builder: GraphBuilder) -> list[np.ndarray]:
    return [builder.needed_constant(2, "B")] if builder.has(2) else []


# ------------------------------------------------------------------------------------------------------------- products
def gemm(builder: GraphBuilder, node: OnnxNode) -> Blob:
    """alpha * A' @ B' + beta * C, where B is constant and C may be a value."""
    blob, attributes = builder.input(), node.attributes
    weights = builder.needed_constant(1, "B") * np.float32(attributes.get("alpha", 1.0))
    if weights.ndim != 2 or len(builder.axes[blob]) != 2:
        builder.refuse("has operands of other than 2 axes", "matrices")
    if attributes.get("transA"):
        blob = builder.add("Permute", [blob], Permute((1, 0)))
    beta, transposed = np.float32(attributes.get("beta", 1.0)), not attributes.get("transB", 0)
    outputs = weights.shape[1 if transposed else 0]
    constant = builder.constant(2)
    bias = None if constant is None else constant * beta
    if bias is not None and bias.shape not in ((), (1,), (1, 1), (outputs,), (1, outputs)):
        return plus(builder, _product(builder, blob, weights, None, transposed), bias)
    if bias is not None:
        bias = np.broadcast_to(bias.reshape(-1), outputs)
    result = _product(builder, blob, weights, bias, transposed)
    if constant is None and builder.has(2):
        result = total(builder, result, times(builder, builder.input(2), beta) if beta != 1 else builder.input(2))
    return result


def matmul(builder: GraphBuilder, node: OnnxNode) -> Blob:
    """A value times a constant matrix or vector, on the last axis."""
    weights = builder.constant(1)
    if weights is None:
        builder.refuse("has a constant on the left", "one on the right")
    blob = builder.input()
    while weights.ndim > 2 and weights.shape[0] == 1 and weights.ndim <= len(builder.axes[blob]):
        weights = weights[0]
    if weights.ndim not in (1, 2):
        builder.refuse(f"has a constant of shape {list(weights.shape)}", "a matrix")
    result = _product(builder, blob, weights.reshape(len(weights), -1), None, transposed=True)
    return builder.reshape(result, builder.axes[result][:-1]) if weights.ndim == 1 else result


def _product(builder: GraphBuilder, blob: Blob, weights: np.ndarray, bias: np.ndarray | None, transposed: bool) -> Blob:
    axis, outputs = len(builder.axes[blob]) - 1, weights.shape[1 if transposed else 0]
    if axis < 0:
        builder.refuse("multiplies one number by a matrix", "a value with axes")
    attributes = InnerProduct(outputs, bias is not None, axis, transposed)
    return builder.add("InnerProduct", [blob], attributes, [weights, *([] if bias is None else [bias])])


OPERATORS: dict[str, Callable] = {"Conv": conv, "ConvTranspose": conv_transpose, "Gemm": gemm, "MatMul": matmul}
