"""Eltwise: sums, products, maxima and minima of blobs of one shape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...compiler import signatures as types
from ...compiler.cpu import LANES
from ...compiler.jit import F1, F1_IN, f32, i64, inline, kernel
from ...vectors import simd
from ..ir.graph import Node, Shape
from ..ir.op import MANY, Back, Gradient, Layers, Op, Run

ELTWISE_PROD, ELTWISE_SUM, ELTWISE_MAX = range(3)  # as in EltwiseParameter
ELTWISE_MIN = 3  # which Caffe does not have


@dataclass(frozen=True)
class Eltwise:
    """`operation`: PROD, SUM, MAX or MIN. `coeff`: a factor per bottom of a sum, or none."""

    operation: int = ELTWISE_SUM
    coeff: tuple[float, ...] = ()


@inline
def combination(kind, v, w, a, b):
    if kind == ELTWISE_PROD:
        return v * w
    if kind == ELTWISE_SUM:
        return simd.fma(a, v, b * w)
    return simd.maximum(v, w) if kind == ELTWISE_MAX else simd.minimum(v, w)


@kernel(types.void(F1_IN, F1_IN, F1, i64, f32, f32))
def combine(x, y, z, kind, a, b):
    """PROD z = x * y, SUM z = a*x + b*y, MAX (MIN) z = x where x > y (x < y), else y (also where either is NaN).

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
        raise node.error(f"has {len(coefficients)} coeff for {len(bottoms)} bottoms", "none, or one per bottom")
    if kind == ELTWISE_PROD and len(coefficients):
        raise node.error("has coeff for a product", "coeff with SUM only")
    for blob, shape in zip(node.bottoms, bottoms, strict=True):
        if shape != bottoms[0]:
            raise node.error(f"{blob.name!r} has the shape {list(shape)}", f"{list(bottoms[0])} like the first bottom")
    return [bottoms[0]]


def prepare_eltwise(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    """The first two bottoms, then one more at a time: Caffe's order, also for equal values and NaN."""
    kind = node.attributes.operation
    factors = list(node.attributes.coeff) or [1.0] * len(bottoms)

    def run(inputs, outputs):
        top, (first, second, *others) = outputs[0].reshape(-1), [bottom.reshape(-1) for bottom in inputs]
        combine.run(first, second, top, kind, factors[0], factors[1])
        for bottom, factor in zip(others, factors[2:], strict=True):
            combine.run(bottom, top, top, kind, factor, 1.0)

    return run


# ------------------------------------------------------------------------------------------------------------- gradient
def eltwise_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
    """SUM coeff * dy    PROD dy times the other bottoms    MAX, MIN dy where the bottom was taken.

    The product of the others is always computed; Caffe's stable_prod_grad: false divides y by the bottom instead,
    which is the same but for bottoms near 0.
    """
    kind = node.attributes.operation
    exceeds = np.less if kind == ELTWISE_MIN else np.greater
    factors = [np.float32(each) for each in node.attributes.coeff] or [np.float32(1)] * len(bottoms)

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        dy = output_gradients[0]
        taken = None if kind in (ELTWISE_PROD, ELTWISE_SUM) else winners(inputs, exceeds)
        for number, dx in enumerate(input_gradients):
            if dx is None:
                continue
            if kind == ELTWISE_SUM:
                np.multiply(dy, factors[number], out=dx)
            elif kind == ELTWISE_PROD:
                np.copyto(dx, dy)
                for other, x in enumerate(inputs):
                    if other != number:
                        np.multiply(dx, x, out=dx)
            else:
                np.multiply(dy, taken == number, out=dx)

    return back


def winners(inputs, exceeds=np.greater) -> np.ndarray:
    """Which bottom exceeds the others at each position; of equal ones the second is taken before the first, and these
    before the later ones, as in the forward run."""
    taken = np.where(exceeds(inputs[0], inputs[1]), 0, 1)
    best = np.where(taken == 0, inputs[0], inputs[1])
    for number, x in enumerate(inputs[2:], 2):
        better = exceeds(x, best)
        taken[better], best[better] = number, x[better]
    return taken


OPS = (
    Op(
        "Eltwise", eltwise_shapes, prepare_eltwise, bottoms=(2, MANY), kernels=(combine,),
        gradient=Gradient(eltwise_back),
    ),
)  # fmt: skip
