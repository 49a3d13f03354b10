"""Eltwise: sums, products and maxima of blobs of one shape."""

from __future__ import annotations

from dataclasses import dataclass

from ...compiler import signatures as types
from ...compiler.cpu import LANES
from ...compiler.jit import F1, F1_IN, f32, i64, inline, kernel
from ...vectors import simd
from ..ir.graph import Node, Shape
from ..ir.op import MANY, Op, Run

PROD, SUM, MAX = range(3)  # as in EltwiseParameter


@dataclass(frozen=True)
class Eltwise:
    """`operation`: PROD, SUM or MAX. `coeff`: a factor per bottom of a sum, or none."""

    operation: int = SUM
    coeff: tuple[float, ...] = ()


@inline
def combination(kind, v, w, a, b):
    if kind == PROD:
        return v * w
    if kind == SUM:
        return simd.fma(a, v, b * w)
    return simd.maximum(v, w)


@kernel(types.void(F1_IN, F1_IN, F1, i64, f32, f32))
def combine(x, y, z, kind, a, b):
    """PROD z = x * y, SUM z = a*x + b*y, MAX z = x where x > y, else y (also where either is NaN).

    x, y, z [P]; z may be x or y.
    """
    first, second, whole = simd.broadcast(a), simd.broadcast(b), x.size // LANES * LANES
    for i in range(0, whole, LANES):
        simd.store(z, i, combination(kind, simd.load(x, i), simd.load(y, i), first, second))
    if whole < x.size:
        left = x.size - whole
        v, w = simd.load_part(x, whole, left), simd.load_part(y, whole, left)
        simd.store_part(z, whole, combination(kind, v, w, first, second), left)


def eltwise_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    coefficients, kind = node.attributes.coeff, node.attributes.operation
    if len(coefficients) not in (0, len(bottoms)):
        raise node.error(f"has {len(coefficients)} coeff for {len(bottoms)} bottoms", "none, or one a bottom")
    if kind == PROD and len(coefficients):
        raise node.error("has coeff for a product", "coeff with SUM only")
    for blob, shape in zip(node.bottoms, bottoms, strict=True):
        if shape != bottoms[0]:
            raise node.error(f"{blob.name!r} has the shape {list(shape)}", f"{list(bottoms[0])} like the first bottom")
    return [bottoms[0]]


def prepare_eltwise(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    """The first two bottoms, then one more at a time: Caffe's order, also in which of two equal (or NaN) wins."""
    kind = node.attributes.operation
    factors = list(node.attributes.coeff) or [1.0] * len(bottoms)

    def run(inputs, outputs):
        top, (first, second, *others) = outputs[0].reshape(-1), [bottom.reshape(-1) for bottom in inputs]
        combine.run(first, second, top, kind, factors[0], factors[1])
        for bottom, factor in zip(others, factors[2:], strict=True):
            combine.run(bottom, top, top, kind, factor, 1.0)

    return run


OPS = (Op("Eltwise", eltwise_shapes, prepare_eltwise, bottoms=(2, MANY)),)
