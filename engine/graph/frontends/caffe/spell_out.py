"""Layers that Caffe itself does not have, as several that it has, where no file of Caffe's had them:

HardSigmoid    Power, Clip                    alpha * x + beta, between 0 and 1
HardSwish      Power, Clip, Eltwise           x times that, with 1/6 and 1/2
Mish           BNLL, TanH, Eltwise            x * tanh(ln(1 + exp(x)))
SELU           ELU, Power                     scale times that

Forks have types of these names; a layer that was read as one of them is written as such.
"""

from __future__ import annotations

from ...ir.graph import Blob, Graph, Node
from ...ops.eltwise import ELTWISE_PROD, Eltwise
from ...ops.piecewise import Clip, HardSigmoid
from ...ops.powers import Power
from ...ops.smooth import ELU
from .fields import is_message


def spell_out(graph: Graph) -> Graph:
    """A copy with these layers instead; `graph` itself if it has none of those."""
    if not any(map(_is_foreign, graph.nodes)):
        return graph
    made = graph.copy()
    made.nodes = [each for node in made.nodes for each in (SPELLED[node.type](node) if _is_foreign(node) else [node])]
    return made


def _is_foreign(node: Node) -> bool:
    return node.type in SPELLED and not is_message(node.origin, "LayerParameter")


def _hard_sigmoid(node: Node) -> list[Node]:
    return _line(node, node.name, node.tops[0], node.attributes)


def _line(node: Node, name: str, top: Blob, attributes: HardSigmoid) -> list[Node]:
    line = Blob(f"{name}_line")
    power = Power(scale=attributes.alpha, shift=attributes.beta)
    return [
        Node(line.name, "Power", list(node.bottoms), [line], power, phase=node.phase),
        Node(name, "Clip", [line], [top], Clip(0.0, 1.0), phase=node.phase),
    ]


def _hard_swish(node: Node) -> list[Node]:
    gate = Blob(f"{node.name}_gate")
    return [*_line(node, gate.name, gate, HardSigmoid(1 / 6, 0.5)), _product(node, gate)]


def _mish(node: Node) -> list[Node]:
    soft, gate = Blob(f"{node.name}_soft"), Blob(f"{node.name}_gate")
    return [
        Node(soft.name, "BNLL", list(node.bottoms), [soft], phase=node.phase),
        Node(gate.name, "TanH", [soft], [gate], phase=node.phase),
        _product(node, gate),
    ]


def _product(node: Node, gate: Blob) -> Node:
    return Node(node.name, "Eltwise", [node.bottoms[0], gate], node.tops, Eltwise(ELTWISE_PROD), phase=node.phase)


def _selu(node: Node) -> list[Node]:
    curve = Blob(f"{node.name}_elu")
    return [
        Node(curve.name, "ELU", list(node.bottoms), [curve], ELU(node.attributes.alpha), phase=node.phase),
        Node(node.name, "Power", [curve], node.tops, Power(scale=node.attributes.scale), phase=node.phase),
    ]


SPELLED = {"HardSigmoid": _hard_sigmoid, "HardSwish": _hard_swish, "Mish": _mish, "SELU": _selu}
