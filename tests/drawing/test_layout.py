"""Layouts of random graphs: nothing overlaps, edges go down and past nodes, the same graph gives the same picture."""

from __future__ import annotations

import re
import time
from itertools import combinations, pairwise, permutations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caffe64.drawing.layering import layer_nodes, rank_nodes
from caffe64.drawing.layout import edge_path, lay_out, stack_rows
from caffe64.drawing.ordering import count_crossings, order_ranks
from caffe64.errors import UsageError


@st.composite
def graphs(draw):
    """(widths, heights, edges) of up to 25 nodes, mostly near chains."""
    nodes = draw(st.integers(1, 25))
    edges = set()
    for target in range(1, nodes):
        reach = draw(st.sampled_from([1, 3, nodes]))
        sources = st.integers(max(0, target - reach), target - 1)
        edges |= {(source, target) for source in draw(st.sets(sources, max_size=4))}
    sizes = st.lists(st.integers(20, 200), min_size=nodes, max_size=nodes)
    return draw(sizes), draw(sizes), sorted(edges, key=lambda edge: edge[::-1])


def boxes(layout, rows, widths, heights):
    """(left, top, right, bottom) of each node."""
    return [
        (x - width / 2, y, x + width / 2, y + height)
        for x, y, width, height in zip(layout.x, rows.y, widths, heights, strict=True)
    ]


def points(path: str) -> list[tuple[float, float]]:
    """Points of an edge, 40 on each curve. Only what edge_path writes is understood."""
    x, y, found = 0.0, 0.0, []
    for command, numbers in re.findall(r"([MVC])([^MVC]*)", path):
        values = list(map(float, numbers.split()))
        if command == "C":
            a, b, c, d, e, f = values
            for step in range(1, 41):
                t = step / 40
                weights = ((1 - t) ** 3, 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t * t, t**3)
                found.append(
                    tuple(
                        sum(w * v for w, v in zip(weights, four, strict=True)) for four in ((x, a, c, e), (y, b, d, f))
                    )
                )
            x, y = e, f
        else:
            start = (x, y)
            x, y = values if command == "M" else (x, values[0])
            if command == "V":
                found += [(x, start[1] + (y - start[1]) * step / 10) for step in range(1, 11)]
            else:
                found.append((x, y))
    return found


@settings(max_examples=150)
@given(graphs())
def test_nodes_do_not_overlap_and_lie_in_the_picture(graph):
    widths, heights, edges = graph
    layout = lay_out(widths, edges)
    rows = stack_rows(layout, heights)
    found = boxes(layout, rows, widths, heights)
    for left, top, right, bottom in found:
        assert left >= 0
        assert right <= layout.width
        assert 0 <= top < bottom <= rows.height
    for (l1, t1, r1, b1), (l2, t2, r2, b2) in combinations(found, 2):
        assert r1 < l2 or r2 < l1 or b1 < t2 or b2 < t1


@settings(max_examples=150)
@given(graphs())
def test_edges_lead_down_from_source_to_target_and_touch_no_other_node(graph):
    widths, heights, edges = graph
    layout = lay_out(widths, edges)
    rows = stack_rows(layout, heights)
    found = boxes(layout, rows, widths, heights)
    for number, (source, target) in enumerate(edges):
        way = points(edge_path(layout, rows, heights, number))
        assert all(upper[1] <= lower[1] + 1e-3 for upper, lower in pairwise(way))
        (x0, y0), (x1, y1) = way[0], way[-1]
        assert found[source][0] < x0 < found[source][2]
        assert abs(y0 - found[source][3]) < 0.01
        assert found[target][0] < x1 < found[target][2]
        assert abs(y1 - found[target][1]) < 0.01
        for node, (left, top, right, bottom) in enumerate(found):
            inside = [(x, y) for x, y in way if left <= x <= right and top <= y <= bottom]
            if node in (source, target):  # which it meets at its border alone
                inside = [(x, y) for x, y in inside if top + 0.01 < y < bottom - 0.01]
            assert not inside, f"edge {source} -> {target} goes through node {node}"


@settings(max_examples=50)
@given(graphs())
def test_a_layout_is_determined_by_the_graph(graph):
    widths, _, edges = graph
    assert lay_out(widths, edges) == lay_out(list(widths), list(edges))


@settings(max_examples=100)
@given(graphs())
def test_nodes_stand_below_what_they_read_and_sources_close_to_their_readers(graph):
    widths, _, edges = graph
    rank = rank_nodes(len(widths), edges)
    for source, target in edges:
        assert rank[source] < rank[target]
    for node in range(len(widths)):
        above = [rank[source] for source, target in edges if target == node]
        below = [rank[target] for source, target in edges if source == node]
        if above:
            assert rank[node] == 1 + max(above)
        elif below:
            assert rank[node] == min(below) - 1


@settings(max_examples=100)
@given(graphs())
def test_crossings_are_counted_as_by_comparing_all_pairs(graph):
    widths, _, edges = graph
    layering = layer_nodes(len(widths), edges)
    order = order_ranks(layering)
    place = {vertex: number for rank in order for number, vertex in enumerate(rank)}
    crossings = 0
    for rank in order:
        lines = [(place[vertex], place[other]) for vertex in rank for other in layering.below[vertex]]
        crossings += sum((a - c) * (b - d) < 0 for (a, b), (c, d) in combinations(lines, 2))
    assert count_crossings(layering, order) == crossings
    assert sorted(vertex for rank in order for vertex in rank) == list(range(len(layering.rank)))


def test_a_chain_with_skips_is_a_straight_line_without_crossings():
    blocks = range(0, 30, 3)
    edges = sorted({(n, n + 1) for n in range(30)} | {(n, n + 3) for n in blocks}, key=lambda edge: edge[::-1])
    layout = lay_out([100] * 31, edges)
    layering = layer_nodes(31, edges)
    assert len(set(layout.x)) == 1
    assert count_crossings(layering, order_ranks(layering)) == 0
    assert layout.width < 200


def test_crossings_are_as_few_as_in_the_best_of_all_orders():
    layering = layer_nodes(8, [(0, 2), (0, 3), (1, 4), (1, 5), (3, 6), (5, 6), (2, 7), (4, 7)])
    orders = product(*(map(list, permutations(rank)) for rank in ([0, 1], [2, 3, 4, 5], [6, 7])))
    best = min(count_crossings(layering, list(order)) for order in orders)
    assert count_crossings(layering, order_ranks(layering)) == best > 0


def test_a_thousand_nodes_take_less_than_two_seconds():
    edges = [(n, n + 1) for n in range(999)] + [(n, n + 3) for n in range(0, 990, 3)]
    start = time.perf_counter()
    layout = lay_out([180] * 1000, sorted(edges, key=lambda edge: edge[::-1]))
    assert time.perf_counter() - start < 2  # measured: 0.07 s
    assert layout.width < 300


def test_a_net_of_which_everything_is_read_far_below_is_refused_before_it_takes_all_memory():
    nodes = 2000
    edges = [(n, n + 1) for n in range(nodes - 1)] + [(n, nodes - 1) for n in range(nodes - 2)]
    with pytest.raises(UsageError, match="cannot be drawn"):
        lay_out([10] * nodes, sorted(edges, key=lambda edge: edge[::-1]))


def test_nothing_and_one_node():
    assert lay_out([], []).rank == []
    assert lay_out([100], []).x == [74.0]
