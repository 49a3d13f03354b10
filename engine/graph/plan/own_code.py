"""Layers that a plan runs by their own code, forward and backward, on arrays in its arena."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..analysis.need_backward import Need, loss_weights
from ..ir.graph import Blob, Node, Shape
from ..ir.op import Layers, Run
from ..ir.ownership import WeightGradients
from ..ops import OPS
from .arrange import Action
from .lowering.backward import BackwardBlobs
from .storage import Storage

Shapes = dict[Blob, Shape]


@dataclass(frozen=True)
class WantedGradients:
    """`weights` are the arrays to which a run backward adds, for all layers that have weights. `ends` are blobs whose
    gradient the caller gives, besides those of losses."""

    weights: WeightGradients
    ends: tuple[Blob, ...] = ()


def own_run(action: Action, shapes: Shapes, arena: np.ndarray):
    """What runs the action's layer forward, and how the plan calls it."""
    node = action.owner.main
    run = prepare(node, [shapes[blob] for blob in node.bottoms], [shapes[blob] for blob in node.tops])
    inputs, outputs = ([each.view(arena) for each in blobs] for blobs in (action.bottoms, action.tops))
    return run, lambda: run(inputs, outputs)


def prepare(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    """The layer's own `prepare`."""
    return OPS[node.type].prepare(node, bottoms, tops)


def own_back(
    action: Action, shapes: Shapes, arena: np.ndarray, wanted: WantedGradients, need: Need, run: Run, threads: int
) -> Callable[[], None]:
    """What runs its gradient, by so many threads. `run` ran it forward."""
    node, stored = action.owner.main, action.backward
    bottoms, tops = ([shapes[blob] for blob in blobs] for blobs in (node.bottoms, node.tops))
    layers = Layers(prepare, threads)
    back = OPS[node.type].gradient.prepare(node, bottoms, tops, run, layers)

    def views(storages: list[Storage | None], shapes: list[Shape]) -> list[np.ndarray | None]:
        pairs = zip(storages, shapes, strict=True)
        return [None if storage is None else storage.view(arena).reshape(shape) for storage, shape in pairs]

    inputs, outputs = views(stored.bottoms, bottoms), views(stored.tops, tops)
    of_tops = views(stored.top_gradients, tops) or [np.float32(weight) for weight in loss_weights(node)]
    of_bottoms = views(stored.bottom_gradients, bottoms)
    of_weights = [
        array if needed else None for array, needed in zip(wanted.weights.get(node, []), need.weights, strict=True)
    ]
    return lambda: back(inputs, outputs, of_tops, of_bottoms, of_weights)


def backward_blobs(
    action: Action, arena: np.ndarray, wanted: WantedGradients, needs: dict[Node, Need]
) -> BackwardBlobs:
    """The operands of the action's steps."""
    stored, start = action.backward, arena.ctypes.data
    weights = {
        node: [
            array.ctypes.data - start if needed else None
            for array, needed in zip(wanted.weights.get(node, []), needs[node].weights, strict=True)
        ]
        for node in action.owner.nodes
    }
    return BackwardBlobs(
        stored.bottoms, stored.tops, stored.top_gradients, stored.bottom_gradients, weights,
        stored.shared.first if stored.shared else -1, stored.kept.first if stored.kept else -1,
        stored.top_is_masked, stored.masked,
    )  # fmt: skip
