"""Rows that a Filter leaves out: they are 0 at the end of its tops, so no layer behind it may count or mix rows."""

from __future__ import annotations

from ..ir.graph import Blob, Graph, Node
from ..ops import OPS
from ..ops.arrangement import PERMUTES
from ..ops.batch_norm import uses_global_statistics
from ..ops.bn import normalises_batch

STEPS = ("CTCGreedyDecoder", "LSTM", "Lstm", "RNN", "ReverseTime")  # whose rows are steps of time
IN_PICTURES = ("DetectionOutput", "YoloDetectionOutput", "Yolov3DetectionOutput")  # find something in zeros, too


def check_filtered(graph: Graph) -> None:
    """Raises InputError for a layer whose result would depend on how many rows a Filter leaves out."""
    sources: dict[Blob, Node] = {}
    for node in graph.nodes:
        source = next((sources[bottom] for bottom in node.bottoms if bottom in sources), None)
        if node.type == "Filter":
            source = node
        elif source and _mixes_rows(node):
            found = f"counts all rows, of which the Filter {source.name!r} leaves out some"
            raise node.error(found, "layers that compute each row by itself", "--deploy does without losses")
        if source:
            sources |= dict.fromkeys(node.tops, source)


def _mixes_rows(node: Node) -> bool:
    gradient = OPS[node.type].gradient
    if node.type == "BatchNorm":
        return not uses_global_statistics(node)
    if node.type == "BN":
        return normalises_batch(node)
    if node.type in ("Reduction", "Concat", "Softmax", "ArgMax", "Reverse", "Slice"):
        return node.attributes.axis == 0
    if node.type in PERMUTES:
        return node.attributes.order[:1] not in ((), (0,))
    return bool(gradient and gradient.loss) or node.type in ("Accuracy", *STEPS, *IN_PICTURES)
