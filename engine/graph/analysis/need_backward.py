"""Which layers run backward, and for which of their bottoms and weights, by Caffe's rules.

A gradient is computed where it is wanted and exists. Weights want it whose lr_mult is not 0, and what lies
between them and a loss passes it on; `propagate_down` of a layer says otherwise for its bottoms; `force_backward` of
the net wants all of it, also of the inputs. There is one in front of a loss: of a top with a loss_weight, or of one of
the blobs whose gradient is given.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np

from ..ir.graph import Blob, Graph, Node
from ..ops import OPS
from ..ops.checks import propagated


@dataclass(frozen=True)
class Need:
    """What one node that runs backward has to give: a flag for each bottom and for each of its weights."""

    bottoms: list[bool]
    weights: list[bool]


def loss_weights(node: Node) -> list[float]:
    """The weight of each top in the loss; of a loss layer without a top, that of the one it would have had."""
    given = list(node.loss_weight)
    gradient = OPS[node.type].gradient
    is_loss = gradient is not None and gradient.loss
    tops = max(len(node.tops), 1) if is_loss else len(node.tops)
    if given and len(given) != tops:
        raise node.error(f"has {len(given)} loss_weight for {tops} tops", "none, or one per top")
    return given or [float(is_loss and number == 0) for number in range(tops)]


def loss_blobs(nodes: Iterable[Node]) -> dict[Blob, np.float32]:
    """The tops of `nodes` that are parts of the loss, and their weights in it, which their gradients begin with."""
    return {
        top: np.float32(weight)
        for node in nodes
        for top, weight in zip(node.tops, loss_weights(node), strict=False)
        if weight
    }


def find_needs(graph: Graph, seeds: Collection[Blob] = ()) -> dict[Node, Need]:
    """The nodes that run backward, in the order of the graph. `seeds` are blobs whose gradient is given.

    Raises InputError for a layer through which a gradient is asked that it does not have.
    """
    force = graph.force_backward
    needs = _wanted(graph, force)
    reached, found = set(seeds), []
    for node in reversed(graph.nodes):
        is_loss = any(loss_weights(node))
        if node not in needs or not (is_loss or force or not reached.isdisjoint(node.tops)):
            continue
        if not OPS[node.type].gradient and not is_loss and reached.isdisjoint(node.tops):
            continue  # forced, but nothing depends on it
        _check(node, needs[node])
        found.append(node)
        reached.update(bottom for bottom, needed in zip(node.bottoms, needs[node].bottoms, strict=True) if needed)
    return {node: needs[node] for node in reversed(found)}


def possible_needs(graph: Graph) -> dict[Node, Need]:
    """The nodes that may run backward, from whatever blobs, in the order of the graph: those that `find_needs` finds
    for any part of the graph, and what they give, are among them."""
    found = {}
    for node, need in _wanted(graph, graph.force_backward).items():
        if OPS[node.type].gradient:
            bottoms = [flag and may for flag, may in zip(need.bottoms, _allowed(node), strict=True)]
            found[node] = Need(bottoms, need.weights)
    return {node: need for node, need in found.items() if any(need.bottoms) or any(need.weights)}


def _wanted(graph: Graph, force: bool) -> dict[Node, Need]:
    """The nodes that have to give a gradient, if there is one."""
    needs: dict[Node, Need] = {}
    passed_on: set[Blob] = set()
    for node in graph.nodes:
        bottoms, given = [bottom in passed_on for bottom in node.bottoms], propagated(node)
        weights = [lr_mult != 0 for lr_mult in _learning_rates(node)]
        if any(bottoms) or any(weights) or any(given):
            passed_on.update(node.tops)
        need = Need(given or bottoms, weights)
        if force:
            forced = zip(need.bottoms, _allowed(node), strict=True)
            need = Need([either or allowed for either, allowed in forced], [True] * len(weights))
        if any(need.bottoms) or any(need.weights):
            needs[node] = need
    return needs


def _learning_rates(node: Node) -> list[float]:
    given = [spec.lr_mult for spec in node.blob_specs[: len(node.weights)]]
    return [1.0 if rate is None else rate for rate in (*given, *[None] * (len(node.weights) - len(given)))]


def _allowed(node: Node) -> list[bool]:
    """The bottoms that `force_backward` may ask for."""
    labels = _labels(node) if OPS[node.type].gradient else range(len(node.bottoms))
    return [number not in labels for number in range(len(node.bottoms))]


def _labels(node: Node) -> list[int]:
    """The bottoms to which a layer that has a gradient gives none."""
    bottoms = len(node.bottoms)
    return [number % bottoms for number in OPS[node.type].gradient.labels if number < bottoms]


def _check(node: Node, need: Need) -> None:
    gradient = OPS[node.type].gradient
    if gradient is None:
        asked, without = (
            ("through it", "propagate_down: false") if any(need.bottoms) else ("of its weights", "lr_mult: 0")
        )
        raise node.error(f"has no gradient, and one is asked for {asked}", f"a layer that has one, or {without}")
    for number in _labels(node):
        if need.bottoms[number]:
            name = node.bottoms[number].name
            raise node.error(f"gives no gradient to {name!r}, and one is asked for", "propagate_down: false")
