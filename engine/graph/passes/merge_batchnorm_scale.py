"""BatchNorm followed by Scale or Bias that could not be folded become one Scale with a bias, and so does a BN.

    BatchNorm -> Scale -> ...        becomes        Scale        gamma = f, beta = o (`affine.py`)

under the same conditions as folding: no other reader between them, constant statistics, one number per channel. A BN
also does by itself, as every Caffe has a Scale.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..ir.graph import Blob, Graph, Node, Shape
from ..ops.scale import Scale
from .affine import Affine, affine_chain
from .report import Report


def merge_batchnorm_scale(graph: Graph, shapes: Mapping[Blob, Shape]) -> Report:
    """Merges in place of `graph`."""
    report = Report("merge BatchNorm and Scale")
    for node in [node for node in graph.nodes if node.type in ("BatchNorm", "BN")]:
        chain, affine = affine_chain(graph, node, shapes)
        if node not in graph.nodes or len(chain) < 1 + (node.type == "BatchNorm"):
            continue
        last, named = chain[-1], ", ".join(repr(each.name) for each in chain)
        _replace(graph, node, last, affine, shapes[node.bottoms[0]][1])
        graph.remove(chain[1:])
        report.changes.append(f"{named} {'are one' if len(chain) > 1 else 'is a'} Scale {last.name!r}")
    return report


def _replace(graph: Graph, node: Node, last: Node, affine: Affine, channels: int) -> None:
    """Replace `node`, the first of a chain, by a Scale with the effect of all, under the last one's name, by which
    weights are matched."""
    weights = [
        np.ascontiguousarray(np.broadcast_to(values, channels), np.float32) for values in (affine.factor, affine.offset)
    ]
    merged = Node(last.name, "Scale", node.bottoms, last.tops, Scale(bias_term=True), weights, node.phase)
    graph.nodes[graph.nodes.index(node)] = merged
