"""Layers that Caffe does not have, as several that it has:

HardSigmoid    Power, Clip                    alpha * x + beta, between 0 and 1
HardSwish      Power, Clip, Eltwise           x times that, with 1/6 and 1/2
"""

from __future__ import annotations

from ...ir.graph import Blob, Graph, Node
from ...ops.curves import Clip, HardSigmoid
from ...ops.eltwise import ELTWISE_PROD, Eltwise
from ...ops.powers import Power


def spell_out(graph: Graph) -> Graph:
    """A copy with these layers instead; `graph` itself if it has none of those."""
    if not any(node.type in ("HardSigmoid", "HardSwish") for node in graph.nodes):
        return graph
    made = graph.copy()
    nodes: list[Node] = []
    for node in made.nodes:
        if node.type == "HardSigmoid":
            nodes += _hard_sigmoid(node, node.name, node.tops[0], node.attributes)
        elif node.type == "HardSwish":
            gate = Blob(f"{node.name}_gate")
            nodes += _hard_sigmoid(node, gate.name, gate, HardSigmoid(1 / 6, 0.5))
            product = Eltwise(ELTWISE_PROD)
            nodes.append(Node(node.name, "Eltwise", [node.bottoms[0], gate], node.tops, product, phase=node.phase))
        else:
            nodes.append(node)
    made.nodes = nodes
    return made


def _hard_sigmoid(node: Node, name: str, top: Blob, attributes: HardSigmoid) -> list[Node]:
    line = Blob(f"{name}_line")
    power = Power(scale=attributes.alpha, shift=attributes.beta)
    return [
        Node(line.name, "Power", list(node.bottoms), [line], power, phase=node.phase),
        Node(name, "Clip", [line], [top], Clip(0.0, 1.0), phase=node.phase),
    ]
