"""Which blobs have memory to themselves, so that a layer may work in place on it; which have one memory in Caffe; and
what in-place layers of a file leave there."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..ir.graph import Blob, Graph, Node, Shape
from ..ir.op import count
from ..ops import OPS, op_of
from .need_backward import loss_blobs


def exclusive_blobs(graph: Graph) -> set[Blob]:
    """Blobs with at most one reader that are not inputs, and whose memory no other blob shares.

    The tops of Flatten, Reshape and Split share their bottom's memory, so they are exclusive only if it is. So do, in
    Caffe, those of a Concat of one blob and a Slice into one. Layers of unknown types may do so too.
    """
    exclusive: set[Blob] = set()
    for node in graph.nodes:
        one_to_one = len(node.bottoms) == len(node.tops) == 1
        op = op_of(node)
        shares = op is None or op.view or (node.type in ("Concat", "Slice") and one_to_one)
        for top in node.tops:
            alone = len(graph.readers(top)) <= 1 and bool(node.bottoms)
            if alone and not (shares and (len(node.tops) > 1 or node.bottoms[0] not in exclusive)):
                exclusive.add(top)
    return exclusive


def caffe_memories(graph: Graph, shapes: Mapping[Blob, Shape]) -> dict[Blob, Blob]:
    """Each blob -> the first blob of the memory that it has in Caffe: one for all blobs of a name, and one for the
    bottom and the tops of a Flatten, Reshape or Split.

    Unlike there, no layer overwrites an input, or what another layer still reads: what it makes has other memory.
    """
    exclusive = exclusive_blobs(graph)
    written_over = {bottom for bottom in left_in_memory(graph) if bottom not in exclusive}
    inputs = {blob: blob for blob in graph.inputs}
    return _joined(graph, shapes, inputs, lambda node: written_over.isdisjoint((*node.bottoms, *node.tops)))


def caffe_diffs(graph: Graph, shapes: Mapping[Blob, Shape]) -> dict[Blob, Blob]:
    """The same of the memory of gradients, which the tops of a Split have for themselves; so has a blob that several
    layers read, for whose readers Caffe splits it, or that is a part of the loss."""
    losses = loss_blobs(graph.nodes)

    def shares(node: Node) -> bool:
        (bottom,) = node.bottoms
        return node.type != "Split" and len(graph.readers(bottom)) == 1 and bottom not in losses

    return _joined(graph, shapes, {}, shares)


def _joined(
    graph: Graph, shapes: Mapping[Blob, Shape], memories: dict[Blob, Blob], shares: Callable[[Node], bool]
) -> dict[Blob, Blob]:
    """`memories`, and those of other blobs; `shares` of a Flatten, Reshape or Split whether it is one."""
    last: dict[str, Blob] = {}
    for node in graph.nodes:
        source = node.bottoms[0] if OPS[node.type].view and shares(node) else None
        for top in node.tops:
            if top in memories:
                continue
            before = last.get(top.name)
            if before and count(shapes[before]) == count(shapes[top]):
                memories[top] = memories[before]
            else:
                memories[top] = memories[source] if source else top
            last[top.name] = top
    return memories


def left_in_memory(graph: Graph) -> dict[Blob, Blob]:
    """Each blob over which layers of the file work in place, by its name -> the last of these in its memory."""
    last: dict[Blob, Blob] = {}
    for node in reversed(graph.nodes):
        for bottom, top in zip(node.bottoms, node.tops, strict=False):
            if bottom.name == top.name:
                last[bottom] = last.get(top, top)
    return last
