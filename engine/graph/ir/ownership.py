"""The weights of a graph's nodes, in the vector of one owner."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...parameters.owner import Held, Parameters, Slice
from .graph import Graph, Node

WeightGradients = dict[Node, list[np.ndarray]]


def assign_weights(graph: Graph, weights: Sequence[Sequence[np.ndarray]]) -> None:
    """Give each node its blobs, and let layers share those that have the same name. They are copied: into
    one vector (`own_parameters`), or over the present ones, so that arrays which callers hold stay the net's.

    Raises InputError where shared blobs differ in shape, or where this is allowed in the number of values.
    """
    if any(node.held for node in graph.nodes):
        _overwrite(graph, weights)
        return
    for node, blobs in zip(graph.nodes, weights, strict=True):
        # asarray, since ascontiguousarray gives scalars an axis
        node.weights = [np.asarray(blob, np.float32, order="C") for blob in blobs]
    _share_weights(graph)
    own_parameters(graph)


def _overwrite(graph: Graph, weights: Sequence[Sequence[np.ndarray]]) -> None:
    for node, blobs in zip(graph.nodes, weights, strict=True):
        for mine, blob in zip(node.weights, blobs, strict=True):
            mine[...] = blob
        if node.held:
            node.held.written()


def own_parameters(graph: Graph) -> None:
    """Move the weights of all nodes without an owner into one owner's vector; blobs that share memory, once."""
    nodes = [node for node in graph.nodes if node.weights and node.held is None]
    slices: list[Slice] = []
    found: dict[tuple[int, int], int] = {}  # address and size -> slice
    numbers = []
    for node in nodes:
        numbers.append([])
        for number, blob in enumerate(node.weights):
            known = (blob.ctypes.data, blob.size) if blob.size else (id(node), number)
            if known not in found:
                found[known] = len(slices)
                rates = _rates(node, number)
                slices.append(Slice(node.name, number, blob.shape, 0, *rates))
            numbers[-1].append(found[known])
    owner = Parameters(slices)
    for node, held in zip(nodes, numbers, strict=True):
        views = [owner.view(at).reshape(blob.shape) for at, blob in zip(held, node.weights, strict=True)]
        for view, blob in zip(views, node.weights, strict=True):
            np.copyto(view, blob)
        node.weights, node.held = views, Held(owner, tuple(held))


def weight_gradients(graph: Graph) -> WeightGradients:
    """Zeros for all weights of a graph, in vectors of their owners' layout. Layers that share weights share the
    gradient."""
    own_parameters(graph)
    vectors: dict[Parameters, np.ndarray] = {}
    made: WeightGradients = {}
    for node in graph.nodes:
        if node.held:
            owner = node.held.owner
            found = node.held.views(vectors.setdefault(owner, owner.zeros()))
            made[node] = [gradient.reshape(blob.shape) for gradient, blob in zip(found, node.weights, strict=True)]
    return made


def _rates(node: Node, number: int) -> tuple[float, float]:
    """lr_mult and decay_mult of a blob, from the first layer that has it."""
    specs = node.blob_specs
    return (specs[number].lr_mult, specs[number].decay_mult) if number < len(specs) else (1.0, 1.0)


def _share_weights(graph: Graph) -> None:
    owners: dict[str, tuple[Node, np.ndarray]] = {}
    for node in graph.nodes:
        for number, (blob, spec) in enumerate(zip(node.weights, node.blob_specs, strict=False)):
            if not spec.name:
                continue
            owner, values = owners.setdefault(spec.name, (node, blob))
            if values.shape != blob.shape and not (spec.takes_any_shape and values.size == blob.size):
                raise node.error(f"shares {spec.name!r} {list(values.shape)} of {owner.name!r}", f"{list(blob.shape)}")
            node.weights[number] = values.reshape(blob.shape)
