"""The weights of a graph's nodes, in the vector of one owner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ...parameters.owner import Held, Parameters, Slice
from .graph import BlobSpec, Graph, Node

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
    specs: list[list[tuple[Node, BlobSpec]]] = []  # of the layers that have a slice
    found: dict[tuple[int, int], int] = {}  # address and size -> slice
    numbers = []
    for node in nodes:
        numbers.append([])
        for number, blob in enumerate(node.weights):
            known = (blob.ctypes.data, blob.size) if blob.size else (id(node), number)
            if known not in found:
                found[known] = len(slices)
                slices.append(Slice(node.name, number, blob.shape, 0))
                specs.append([])
            specs[found[known]] += [(node, spec) for spec in node.blob_specs[number : number + 1]]
            numbers[-1].append(found[known])
    owner = Parameters(replace(each, **_multipliers(sharers)) for each, sharers in zip(slices, specs, strict=True))
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
            made[node] = views_of(node, vectors.setdefault(owner, owner.zeros()))
    return made


def views_of(node: Node, vector: np.ndarray) -> list[np.ndarray]:
    """Views of a node's blobs, in their shapes, in a vector of their owner's layout."""
    assert node.held
    return [part.reshape(blob.shape) for part, blob in zip(node.held.views(vector), node.weights, strict=True)]


def _multipliers(sharers: Sequence[tuple[Node, BlobSpec]]) -> dict[str, float]:
    """lr_mult and decay_mult of a blob: what the first of its layers that has one gives. Raises node.error for a layer
    that gives another one."""
    chosen = {}
    for name in ("lr_mult", "decay_mult"):
        given = [(node, getattr(spec, name)) for node, spec in sharers if getattr(spec, name) is not None]
        chosen[name] = given[0][1] if given else 1.0
        for node, value in given:
            if value != chosen[name]:
                found = f"shares a blob with {given[0][0].name!r} and has {name} {value:g}"
                raise node.error(found, f"{chosen[name]:g}, as there, or none")
    if any(spec.is_statistic for _, spec in sharers):
        chosen["lr_mult"] = 0.0
    return chosen


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
