"""Merge layers that only move values: Permute (or Transpose), and Reshape and Flatten, which only rename axes.

    Permute -> Permute                      becomes  Permute, or nothing if the axes are where they were
    Reshape -> Reshape (or Flatten)         becomes  Reshape, where both keep the first axis
    Permute -> ReLU -> ... -> Permute       becomes  ReLU -> ... -> Permute, by moving the first one behind
    input -> Scale -> ... -> Permute        becomes  input -> Permute -> Scale -> ..., whose channels are axis 1 there

The layers passed are element-wise, or Scale and Bias by one axis, which is renamed. Nets of tools whose pictures are
[N, H, W, C] are full of such pairs. A layer is moved or merged if it is the only reader of the one before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..ir.graph import Blob, Graph, Node, Shape
from ..ops.arrangement import PERMUTES, Permute, permutation
from ..ops.views import Reshape
from .drop_no_ops import bypass
from .report import Report

ELEMENT_WISE = {
    "AbsVal", "BNLL", "Clip", "ELU", "Exp", "Log", "Power", "ReLU", "Sigmoid", "Swish", "TanH", "Threshold",
}  # fmt: skip
BY_AXIS = {"Bias", "Scale"}
VIEWS = {"Flatten", "Reshape"}


def merge_moves(graph: Graph, shapes: Mapping[Blob, Shape]) -> Report:
    """Merges in place of `graph`."""
    report = Report("merge moves")
    axes = {node: len(shapes[node.bottoms[0]]) for node in graph.nodes if node.type in PERMUTES}
    for node, number in axes.items():
        if not _pass_to_next(graph, node, number, report):
            _pass_to_input(graph, node, number, report)
    for node in list(graph.nodes):
        before = graph.producer(node.bottoms[0]) if len(node.bottoms) == 1 else None
        if before is None or graph.readers(node.bottoms[0]) != [node]:
            continue
        if node.type in PERMUTES and before.type in PERMUTES:
            _merge_permutes(graph, before, node, axes[node], report)
        elif node.type in VIEWS and before.type in VIEWS:
            _merge_views(graph, before, node, shapes, report)
    return report


def _only_reader(graph: Graph, node: Node) -> Node | None:
    readers = graph.readers(node.tops[0])
    return readers[0] if len(readers) == 1 else None


def _passable(node: Node | None, axes: int) -> bool:
    """Whether a Permute of `axes` axes may change places with the layer."""
    if node is None or len(node.bottoms) != 1:
        return False
    if node.type in BY_AXIS:
        return len(node.weights) > 0 and node.weights[0].ndim <= 1 and axes > 0
    return node.type in ELEMENT_WISE


def _pass_to_next(graph: Graph, node: Node, axes: int, report: Report) -> bool:
    """Move a Permute to the next one, past layers that allow it. Returns whether it was."""
    passed: list[Node] = []
    following = _only_reader(graph, node)
    while following is not None and _passable(following, axes):
        passed.append(following)
        following = _only_reader(graph, following)
    moves = bool(passed) and following is not None and following.type in PERMUTES
    if moves:
        order = permutation(node, axes)
        for each in passed:
            _rename_axis(each, [order[axis] for axis in range(axes)], axes)
        _reorder(graph, [node, *passed], [*passed, node])
        report.changes.append(f"{_named(node)} behind {_named(passed[-1])}")
    return moves


def _pass_to_input(graph: Graph, node: Node, axes: int, report: Report) -> None:
    """Move a Permute to the input, past layers between them."""
    passed: list[Node] = []
    before = graph.producer(node.bottoms[0])
    while before is not None and before.bottoms and _passable(before, axes):
        if _only_reader(graph, before) is None:
            return
        passed.insert(0, before)
        before = graph.producer(before.bottoms[0])
    if passed and before is not None and not before.bottoms and len(graph.readers(passed[0].bottoms[0])) == 1:
        order = permutation(node, axes)
        for each in passed:
            _rename_axis(each, [order.index(axis) for axis in range(axes)], axes)
        _reorder(graph, [*passed, node], [node, *passed])
        report.changes.append(f"{_named(node)} before {_named(passed[0])}")


def _rename_axis(node: Node, to: list[int], axes: int) -> None:
    """The axis of a Scale or Bias becomes to[axis]."""
    if node.type in BY_AXIS and node.weights[0].ndim:
        node.attributes = replace(node.attributes, axis=to[node.attributes.axis % axes])


def _reorder(graph: Graph, before: list[Node], after: list[Node]) -> None:
    """Run layers that follow each other, `before`, in the order `after`. The last top keeps its blob and name; none
    works in place."""
    source, end = before[0].bottoms[0], before[-1].tops[0]
    places = sorted(graph.nodes.index(node) for node in before)
    for place, node in zip(places, after, strict=True):
        graph.nodes[place] = node
        node.bottoms = [source]
        name = node.name
        while name in (source.name, end.name):
            name += "_"
        source = Blob(name)
        node.tops = [source]
    after[-1].tops = [end]


def _merge_permutes(graph: Graph, before: Node, node: Node, axes: int, report: Report) -> None:
    first, second = permutation(before, axes), permutation(node, axes)
    node.attributes = Permute(tuple(first[axis] for axis in second))
    node.bottoms = before.bottoms
    graph.remove([before])
    report.changes.append(f"{_named(before)} into {_named(node)}")
    if list(node.attributes.order) == list(range(axes)):
        bypass(graph, node, report)


def _merge_views(graph: Graph, before: Node, node: Node, shapes: Mapping[Blob, Shape], report: Report) -> None:
    """The first axis, the batch, is copied, so that it stays free."""
    bottom, top = shapes[before.bottoms[0]], shapes[node.tops[0]]
    if not bottom or not top or bottom[0] != top[0] or not len(bottom) > 0:
        return
    merged = Node(node.name, "Reshape", before.bottoms, node.tops, Reshape((0, *top[1:])), phase=node.phase)
    graph.nodes[graph.nodes.index(node)] = merged
    graph.remove([before])
    report.changes.append(f"{_named(before)} into {_named(node)}")


def _named(node: Node) -> str:
    return f"{node.type} {node.name!r}"
