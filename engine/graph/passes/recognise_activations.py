"""Activations that a file spells out in several layers become one layer.

    Clip(ReLU(x))                                     becomes  Clip
    a * Clip(s * x + t) + b,  0 to 1 in the end       becomes  HardSigmoid      Power, Clip, Power; either may be absent
    x * HardSigmoid(x), with slope 1/6 and 1/2        becomes  HardSwish
    x * (Clip(x + 3) of 0 to 6), then / 6             becomes  HardSwish
    x * Sigmoid(x)                                    becomes  Swish
    x * TanH(BNLL(x))                                 becomes  Mish

where what is inside has no other reader. The new layer has the name and the top of the last one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..ir.graph import Blob, Graph, Node
from ..ops.eltwise import ELTWISE_PROD
from ..ops.piecewise import Clip, HardSigmoid
from ..ops.smooth import Swish
from .report import Report

CLOSE = 1e-6  # of constants: files have 0.16666667 for 1/6, and 0.167
SIXTH = 1 / 6


def recognise_activations(graph: Graph) -> Report:
    """Replaces them in place of `graph`."""
    report = Report("recognise activations")
    for find in (_clip, _hard_sigmoid, _swish, _mish, _hard_swish, _divided_hard_swish):
        for node in list(graph.nodes):
            if node in graph.nodes and (found := find(graph, node)):
                _replace(graph, node, *found, report)
    return report


Found = tuple[str, Any, Blob, list[Node]]  # type, attributes, bottom, the layers before the last one
Finder = Callable[[Graph, Node], Found | None]


def _replace(
    graph: Graph, last: Node, kind: str, attributes: Any, bottom: Blob, before: list[Node], report: Report
) -> None:
    made = Node(last.name, kind, [bottom], last.tops, attributes, phase=last.phase)
    graph.nodes[graph.nodes.index(last)] = made
    graph.remove(before)
    names = ", ".join(f"{node.type} {node.name!r}" for node in (*before, last))
    report.changes.append(f"{names} are one {kind}")


def _before(graph: Graph, blob: Blob, kind: str) -> Node | None:
    """The layer of that type that gives `blob`, if only one layer reads it."""
    producer = graph.producer(blob)
    single = producer is not None and producer.type == kind and len(producer.bottoms) == 1
    return producer if single and len(graph.readers(blob)) == 1 else None


def _linear(node: Node | None) -> tuple[float, float]:
    """Factor and offset of a Power with power 1; of none, 1 and 0."""
    return (1.0, 0.0) if node is None else (node.attributes.scale, node.attributes.shift)


def _is_linear(node: Node | None) -> bool:
    return node is not None and node.attributes.power == 1


def _close(*pairs: tuple[float, float]) -> bool:
    return all(math.isclose(found, wanted, rel_tol=CLOSE, abs_tol=CLOSE) for found, wanted in pairs)


def _clip(graph: Graph, node: Node) -> Found | None:
    relu = _before(graph, node.bottoms[0], "ReLU") if node.type == "Clip" else None
    if relu is None or relu.attributes.negative_slope != 0 or None in (node.attributes.min, node.attributes.max):
        return None
    if node.attributes.max < 0:
        return None
    return "Clip", Clip(max(0.0, node.attributes.min), node.attributes.max), relu.bottoms[0], [relu]


def _hard_sigmoid(graph: Graph, node: Node) -> Found | None:
    last = node if node.type == "Power" and _is_linear(node) else None
    clip = node if node.type == "Clip" else _before(graph, node.bottoms[0], "Clip") if last else None
    if clip is None or None in (clip.attributes.min, clip.attributes.max):
        return None
    if clip is node and any(reader.type == "Power" for reader in graph.readers(node.tops[0])):
        return None  # that Power comes to it
    first = _before(graph, clip.bottoms[0], "Power")
    first = first if _is_linear(first) else None
    (scale, shift), (factor, offset) = _linear(first), _linear(last)
    ends = factor * clip.attributes.min + offset, factor * clip.attributes.max + offset
    if not _close((ends[0], 0), (ends[1], 1)) or (first is None and last is None):
        return None
    attributes = HardSigmoid(alpha=factor * scale, beta=factor * shift + offset)
    before = [each for each in (first, clip) if each is not None and each is not node]
    return "HardSigmoid", attributes, (first or clip).bottoms[0], before


def _factors(graph: Graph, node: Node, kind: str) -> tuple[Blob, Node] | None:
    """x and the layer of that type on x, of which the layer is the product."""
    for x, other in _pairs(node):
        producer = _before(graph, other, kind)
        if producer is not None and producer.bottoms[0] is x:
            return x, producer
    return None


def _pairs(node: Node | None) -> tuple[list[Blob], ...]:
    """The bottoms of a product of two, in both orders; of another layer none."""
    if node is None or node.type != "Eltwise" or node.attributes.operation != ELTWISE_PROD or len(node.bottoms) != 2:
        return ()
    return node.bottoms, node.bottoms[::-1]


def _swish(graph: Graph, node: Node) -> Found | None:
    found = _factors(graph, node, "Sigmoid")
    return None if found is None else ("Swish", Swish(), found[0], [found[1]])


def _mish(graph: Graph, node: Node) -> Found | None:
    for x, gate in _pairs(node):
        tanh = _before(graph, gate, "TanH")
        soft = _before(graph, tanh.bottoms[0], "BNLL") if tanh else None
        if tanh and soft and soft.bottoms[0] is x:
            return "Mish", None, x, [soft, tanh]
    return None


def _hard_swish(graph: Graph, node: Node) -> Found | None:
    found = _factors(graph, node, "HardSigmoid")
    if found is None or not _close((found[1].attributes.alpha, SIXTH), (found[1].attributes.beta, 0.5)):
        return None
    return "HardSwish", None, found[0], [found[1]]


def _divided_hard_swish(graph: Graph, node: Node) -> Found | None:
    """The division by 6 comes behind the product."""
    if (
        node.type != "Power"
        or not _is_linear(node)
        or not _close((node.attributes.scale, SIXTH), (node.attributes.shift, 0))
    ):
        return None
    product = graph.producer(node.bottoms[0]) if graph.readers(node.bottoms[0]) == [node] else None
    for x, other in _pairs(product):
        clip = _before(graph, other, "Clip")
        shift = _before(graph, clip.bottoms[0], "Power") if clip else None
        if not _is_linear(shift) or shift.bottoms[0] is not x:
            continue
        bounds = (clip.attributes.min, 0), (clip.attributes.max, 6)
        if None not in (clip.attributes.min, clip.attributes.max) and _close(
            *bounds, (shift.attributes.scale, 1), (shift.attributes.shift, 3)
        ):
            return "HardSwish", None, x, [shift, clip, product]
    return None
