"""Groups of layers that run as one: a layer, or, where fusing is allowed, a product with the operations on its outputs.

Convolution, Deconvolution or InnerProduct  [+ Eltwise sum with an earlier blob]  [+ function]
Eltwise or Axpy  [+ function]
Pooling of maxima [+ ReLU]
Depthwise convolution  [+ function]  + 1 x 1 convolution  [+ Eltwise sum]  [+ function]
BatchNorm or BN by the statistics of each batch  [+ Scale of channels]  [+ ReLU]

A function is an element-wise one of `lowering/curves.py`. A ReLU or ReLU6 inside gives 0 for -inf, a Clip NaN for
NaN; by themselves they give NaN and the lower bound, as Caffe's.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from ..analysis.aliasing import left_in_memory
from ..ir.graph import Blob, Graph, Node, Shape
from ..ops import OPS
from ..ops.batch_norm import disables, uses_global_statistics
from ..ops.bn import normalises_batch
from ..ops.eltwise import ELTWISE_SUM
from ..ops.pooling import POOL_MAX
from ..ops.scale import operand
from ..ops.windows import Window, window_of

CONVOLUTIONS = ("Convolution", "ConvolutionDepthwise", "DepthwiseConvolution")
PRODUCTS = (*CONVOLUTIONS, "Deconvolution", "InnerProduct")


@dataclass(eq=False)
class LayerGroup:
    """`nodes` that run as one: those of `depthwise`, a depthwise convolution whose result only `main` reads, then
    `main` and the operations on its result: `scale` multiplies its channels, `addend` is added, then `activation`
    applied, an element-wise function."""

    nodes: list[Node]
    tops: list[Blob]
    main: Node
    addend: Blob | None = None
    scale: Node | None = None
    activation: Node | None = None
    depthwise: LayerGroup | None = None

    @property
    def bottoms(self) -> list[Blob]:
        """Its inputs: the bottoms of its first node, and `addend`."""
        return [*self.nodes[0].bottoms, *([self.addend] if self.addend else [])]

    @property
    def blobs(self) -> set[Blob]:
        """All blobs that its nodes read and write."""
        return {blob for node in self.nodes for blob in (*node.bottoms, *node.tops)}

    @property
    def parts(self) -> list[LayerGroup]:
        """Its parts as groups: `depthwise` and the rest, or each node by itself."""
        if self.depthwise:
            own = [node for node in self.nodes if node not in self.depthwise.nodes]
            return [self.depthwise, replace(self, nodes=own, depthwise=None)]
        return [single(node) for node in self.nodes]


def single(node: Node) -> LayerGroup:
    """A node by itself."""
    return LayerGroup([node], node.tops, node)


def find_groups(
    graph: Graph,
    shapes: dict[Blob, Shape],
    *,
    fuse: bool,
    backward: Collection[Node] = (),
    keep: Collection[Blob] = (),
) -> list[LayerGroup]:
    """The nodes in groups, in an order that runs. Of those that run `backward`, only a product, an Eltwise or maxima
    and a ReLU are one, and a normalisation with what is behind it. No blob of `keep` is inside a group."""
    groups, taken = [], set()
    known: set[Blob] = set()
    for node in graph.nodes:
        if node in taken:
            continue
        group = single(node)
        if fuse and normalises_each_batch(node):
            _extend_normalisation(group, graph, shapes, backward, keep)
        elif fuse and node in backward:
            _rectify(group, graph, keep)
        elif fuse:
            _extend(group, graph, shapes, known, backward, keep)
        taken.update(group.nodes)
        known.update(group.tops, *(each.tops for each in group.nodes))
        groups.append(group)
    return _pair(groups, graph, shapes, backward, keep) if fuse else groups


def _inner_readers(group: LayerGroup, graph: Graph, keep: Collection[Blob]) -> list[Node]:
    """What reads the only top of a group; none where that must not be inside one."""
    return graph.readers(group.tops[0]) if len(group.tops) == 1 and group.tops[0] not in keep else []


def _rectify(group: LayerGroup, graph: Graph, keep: Collection[Blob]) -> None:
    """Take in the ReLU that alone reads a product, an Eltwise or maxima."""
    readers = _inner_readers(group, graph, keep)
    if (
        (group.main.type in (*PRODUCTS, "Eltwise") or _is_max_pooling(group.main))
        and len(readers) == 1
        and _is_plain_relu(readers[0], graph)
    ):
        group.activation, group.tops = readers[0], readers[0].tops
        group.nodes.append(readers[0])


def _is_max_pooling(node: Node) -> bool:
    return node.type == "Pooling" and node.attributes.pool == POOL_MAX and len(node.tops) == 1


def _is_plain_relu(node: Node, graph: Graph) -> bool:
    """Whether it is a ReLU without a slope whose gradient does not depend on what later layers leave in its memory."""
    if node.type != "ReLU" or node.attributes.negative_slope:
        return False
    return left_in_memory(graph).get(node.bottoms[0], node.tops[0]) is node.tops[0]


def _extend(
    group: LayerGroup,
    graph: Graph,
    shapes: dict[Blob, Shape],
    known: set[Blob],
    backward: Collection[Node],
    keep: Collection[Blob],
) -> None:
    """Take in the only reader of the group's top, as long as there is one that fits and does not run `backward`."""
    if _is_max_pooling(group.main):
        _rectify(group, graph, keep)
    if len(group.main.tops) != 1 or group.main.type not in (*PRODUCTS, "Eltwise", "Axpy"):
        return
    while group.activation is None:
        top, readers = group.tops[0], _inner_readers(group, graph, keep)
        if len(readers) != 1 or len(readers[0].tops) != 1 or readers[0] in backward:
            return
        reader = readers[0]
        if OPS[reader.type].curve(reader) is not None:
            group.activation = reader
        elif group.main.type in PRODUCTS and group.addend is None and _is_plain_sum(reader):
            others = [bottom for bottom in reader.bottoms if bottom is not top]
            if len(others) != 1 or others[0] not in known or shapes[others[0]] != shapes[top]:
                return
            group.addend = others[0]
        else:
            return
        group.nodes.append(reader)
        group.tops = reader.tops


def _extend_normalisation(
    group: LayerGroup, graph: Graph, shapes: dict[Blob, Shape], backward: Collection[Node], keep: Collection[Blob]
) -> None:
    """Take in the Scale and the ReLU behind a BatchNorm or BN of each batch that run backward if it does."""
    node = group.main
    while group.activation is None:
        readers = _inner_readers(group, graph, keep)
        if len(readers) != 1 or (readers[0] in backward) != (node in backward):
            return
        (reader,) = readers
        if node.type == "BatchNorm" and group.scale is None and _scales_channels(reader, shapes):
            group.scale = reader
        elif _is_plain_relu(reader, graph):
            group.activation = reader
        else:
            return
        group.nodes.append(reader)
        group.tops = reader.tops


def normalises_each_batch(node: Node) -> bool:
    """Whether it is a BatchNorm or BN that uses the statistics of each batch."""
    if node.type == "BN":
        return normalises_batch(node)
    return node.type == "BatchNorm" and not uses_global_statistics(node) and not disables(node)


def _scales_channels(node: Node, shapes: dict[Blob, Shape]) -> bool:
    bottoms = [shapes[blob] for blob in node.bottoms]
    return node.type == "Scale" and len(bottoms) == 1 and operand(node, bottoms) == (1, (bottoms[0][1],))


def _is_plain_sum(node: Node) -> bool:
    return node.type == "Eltwise" and node.attributes.operation == ELTWISE_SUM and set(node.attributes.coeff) <= {1}


def _pair(
    groups: list[LayerGroup],
    graph: Graph,
    shapes: dict[Blob, Shape],
    backward: Collection[Node],
    keep: Collection[Blob],
) -> list[LayerGroup]:
    """Depthwise convolutions together with the 1 x 1 convolutions after them, where neither runs `backward`."""
    paired: list[LayerGroup] = []
    for group in groups:
        if group.main not in backward and _is_pointwise(group, shapes):
            inner = next((each for each in paired if each.tops == group.main.bottoms), None)
            if inner and _is_depthwise(inner, shapes) and len(_inner_readers(inner, graph, keep)) == 1:
                paired.remove(inner)
                group = replace(group, nodes=[*inner.nodes, *group.nodes], depthwise=inner)
        paired.append(group)
    return paired


def _is_depthwise(group: LayerGroup, shapes: dict[Blob, Shape]) -> bool:
    window = None if group.addend else _window(group, shapes)
    return window is not None and window.group == window.channels == window.outputs


def _is_pointwise(group: LayerGroup, shapes: dict[Blob, Shape]) -> bool:
    window = _window(group, shapes)
    plain = (1, 1), (1, 1), (0, 0), (0, 0), 1
    if window is None:
        return False
    return (window.kernel, window.stride, window.before, window.after, window.group) == plain


def _window(group: LayerGroup, shapes: dict[Blob, Shape]) -> Window | None:
    node = group.main
    bottoms = [shapes[blob] for blob in node.bottoms]
    return window_of(node, bottoms) if node.type in CONVOLUTIONS and len(bottoms) == 1 else None
