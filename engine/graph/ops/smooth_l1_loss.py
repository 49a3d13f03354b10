"""SmoothL1Loss: squares of small differences, absolute values of large ones.   Three layers have this name:

SSD's        2 bottoms a, b               d = a - b
R-CNN's      2 bottoms, or 4 with the     d = (a - b) * inside,  times outside
             weights inside and outside
R-FCN's      3 bottoms, with weights w    d = (a - b) * w,  whose gradient leaves out this factor

The loss is the sum of sigma^2 * d^2 / 2 where |d| < 1 / sigma^2, else |d| - 1 / (2 * sigma^2), over the rows of a, or
of R-FCN's over what loss_param says. sigma, R-CNN's, is 1 in the others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..ir.graph import Node, Shape
from ..ir.op import Back, Gradient, Layers, Op, Run, count
from .losses import NORMALIZE_VALID, divisor, write

FULLY_WEIGHTED, WEIGHTED = 4, 3  # bottoms
NO_SIGMA = np.float32(1)
LEAST_SIGMA = 1e-15  # of which the square and its inverse are numbers of float32


@dataclass(frozen=True)
class SmoothL1Loss:
    """`normalization`: of R-FCN's layer, one of NORMALIZE_*."""

    sigma: float | None = None
    normalization: int = NORMALIZE_VALID


def smooth_l1_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    if not bottoms[0] or any(bottom != bottoms[0] for bottom in bottoms):
        raise node.error(f"bottoms of shapes {', '.join(str(list(bottom)) for bottom in bottoms)}", "one shape of all")
    sigma = node.attributes.sigma
    if sigma is not None and not LEAST_SIGMA <= sigma <= 1 / LEAST_SIGMA:
        raise node.error(f"sigma {sigma:g}", f"{LEAST_SIGMA:g} to {1 / LEAST_SIGMA:g}")
    if sigma is not None and len(bottoms) == WEIGHTED:
        raise node.error("has sigma with 3 bottoms", "2, or 4 with the weights inside and outside")
    return [()] * len(node.tops)


def whole_divisor(node: Node, bottoms: list[Shape]) -> int:
    rows = bottoms[0][0]
    if len(bottoms) != WEIGHTED:
        return max(1, rows)
    pixels = count(bottoms[0][:1] + bottoms[0][2:]) // max(1, rows)
    return divisor(node.attributes.normalization, rows, pixels, rows * pixels)


def differences(inputs) -> np.ndarray:
    d = inputs[0] - inputs[1]
    return d * inputs[2] if len(inputs) > 2 else d


def squared_sigma(node: Node) -> np.float32:
    return NO_SIGMA if node.attributes.sigma is None else np.float32(node.attributes.sigma) ** 2


def smooth_l1(d: np.ndarray, squared: np.float32) -> np.ndarray:
    size = np.abs(d)
    return np.where(size < 1 / squared, squared * d * d / 2, size - np.float32(0.5) / squared)


def smooth_l1_slope(d: np.ndarray, squared: np.float32) -> np.ndarray:
    return np.where(np.abs(d) < 1 / squared, squared * d, np.sign(d))


def prepare_smooth_l1(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    squared, whole = squared_sigma(node), whole_divisor(node, bottoms)

    def run(inputs, outputs):
        terms = smooth_l1(differences(inputs), squared)
        if len(inputs) == FULLY_WEIGHTED:
            terms *= inputs[3]
        write(outputs, terms.sum(dtype=np.float64) / whole)

    return run


def smooth_l1_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
    squared, whole = squared_sigma(node), whole_divisor(node, bottoms)

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        slope = smooth_l1_slope(differences(inputs), squared) * np.float32(output_gradients[0] / whole)
        if len(inputs) == FULLY_WEIGHTED:
            slope *= inputs[2] * inputs[3]
        for dx, sign in zip(input_gradients[:2], (1, -1), strict=True):
            if dx is not None:
                np.multiply(slope, np.float32(sign), out=dx)

    return back


OPS = (
    Op(
        "SmoothL1Loss", smooth_l1_shapes, prepare_smooth_l1, bottoms=(2, 4), tops=(0, 1),
        gradient=Gradient(smooth_l1_back, labels=(2, 3), loss=True),
    ),
)  # fmt: skip
