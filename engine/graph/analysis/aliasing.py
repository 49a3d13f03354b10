"""Which blobs have memory to themselves, so that a layer may work in place on it; and what in-place layers of a file
leave there."""

from __future__ import annotations

from ..ir.graph import Blob, Graph
from ..ops import op_of


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


def left_in_memory(graph: Graph) -> dict[Blob, Blob]:
    """Each blob over which layers of the file work in place, by its name -> the last of these in its memory."""
    last: dict[Blob, Blob] = {}
    for node in reversed(graph.nodes):
        for bottom, top in zip(node.bottoms, node.tops, strict=False):
            if bottom.name == top.name:
                last[bottom] = last.get(top, top)
    return last
