"""Fold Pad layers into the padding of the layers behind them.

    Pad of zeros -> Convolution                     the pads become the convolution's
    Pad of -inf  -> Pooling of maxima               the pads become the pooling's, whose padding never wins
    Pad of zeros -> Pooling of means                likewise, where the pooling has none: its means count the padding

if all readers can take it, only height and width (or what else lies behind the channels) are padded, and nothing is
cut off.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from ..ir.graph import Blob, Graph, Node, Shape
from ..ops.pooling import POOL_AVE, POOL_MAX
from .report import Report

ZERO_PADDED = ("Convolution", "ConvolutionDepthwise", "DepthwiseConvolution")


def fold_pad(graph: Graph, shapes: Mapping[Blob, Shape]) -> Report:
    """Folds in place of `graph`."""
    report = Report("fold Pad")
    for node in [node for node in graph.nodes if node.type == "Pad"]:
        readers = graph.readers(node.tops[0])
        reason = _obstacle(node) or next(filter(None, (_refusal(node, reader, shapes) for reader in readers)), None)
        named = f"Pad {node.name!r}"
        if reason or not readers:
            report.left.append(f"{named}: {reason or 'its output is one of the net'}")
            continue
        for reader in readers:
            _add_pads(reader, node)
            report.changes.append(f"{named} into {reader.type} {reader.name!r}")
        graph.replace(node.tops[0], node.bottoms[0])
        graph.remove([node])
    return report


def _obstacle(node: Node) -> str | None:
    attributes = node.attributes
    pads = attributes.pads_before + attributes.pads_after
    if attributes.mode != "constant":
        return f"its mode is {attributes.mode}"
    if min(pads, default=0) < 0:
        return "it cuts off values"
    if any(attributes.pads_before[:2]) or any(attributes.pads_after[:2]):
        return "it pads pictures or channels"
    return None


def _refusal(node: Node, reader: Node, shapes: Mapping[Blob, Shape]) -> str | None:
    """Why the reader cannot take the pads, or None."""
    named, value = f"{reader.type} {reader.name!r}", node.attributes.value
    if reader.type in ZERO_PADDED and reader.attributes.axis == 1:
        return None if value == 0 else f"its value is {value:g}, and {named} pads with 0"
    if reader.type != "Pooling" or reader.attributes.kernel is None:
        return f"{named} does not pad"
    if reader.attributes.pool == POOL_MAX and value != -math.inf:
        return f"its value is {value:g}, and {named} pads with -inf"
    if reader.attributes.pool == POOL_AVE and value != 0:
        return f"its value is {value:g}, and {named} pads with 0"
    return _other_windows(node, reader, shapes[node.bottoms[0]])


def _other_windows(node: Node, reader: Node, bottom: Shape) -> str | None:
    """Pooling's windows are the same if none reaches beyond the padded picture."""
    pooling, named = reader.attributes, f"{reader.type} {reader.name!r}"
    if any(pooling.pads_before + pooling.pads_after):
        return f"{named} has padding of its own"
    sizes = zip(
        bottom[2:],
        node.attributes.pads_before[2:],
        node.attributes.pads_after[2:],
        pooling.kernel,
        pooling.stride,
        strict=True,
    )
    for size, before, after, kernel, stride in sizes:
        if (size + before + after - kernel) % stride and pooling.round_mode != "down":
            return f"the last window of {named} reaches beyond it"
        if max(before, after) >= kernel:
            return f"whole windows of {named} lie in it"
    return None


def _add_pads(reader: Node, node: Node) -> None:
    axes = len(node.attributes.pads_before) - 2
    pads = {}
    for side in ("pads_before", "pads_after"):
        own = getattr(reader.attributes, side)
        own = own * axes if len(own) == 1 else own
        pads[side] = tuple(a + b for a, b in zip(own, getattr(node.attributes, side)[2:], strict=True))
    reader.attributes = replace(reader.attributes, **pads)
