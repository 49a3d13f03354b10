"""What runs as one: a layer, or, where fusing is allowed, a product with what is done to its outputs right away.

Convolution or InnerProduct  [+ Eltwise sum with a blob that is there already]  [+ ReLU]        Eltwise [+ ReLU]

A ReLU inside gives 0 for -inf; by itself it gives NaN, as Caffe's.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..graph import Blob, Graph, Node, Shape

PRODUCTS = ("Convolution", "ConvolutionDepthwise", "DepthwiseConvolution", "InnerProduct")
SUM = 1  # EltwiseOp


@dataclass(eq=False)
class Group:
    """`nodes` that run as one, `main` first. `more`: what is added to main's result; `rectified`: then max(0, .)."""

    nodes: list[Node]
    tops: list[Blob]
    more: Blob | None = None
    rectified: bool = False

    @property
    def main(self) -> Node:
        return self.nodes[0]

    @property
    def bottoms(self) -> list[Blob]:
        """What it reads: main's bottoms, and `more`."""
        return [*self.main.bottoms, *([self.more] if self.more else [])]


def find_groups(graph: Graph, shapes: dict[Blob, Shape], *, fuse: bool) -> list[Group]:
    """The graph's nodes in groups, in an order that runs."""
    groups, taken = [], set()
    known: set[Blob] = set()
    for node in graph.nodes:
        if node in taken:
            continue
        group = Group([node], node.tops)
        if fuse:
            _extend(group, graph, shapes, known)
        taken.update(group.nodes)
        known.update(group.tops, *(each.tops for each in group.nodes))
        groups.append(group)
    return groups


def _extend(group: Group, graph: Graph, shapes: dict[Blob, Shape], known: set[Blob]) -> None:
    """Take in the only reader of the group's top, as long as there is one that fits."""
    if len(group.main.tops) != 1 or group.main.type not in (*PRODUCTS, "Eltwise"):
        return
    while not group.rectified:
        top = group.tops[0]
        readers = graph.readers(top)
        if len(readers) != 1 or len(readers[0].tops) != 1:
            return
        reader = readers[0]
        if reader.type == "ReLU" and not reader.message.relu_param.negative_slope:
            group.rectified = True
        elif group.main.type in PRODUCTS and group.more is None and _is_plain_sum(reader):
            others = [bottom for bottom in reader.bottoms if bottom is not top]
            if len(others) != 1 or others[0] not in known or shapes[others[0]] != shapes[top]:
                return
            group.more = others[0]
        else:
            return
        group.nodes.append(reader)
        group.tops = reader.tops


def _is_plain_sum(node: Node) -> bool:
    parameter = node.message.eltwise_param if node.type == "Eltwise" else None
    return bool(parameter) and parameter.operation == SUM and all(each == 1 for each in parameter.coeff)
