"""Whether the batches of a net can be cut into shards, and what its inputs are then."""

from __future__ import annotations

from collections.abc import Container

from ...engine.graph.ir.graph import Node, Shape
from ...engine.graph.ops.losses import NORMALIZE_NONE
from ..data.streams import rows_of_shard
from ..net import CaffeNet
from ..register_layer import OwnParameters

RECURRENT = ("LSTM", "RNN", "Lstm")


def shard_shapes(net: CaffeNet, shards: int, fed: Container[str]) -> dict[str, Shape]:
    """The shapes of inputs that nothing in `fed` gives, of one shard: of a MemoryData layer, whose rows a caller gives
    later.

    Raises node.error for recurrent layers, whose rows are steps in time; for losses that are sums over a batch, and not
    means; for layers that make their data by own code, which gives each process the same; and for
    inputs that nothing gives.
    """
    found: dict[str, Shape] = {}
    for node in net.graph.nodes:
        if node.type in RECURRENT:
            raise node.error("takes the rows of a batch as steps in time", "no recurrent layers, with shards")
        if getattr(node.attributes, "normalization", None) == NORMALIZE_NONE:
            raise node.error(
                "has normalization NONE, a sum over a batch", "a mean, with shards: VALID, FULL, BATCH_SIZE"
            )
        if not node.bottoms and isinstance(node.attributes, OwnParameters):
            raise node.error("makes its data by code of your own", "data that shards can cut: Solver(data=...)")
    first = net.graph.nodes[0]
    if first.type == "MemoryData" and first.tops[0].name not in fed:
        found = _memory_shapes(net, first, shards)
    for name in net.needed_inputs:
        if name not in fed and name not in found:
            node = next(node for node in net.graph.nodes if any(top.name == name for top in node.tops))
            raise node.error(
                f"has {name!r}, which nothing reads", "data that shards can cut: a data layer, Solver(data=...)"
            )
    return found


def _memory_shapes(net: CaffeNet, node: Node, shards: int) -> dict[str, Shape]:
    ((rows, *rest),) = node.attributes.shapes
    net._rows.shards, rows = shards, rows_of_shard(node, rows, shards)
    return {top.name: shape for top, shape in zip(node.tops, ((rows, *rest), (rows,)), strict=False)}
