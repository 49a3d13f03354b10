"""ContrastiveLoss, of pairs: similar rows shall be close, others at least `margin` apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..ir.graph import Node, Shape
from ..ir.op import Back, Gradient, Layers, Op, Run, count
from .checks import at_most_four_axes
from .losses import write

DISTANCE_ADDEND = np.float32(1e-4)  # of the divisor of a gradient, as in Caffe


@dataclass(frozen=True)
class ContrastiveLoss:
    """`legacy_version`: the margin is one of squared distances."""

    margin: float = 1.0
    legacy_version: bool = False


def contrastive_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    at_most_four_axes(node, bottoms)
    first, second, similar = bottoms
    if len(first) < 2 or first[:2] != second[:2] or any(count(shape, 2) != 1 for shape in (first, second)):
        raise node.error(f"bottoms of shapes {list(first)} and {list(second)}", "[rows, features] twice")
    if not similar or count(similar, 1) != 1 or similar[0] != first[0]:
        raise node.error(
            f"{node.bottoms[2].name!r} has the shape {list(similar)}", f"[{first[0]}], one number per pair"
        )
    return [()] * len(node.tops)


def pair_sizes(bottoms: list[Shape]) -> tuple[int, int]:
    """Rows, and numbers of each."""
    return bottoms[0][0], count(bottoms[0], 1)


class _Pairs:
    """Of one run: differences [N, C], squared distances [N] and whether pairs are similar: a whole number but 0."""

    def __init__(self, inputs, sizes: tuple[int, int]):
        self.differences = inputs[0].reshape(sizes) - inputs[1].reshape(sizes)
        self.squares = np.square(self.differences).sum(axis=1)
        self.similar = np.trunc(inputs[2].reshape(-1)) != 0


def prepare_contrastive(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    """The sum of d**2 of similar pairs, and of max(margin - d, 0)**2 of others, over twice the rows; in the legacy
    version, of max(margin - d**2, 0)."""
    sizes, rows = pair_sizes(bottoms), bottoms[0][0]
    margin, legacy = np.float32(node.attributes.margin), node.attributes.legacy_version

    def run(inputs, outputs):
        pairs = _Pairs(inputs, sizes)
        beyond = np.maximum(margin - (pairs.squares if legacy else np.sqrt(pairs.squares)), 0)
        terms = np.where(pairs.similar, pairs.squares, beyond if legacy else np.square(beyond))
        write(outputs, terms.sum(dtype=np.float64) / max(1, 2 * rows))

    return run


def contrastive_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
    """With d' = (a - b) * weight / rows: d' of similar pairs, -(margin - d) / (d + 1e-4) * d' of others within the
    margin, in the legacy version -d'; for b the negative."""
    sizes, rows = pair_sizes(bottoms), bottoms[0][0]
    margin, legacy = np.float32(node.attributes.margin), node.attributes.legacy_version

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        pairs = _Pairs(inputs, sizes)
        distance = pairs.squares if legacy else np.sqrt(pairs.squares)
        push = np.float32(-1) if legacy else -(margin - distance) / (distance + DISTANCE_ADDEND)
        factors = np.where(pairs.similar, np.float32(1), np.where(distance < margin, push, np.float32(0)))
        da = pairs.differences * (factors * np.float32(output_gradients[0] / max(1, rows)))[:, np.newaxis]
        for dx, sign in zip(input_gradients[:2], (1, -1), strict=True):
            if dx is not None:
                np.multiply(da, np.float32(sign), out=dx.reshape(sizes))

    return back


OPS = (
    Op(
        "ContrastiveLoss", contrastive_shapes, prepare_contrastive, bottoms=(3, 3), tops=(0, 1),
        gradient=Gradient(contrastive_back, (2,), loss=True),
    ),
)  # fmt: skip
