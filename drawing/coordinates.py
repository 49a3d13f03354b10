"""Horizontal positions of the vertices of ordered ranks: Brandes and Köpf, "Fast and simple horizontal coordinate
assignment", 2001, with vertices of different widths.

Vertices are aligned with one of those that they are joined to, into blocks that stand upright, in four ways: to the
rank above or below, the left or the right one of two middle ones. Each way, the blocks are pushed together; the place
of a vertex is the mean of the middle two of its four. What differs from the paper is the alignment of a vertex: a
net is mostly a chain, and its longest path should be a straight line, so edges that skip ranks come last.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from .layering import Layering

BETWEEN_NODES, BETWEEN_POINTS, BESIDE_NODES = 28.0, 14.0, 20.0


def place_vertices(layering: Layering, order: Sequence[Sequence[int]], width: Sequence[float]) -> list[float]:
    """The middle of each vertex; `width` of each node. Neighbours of a rank do not overlap."""
    if not layering.rank:
        return []
    forbidden = _conflicts(layering, order)
    partners = _mutual(_partners(layering, layering.above), _partners(layering, layering.below))
    ways = []
    for down in (True, False):
        for left in (True, False):
            ranks = [rank if left else rank[::-1] for rank in (order if down else order[::-1])]
            root = _align(ranks, partners[0 if down else 1], forbidden)
            ways.append([x if left else -x for x in _compact(layering.nodes, ranks, root, width)])
    return _balance(ways)


def _conflicts(layering: Layering, order: Sequence[Sequence[int]]) -> set[tuple[int, int]]:
    """Pairs (upper, lower) whose edge crosses a piece of a trunk: these are not aligned, since the trunk is."""
    nodes, above, forbidden = layering.nodes, layering.above, set()
    for upper, lower in pairwise(order):
        position = {vertex: number for number, vertex in enumerate(upper)}
        first, begin = 0, 0
        for number, vertex in enumerate(lower):
            trunk = next((other for other in above[vertex] if vertex >= nodes and other >= nodes), None)
            if trunk is None and number < len(lower) - 1:
                continue
            last = len(upper) - 1 if trunk is None else position[trunk]
            for other in lower[begin : number + 1]:
                for joined in above[other]:
                    in_trunk = other >= nodes and joined >= nodes
                    if not in_trunk and not first <= position[joined] <= last:
                        forbidden.add((joined, other))
            first, begin = last, number + 1
    return forbidden


def _partners(layering: Layering, joined: list[list[int]]) -> list[list[int]]:
    """The candidates for the alignment of each vertex: those where the path of most nodes continues. Points keep to
    points."""
    length = [0] * len(joined)
    for vertex in sorted(range(len(joined)), key=layering.rank.__getitem__, reverse=joined is layering.below):
        length[vertex] = (vertex < layering.nodes) + max((length[other] for other in joined[vertex]), default=0)
    partners = []
    for vertex, others in enumerate(joined):
        wanted = [other for other in others if (other >= layering.nodes) == (vertex >= layering.nodes)] or others
        longest = max((length[other] for other in wanted), default=0)
        partners.append([other for other in wanted if length[other] == longest])
    return partners


def _mutual(upper: list[list[int]], lower: list[list[int]]) -> tuple[list[list[int]], list[list[int]]]:
    """Only pairs that would both be aligned with one another."""
    up = [set(others) for others in upper]
    down = [set(others) for others in lower]
    return (
        [[other for other in others if vertex in down[other]] for vertex, others in enumerate(upper)],
        [[other for other in others if vertex in up[other]] for vertex, others in enumerate(lower)],
    )


def _align(ranks: list[Sequence[int]], partners: list[list[int]], forbidden: set[tuple[int, int]]) -> list[int]:
    """The first vertex of the block of each."""
    root = list(range(len(partners)))
    taken = [False] * len(partners)
    position = [0] * len(partners)
    for rank in ranks:
        for number, vertex in enumerate(rank):
            position[vertex] = number
    for rank in ranks:
        reached = -1  # blocks do not cross
        for vertex in rank:
            others = sorted(partners[vertex], key=position.__getitem__)
            for middle in sorted({(len(others) - 1) // 2, len(others) // 2} if others else ()):
                other = others[middle]
                free = root[vertex] == vertex and not taken[other] and reached < position[other]
                if free and (other, vertex) not in forbidden and (vertex, other) not in forbidden:
                    root[vertex], taken[other], reached = root[other], True, position[other]
    return root


def _compact(nodes: int, ranks: list[Sequence[int]], root: list[int], width: Sequence[float]) -> list[float]:
    """Blocks as far left as they can be, and then right as far as that narrows nothing."""
    right: dict[int, dict[int, float]] = {vertex: {} for vertex in range(len(root)) if root[vertex] == vertex}
    before = dict.fromkeys(right, 0)
    for rank in ranks:
        for u, v in pairwise(rank):
            gaps = right[root[u]]
            if root[v] not in gaps:
                before[root[v]] += 1
            gaps[root[v]] = max(gaps.get(root[v], 0.0), _distance(nodes, width, u, v))
    x = dict.fromkeys(right, 0.0)
    ready, ordered = [block for block in right if not before[block]], []
    while ready:
        block = ready.pop()
        ordered.append(block)
        for other, gap in right[block].items():
            x[other] = max(x[other], x[block] + gap)
            before[other] -= 1
            if not before[other]:
                ready.append(other)
    for block in reversed(ordered):
        if right[block]:
            x[block] = max(x[block], min(x[other] - gap for other, gap in right[block].items()))
    return [x[block] for block in root]


def _distance(nodes: int, width: Sequence[float], u: int, v: int) -> float:
    """Between the middles of two vertices side by side."""
    halves = sum(width[vertex] / 2 for vertex in (u, v) if vertex < nodes)
    number = (u < nodes) + (v < nodes)
    return halves + (BETWEEN_POINTS, BESIDE_NODES, BETWEEN_NODES)[number]


def _balance(ways: list[list[float]]) -> list[float]:
    """The four ways, moved to where the narrowest one is; of each vertex the mean of the middle two."""
    narrowest = min(ways, key=lambda xs: max(xs) - min(xs))
    moved = []
    for number, xs in enumerate(ways):
        side = max if number % 2 else min
        shift = side(narrowest) - side(xs)
        moved.append([x + shift for x in xs])
    return [sum(sorted(four)[1:3]) / 2 for four in zip(*moved, strict=True)]
