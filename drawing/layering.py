"""Nodes onto ranks, from top to bottom, and a way for each edge through the ranks that it passes.

A node stands one rank below the lowest node that it reads. A node that reads nothing stands just above its first
reader. An edge that passes a rank gets a point there; edges from the same node share their points, as a trunk from
which they branch off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import UsageError

MOST_POINTS = 100_000

Edge = tuple[int, int]


@dataclass(frozen=True)
class Layering:
    """Vertices: nodes 0 to nodes - 1, and from there on the points of edges.

    rank      of each vertex
    above     vertices one rank up that each vertex is joined to; `below` the other way
    routes    for each edge the points that it goes through
    """

    nodes: int
    rank: list[int]
    above: list[list[int]]
    below: list[list[int]]
    routes: list[list[int]]

    @property
    def ranks(self) -> int:
        return max(self.rank, default=-1) + 1


def layer_nodes(nodes: int, edges: Sequence[Edge]) -> Layering:
    """Edges (source, target) with source < target, each once. Raises UsageError if they pass too many ranks."""
    rank = rank_nodes(nodes, edges)
    trunks: dict[int, list[int]] = {}  # source -> its points, a rank each
    above: list[list[int]] = [[] for _ in rank]
    below: list[list[int]] = [[] for _ in rank]

    def join(upper: int, lower: int) -> None:
        below[upper].append(lower)
        above[lower].append(upper)

    routes = []
    for source, target in edges:
        passed = rank[target] - rank[source] - 1
        trunk = trunks.setdefault(source, [])
        while len(trunk) < passed:
            rank.append(rank[source] + len(trunk) + 1)
            above.append([])
            below.append([])
            join(trunk[-1] if trunk else source, len(rank) - 1)
            trunk.append(len(rank) - 1)
            if len(rank) > MOST_POINTS:
                raise UsageError(f"the net cannot be drawn: its edges pass more than {MOST_POINTS} layers in all")
        join(trunk[passed - 1] if passed else source, target)
        routes.append(trunk[:passed])
    return Layering(nodes, rank, above, below, routes)


def rank_nodes(nodes: int, edges: Sequence[Edge]) -> list[int]:
    """The rank of each node, from 0."""
    rank = [0] * nodes
    targets: list[list[int]] = [[] for _ in range(nodes)]
    reads = [False] * nodes
    for source, target in edges:
        targets[source].append(target)
        reads[target] = True
    for node in range(nodes):
        for target in targets[node]:
            rank[target] = max(rank[target], rank[node] + 1)
    for node in range(nodes):
        if targets[node] and not reads[node]:
            rank[node] = min(rank[target] for target in targets[node]) - 1
    return rank
