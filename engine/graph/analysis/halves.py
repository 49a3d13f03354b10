"""Weights rounded to float16, for files of half the size: filters and matrices, blobs of two axes or more. Others stay
as they are, small and sensitive: biases, slopes, statistics."""

from __future__ import annotations

import numpy as np

from ..ir.graph import Graph, Node

LARGEST_HALF = 65504  # the largest finite float16


def is_halved(blob: np.ndarray) -> bool:
    return blob.ndim > 1


def halves(node: Node) -> list[np.ndarray]:
    """The blobs of a layer, float16 where they are halved. Raises node.error for a finite value beyond float16."""
    return [_half(node, number) if is_halved(blob) else blob for number, blob in enumerate(node.weights)]


def rounded(graph: Graph) -> Graph:
    """A copy whose weights are rounded, float32 again. Layers that share a blob share it still. Raises as `halves`."""
    made = graph.copy()
    known: dict[tuple[int, tuple[int, ...]], np.ndarray] = {}
    for node in made.nodes:
        for number, blob in enumerate(node.weights):
            if is_halved(blob):
                key = (blob.__array_interface__["data"][0], blob.shape)
                if key not in known:
                    known[key] = _half(node, number).astype(np.float32)
                node.weights[number] = known[key]
    return made


def _half(node: Node, number: int) -> np.ndarray:
    blob = node.weights[number]
    with np.errstate(over="ignore"):
        half = blob.astype(np.float16)
    lost = np.isinf(half) & np.isfinite(blob)
    if lost.any():
        expected = f"at most {LARGEST_HALF}, the largest float16"
        raise node.error(f"blob {number} holds {blob[lost][0]:g}", expected, "without --half, half=True, it is kept")
    return half
