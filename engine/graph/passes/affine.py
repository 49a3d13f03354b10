"""BatchNorm, BN, Scale, Bias and linear Power layers at inference: y = factor * x + offset per channel.

    BatchNorm   factor = 1 / sqrt(var + eps), offset = -mean * factor, where mean and var are the stored sums over the
                stored scale factor, and 0 where that is 0
    BN          factor = slope / sqrt(var + eps), offset = bias - mean * factor; of SegNet's, scale and shift
    Scale       factor = gamma, offset = beta or 0
    Bias        factor = 1, offset = beta
    Power       factor = scale, offset = shift, where the power is 1

All in float64; folding rounds once, at the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..ir.graph import Blob, Graph, Node, Shape
from ..ops.batch_norm import global_statistics, uses_global_statistics
from ..ops.bn import normalises_batch, stored_statistics

AFFINE_TYPES = ("BatchNorm", "BN", "Scale", "Bias")


def is_affine(node: Node) -> bool:
    """Whether the layer is one of these."""
    return node.type in AFFINE_TYPES or (node.type == "Power" and node.attributes.power == 1)


@dataclass(frozen=True)
class Affine:
    """y = factor * x + offset along axis 1 of the blob; float64 [C], or [1] for one number for all channels."""

    factor: np.ndarray
    offset: np.ndarray

    def then(self, after: Affine) -> Affine:
        """This one, and then `after`."""
        return Affine(self.factor * after.factor, self.offset * after.factor + after.offset)


def affine_of(node: Node, axes: int) -> Affine | str:
    """The effect of `node`, an affine layer, on a bottom with `axes` axes, or why it is unknown."""
    if len(node.bottoms) != 1:
        return f"{node.name!r} takes its factors from a second bottom"
    if node.type == "Power":
        power = node.attributes
        return Affine(np.array([power.scale], np.float64), np.array([power.shift], np.float64))
    if not node.weights:
        return f"{node.name!r} has no weights"
    if node.type in ("BatchNorm", "BN"):
        return _batch_norm(node) if node.type == "BatchNorm" else _bn(node)
    return _scale(node, axes)


def affine_chain(graph: Graph, node: Node, shapes: Mapping[Blob, Shape]) -> tuple[list[Node], Affine | None]:
    """The affine layers from `node` on, each the only reader of the one before, and their common effect; none where
    that of `node` is unknown."""
    affine = affine_of(node, len(shapes[node.bottoms[0]]))
    if not isinstance(affine, Affine):
        return [], None
    chain = [node]
    while True:
        blob = chain[-1].tops[0]
        readers = graph.readers(blob)
        following = readers[0] if len(readers) == 1 and is_affine(readers[0]) else None
        found = affine_of(following, len(shapes[blob])) if following else None
        if not isinstance(found, Affine):
            return chain, affine
        affine = affine.then(found)
        chain.append(following)


def _batch_norm(node: Node) -> Affine | str:
    if not uses_global_statistics(node):
        return _by_batch(node)
    return _normalised(node, *global_statistics(node))


def _by_batch(node: Node) -> str:
    return f"{node.name!r} normalises by the statistics of each batch"


def _bn(node: Node) -> Affine | str:
    if normalises_batch(node):
        return _by_batch(node)
    scaled = Affine(*(blob.astype(np.float64).reshape(-1) for blob in node.weights[:2]))
    if node.attributes.bn_mode is not None:
        return scaled
    normalised = _normalised(node, *stored_statistics(node))
    return normalised.then(scaled) if isinstance(normalised, Affine) else normalised


def _normalised(node: Node, mean: np.ndarray, variance: np.ndarray) -> Affine | str:
    variance = variance + np.float64(np.float32(node.attributes.eps))
    if not (variance > 0).all():
        channel = int(np.argmin(variance > 0))
        return f"{node.name!r} has the variance {variance[channel]:g} in channel {channel}, which has no root"
    deviation = np.sqrt(variance)
    return Affine(1 / deviation, -mean / deviation)


def _scale(node: Node, axes: int) -> Affine | str:
    axis = node.attributes.axis + axes if node.attributes.axis < 0 else node.attributes.axis
    first = node.weights[0].astype(np.float64)
    if first.ndim > 1 or (first.ndim == 1 and axis != 1):
        return f"{node.name!r} does not scale channels, but the shape {list(first.shape)} from axis {axis} on"
    first = first.reshape(-1)
    if node.type == "Bias":
        return Affine(np.ones_like(first), first)
    offset = node.weights[1].astype(np.float64).reshape(-1) if len(node.weights) > 1 else np.zeros_like(first)
    return Affine(first, offset)
