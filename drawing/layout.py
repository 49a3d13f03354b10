"""Where a graph's nodes and edges go. Heights come in last, so that nodes can grow on the page without a new layout.

A rank is a row; its nodes hang from the top of it, one beside the other. Edges run upright through rows, in columns
of their own, and bend only in the gaps between rows: none can touch a node.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from .coordinates import place_vertices
from .layering import Edge, layer_nodes
from .ordering import order_ranks

MARGIN = 24.0
GAP, WIDEST_GAP, GAP_BY_REACH = 30.0, 90.0, 0.07  # rows are further apart where edges go far to the side
PORT = 14.0  # between the ends of edges at a node
TIP = 8.0  # the last piece of an edge before a row, upright, so that arrows point down


@dataclass(frozen=True)
class Layout:
    """rank      of each node
    x         the middle of each node
    routes    of each edge the x in each row that it meets, from its source's to its target's
    gaps      below each row
    width     of the picture
    """

    rank: list[int]
    x: list[float]
    edges: list[Edge]
    routes: list[list[float]]
    gaps: list[float]
    width: float


@dataclass(frozen=True)
class Rows:
    """For given heights: `y` the top of each node, `tops` and `bottoms` of the rows, `height` of the picture."""

    y: list[float]
    tops: list[float]
    bottoms: list[float]
    height: float


def lay_out(widths: Sequence[float], edges: Sequence[Edge]) -> Layout:
    """A layout of nodes with these widths and edges (source, target), source < target, each once."""
    layering = layer_nodes(len(widths), edges)
    x = place_vertices(layering, order_ranks(layering), widths)
    nodes = range(len(widths))
    left = min((x[node] - widths[node] / 2 for node in nodes), default=0)
    left = min([left, *x[len(widths) :]]) - MARGIN
    x = [round(position - left, 1) for position in x]
    right = max([x[node] + widths[node] / 2 for node in nodes] + x[len(widths) :], default=0)
    ends = _ports(edges, layering.routes, x, widths)
    routes = [
        [x[source], *(x[point] for point in points), end]
        for (source, _), points, end in zip(edges, layering.routes, ends, strict=True)
    ]
    rank = layering.rank[: len(widths)]
    gaps = _gaps(layering.ranks, rank, edges, routes)
    return Layout(rank, x[: len(widths)], list(edges), routes, gaps, round(right + MARGIN, 1))


def _ports(
    edges: Sequence[Edge], routes: Sequence[Sequence[int]], x: list[float], widths: Sequence[float]
) -> list[float]:
    """Where each edge enters its target: side by side, in the order in which they come, a straight one midway."""
    entering: dict[int, list[int]] = {}
    for number, (_, target) in enumerate(edges):
        entering.setdefault(target, []).append(number)
    ends = [0.0] * len(edges)
    for target, numbers in entering.items():
        came = {number: x[routes[number][-1]] if routes[number] else x[edges[number][0]] for number in numbers}
        step = min(PORT, 0.7 * widths[target] / len(numbers))
        ordered = sorted(numbers, key=came.__getitem__)
        straight = next(
            (position for position, number in enumerate(ordered) if abs(came[number] - x[target]) < 1), None
        )
        middle = (len(ordered) - 1) / 2
        if straight is not None and max(straight, len(ordered) - 1 - straight) * step < 0.45 * widths[target]:
            middle = straight
        for position, number in enumerate(ordered):
            ends[number] = round(x[target] + (position - middle) * step, 1)
    return ends


def _gaps(ranks: int, rank: list[int], edges: Sequence[Edge], routes: list[list[float]]) -> list[float]:
    reach = [0.0] * ranks
    for (source, _), route in zip(edges, routes, strict=True):
        for step, (begin, end) in enumerate(pairwise(route)):
            row = rank[source] + step
            reach[row] = max(reach[row], abs(end - begin))
    return [round(min(WIDEST_GAP, GAP + GAP_BY_REACH * far), 1) for far in reach]


def stack_rows(layout: Layout, heights: Sequence[float]) -> Rows:
    """The rows of a layout whose nodes have these heights. pane.js does the same."""
    row_heights = [0.0] * len(layout.gaps)
    for rank, height in zip(layout.rank, heights, strict=True):
        row_heights[rank] = max(row_heights[rank], height)
    tops, bottoms, position = [], [], MARGIN
    for height, gap in zip(row_heights, layout.gaps, strict=True):
        tops.append(position)
        bottoms.append(position + height)
        position += height + gap
    return Rows([tops[rank] for rank in layout.rank], tops, bottoms, (bottoms[-1] if bottoms else 0) + MARGIN)


def edge_path(layout: Layout, rows: Rows, heights: Sequence[float], edge: int) -> str:
    """The `d` of an edge's SVG path: upright through rows, a curve in each gap. pane.js does the same."""
    (source, target), route = layout.edges[edge], layout.routes[edge]
    parts = [f"M{route[0]:g} {rows.y[source] + heights[source]:g}"]
    for step, (begin, end) in enumerate(pairwise(route)):
        row = layout.rank[source] + step
        upper, lower = rows.bottoms[row], rows.tops[row + 1] - TIP
        middle = (upper + lower) / 2
        parts.append(f"V{upper:g}")
        if begin != end:
            parts.append(f"C{begin:g} {middle:g} {end:g} {middle:g} {end:g} {lower:g}")
    parts.append(f"V{rows.y[target]:g}")
    return "".join(parts)
