"""Fold BatchNorm, BN, Scale and Bias into the Convolution, Deconvolution or InnerProduct before them.

    conv -> BatchNorm -> Scale        becomes        conv'        W' = W * f,  b' = b * f + o

where f and o are the factor and offset of the chain (`affine.py`). A layer is folded if it is the only reader of the
blob, the blob is not an output of the net, its factors are its own, constant and one per channel, and the producer's
weights are not shared. The folded producer gives the blob of the last folded layer. All in float64, rounded once.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..ir.graph import Blob, Graph, Node, Shape
from .affine import Affine, affine_of, is_affine
from .producers import PRODUCERS, cannot_fold, fold_after
from .report import Report


def fold_batchnorm_scale(graph: Graph, shapes: Mapping[Blob, Shape]) -> Report:
    """Folds in place of `graph`; reports what was folded, and why other layers were not."""
    report = Report("fold BatchNorm and Scale")
    for node in [node for node in graph.nodes if node.type in PRODUCERS]:
        chain, affine, reason = _chain(graph, node, shapes)
        if affine is not None:
            fold_after(node, affine)
            node.tops[0] = chain[-1].tops[0]
            graph.remove(chain)
            report.changes.append(f"{', '.join(map(_named, chain))} into {_named(node)}")
        if reason:
            report.left.append(reason)
    return report


def _chain(graph: Graph, node: Node, shapes: Mapping[Blob, Shape]) -> tuple[list[Node], Affine | None, str | None]:
    """The layers after `node` that can be folded, their common effect, and why the next one cannot."""
    chain: list[Node] = []
    affine = None
    blob = node.tops[0]
    while candidate := next(filter(is_affine, graph.readers(blob)), None):
        reason = _obstacle(graph, node, blob, candidate, shapes)
        found = None if reason else affine_of(candidate, len(shapes[blob]))
        if not isinstance(found, Affine):
            return chain, affine, f"{_named(candidate)} after {node.name!r}: {reason or found}"
        affine = found if affine is None else affine.then(found)
        chain.append(candidate)
        blob = candidate.tops[0]
    return chain, affine, None


def _obstacle(graph: Graph, node: Node, blob: Blob, candidate: Node, shapes: Mapping[Blob, Shape]) -> str | None:
    others = [reader for reader in graph.readers(blob) if reader is not candidate]
    if others or candidate.bottoms[0] is not blob:
        reader = others[0].name if others else candidate.name
        return f"{blob.name!r} is also read by {reader!r}" if others else f"{blob.name!r} is its second bottom"
    return cannot_fold(graph, node, shapes[blob])


def _named(node: Node) -> str:
    return f"{node.type} {node.name!r}"
