"""The reference's gradients: layer by layer, last first, and added up over the readers of a blob."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..analysis.aliasing import left_in_memory
from ..analysis.need_backward import Need, find_needs, loss_weights
from ..ir.graph import FLOAT32, Blob, Node
from ..ir.op import Layers
from ..ir.ownership import WeightGradients, weight_gradients
from ..ops import OPS
from .interpreter import Interpreter, prepare

LAYERS = Layers(prepare, threads=1)


def gradients_of(
    interpreter: Interpreter, given: Mapping[Blob, np.ndarray] | None = None
) -> tuple[dict[Blob, np.ndarray], WeightGradients]:
    """Gradients of blobs and of weights after `interpreter` has run: of its losses, and of what has a gradient `given`.

    float32 of their blob's shape, each in memory of its own, but for weights that layers share, which have one. There
    is one of each blob that a layer needs one of, and of all weights, 0 where none is needed.
    Raises InputError for a layer through which a gradient is asked that it does not have.
    """
    needs = find_needs(interpreter.graph, given or ())
    starts: dict[Blob, float | np.ndarray] = {}
    for node, need in needs.items():
        starts |= {bottom: starts.get(bottom, 0) for bottom in _only(node.bottoms, need.bottoms) if bottom}
        starts |= zip(node.tops, loss_weights(node), strict=False)
    starts |= given or {}
    blobs = {blob: np.full(interpreter.shapes[blob], start, FLOAT32) for blob, start in starts.items()}
    weights = weight_gradients(interpreter.graph)
    for node, need in reversed(needs.items()):
        _add_gradients(interpreter, node, need, blobs, weights.get(node, []))
    return blobs, weights


@np.errstate(all="ignore")
def _add_gradients(interpreter: Interpreter, node: Node, need: Need, blobs, weights: list[np.ndarray]) -> None:
    """What one layer adds to the gradients of its bottoms and weights."""
    left = left_in_memory(interpreter.graph) if OPS[node.type].gradient.reads_memory else {}
    inputs, outputs = (
        [interpreter.arrays[left.get(blob, blob)] for blob in each] for each in (node.bottoms, node.tops)
    )
    shapes = [[array.shape for array in arrays] for arrays in (inputs, outputs)]
    of_tops = [blobs[top] for top in node.tops] or [np.float32(weight) for weight in loss_weights(node)]
    of_bottoms = _only([np.full_like(array, np.nan) for array in inputs], need.bottoms)
    back = OPS[node.type].gradient.prepare(node, *shapes, interpreter.runs[node], LAYERS)
    back(inputs, outputs, of_tops, of_bottoms, _only(weights, need.weights))
    for bottom, gradient in zip(node.bottoms, of_bottoms, strict=True):
        if gradient is not None:
            blobs[bottom] += gradient


def _only(values: list, flags: list[bool]) -> list:
    """Those with a flag, None instead of the others."""
    return [value if flag else None for value, flag in zip(values, flags, strict=True)]
