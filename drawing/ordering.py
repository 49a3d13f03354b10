"""The order of the vertices of each rank, from left to right: few crossings.

Sugiyama's barycentre method: each vertex goes to the mean position of its neighbours in the rank before, down and up
alternately. Then neighbours are exchanged where that takes crossings away.
"""

from __future__ import annotations

from bisect import bisect_right, insort

from .layering import Layering

SWEEPS = 12


def order_ranks(layering: Layering) -> list[list[int]]:
    """The vertices of each rank in order. The same for the same layering."""
    best = order = _first_order(layering)
    fewest = count_crossings(layering, order)
    for sweep in range(SWEEPS):
        if not fewest:
            break
        order = _sweep(layering, [list(rank) for rank in order], down=sweep % 2 == 0)
        crossings = count_crossings(layering, order)
        if crossings < fewest:
            best, fewest = order, crossings
    return _exchange_neighbours(layering, [list(rank) for rank in best]) if fewest else best


def _first_order(layering: Layering) -> list[list[int]]:
    """In the order of a depth-first walk: connected vertices stay together."""
    order: list[list[int]] = [[] for _ in range(layering.ranks)]
    seen = [False] * len(layering.rank)
    for start in range(layering.nodes):
        waiting = [] if seen[start] or layering.above[start] else [start]
        while waiting:
            vertex = waiting.pop()
            if not seen[vertex]:
                seen[vertex] = True
                order[layering.rank[vertex]].append(vertex)
                waiting.extend(reversed(layering.below[vertex]))
    return order


def _sweep(layering: Layering, order: list[list[int]], *, down: bool) -> list[list[int]]:
    position = _positions(layering, order)
    joined = layering.above if down else layering.below
    for rank in order if down else reversed(order):
        centre = {
            vertex: sum(position[other] for other in joined[vertex]) / len(joined[vertex])
            if joined[vertex]
            else position[vertex]
            for vertex in rank
        }
        rank.sort(key=centre.__getitem__)
        for number, vertex in enumerate(rank):
            position[vertex] = number
    return order


def _exchange_neighbours(layering: Layering, order: list[list[int]]) -> list[list[int]]:
    position = _positions(layering, order)
    for _ in range(SWEEPS):
        changed = False
        for rank in order:
            for left in range(len(rank) - 1):
                u, v = rank[left : left + 2]
                if _crossings_of(layering, position, v, u) < _crossings_of(layering, position, u, v):
                    rank[left : left + 2] = v, u
                    position[u], position[v] = left + 1, left
                    changed = True
        if not changed:
            break
    return order


def _crossings_of(layering: Layering, position: list[int], left: int, right: int) -> int:
    """Crossings between the edges of two vertices of a rank, if `left` stands left of `right`."""
    crossings = 0
    for joined in (layering.above, layering.below):
        positions = sorted(position[other] for other in joined[right])
        for other in joined[left]:
            crossings += bisect_right(positions, position[other] - 1)
    return crossings


def count_crossings(layering: Layering, order: list[list[int]]) -> int:
    """Pairs of edges between neighbouring ranks that cross."""
    position = _positions(layering, order)
    crossings = 0
    for rank in order:
        passed: list[int] = []  # places in the rank below where edges that started further left end
        for vertex in rank:
            ends = [position[other] for other in layering.below[vertex]]
            crossings += sum(len(passed) - bisect_right(passed, end) for end in ends)
            for end in ends:
                insort(passed, end)
    return crossings


def _positions(layering: Layering, order: list[list[int]]) -> list[int]:
    position = [0] * len(layering.rank)
    for rank in order:
        for number, vertex in enumerate(rank):
            position[vertex] = number
    return position
