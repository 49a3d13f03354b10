"""Fold BatchNorm, BN, Scale, Bias and linear Power layers into the layers with weights behind them.

    Scale -> conv        becomes        conv'        W' = W * f,  b' = b + sum of W * o

where f and o are the factor and offset of all such layers in a row (`affine.py`). Before them may be anything: what is
folded here found no layer with weights before it (`fold_batchnorm_scale.py`), as the preparation of an input that is
in the net. All readers of the last of these layers must be able to take it. This is exact without padding; with
padding the zeros stand for values behind those layers, so they are left, unless there is no offset. On an input, the
factor goes into the weights nevertheless, and o / f becomes a Bias on the raw values.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..ir.graph import Blob, Graph, Node, Shape
from ..ops.arrangement import PERMUTES
from ..ops.scale import Bias
from .affine import AFFINE_TYPES, Affine, affine_chain, is_affine
from .producers import PRODUCERS, cannot_fold_before, fold_before, pads_input
from .report import Report


def fold_forward(graph: Graph, shapes: Mapping[Blob, Shape]) -> Report:
    """Folds in place of `graph`."""
    report, seen = Report("fold into the next layer"), set()
    for node in [node for node in graph.nodes if is_affine(node)]:
        chain, affine = ([], None) if node in seen else affine_chain(graph, node, shapes)
        seen.update(chain)
        if affine is not None:
            _fold(graph, shapes, chain, affine, report)
    return report


def _fold(graph: Graph, shapes: Mapping[Blob, Shape], chain: list[Node], affine: Affine, report: Report) -> None:
    source, readers = chain[0].bottoms[0], graph.readers(chain[-1].tops[0])
    names = ", ".join(f"{node.type} {node.name!r}" for node in chain)
    if not any(reader.type in PRODUCERS for reader in readers):
        before = graph.producer(source)
        if before.type not in PRODUCERS and any(node.type in AFFINE_TYPES for node in chain):
            named = f"{before.type} {before.name!r}"
            report.left.append(f"{names}: comes after {named}, which has no weights to fold it into")
        return
    into = ", ".join(f"{node.type} {node.name!r}" for node in readers)
    padded = _padded(readers) if np.any(affine.offset) else None
    reason = next(filter(None, (cannot_fold_before(graph, reader) for reader in readers)), None)
    if reason is None and padded:
        reason = _needs_offset(graph, source, affine, padded)
    if reason:
        report.left.append(f"{names} before {into}: {reason}")
        return
    if padded:
        if len(chain) == 1 and chain[0].type == "Bias":
            return  # nothing to gain
        _leave_bias(graph, chain, affine, shapes[source][1])
        affine = Affine(affine.factor, np.zeros(1))
        report.changes.append(f"the factor of {names} into {into}; the offset is a Bias, since {padded.name!r} pads")
    else:
        graph.replace(chain[-1].tops[0], source)
        graph.remove(chain)
        report.changes.append(f"{names} into {into}")
    for reader in readers:
        fold_before(reader, shapes[source], affine)


def _padded(readers: list[Node]) -> Node | None:
    return next((reader for reader in readers if reader.type in PRODUCERS and pads_input(reader)), None)


def _needs_offset(graph: Graph, source: Blob, affine: Affine, padded: Node) -> str | None:
    """Why the offset cannot be a Bias on raw values instead, or None."""
    producer = graph.producer(source)
    if producer.type in PERMUTES:  # of an input whose channels come last
        producer = graph.producer(producer.bottoms[0])
    if producer.bottoms:
        return f"{padded.name!r} pads its input with zeros, which stand for values behind the offset"
    return None if affine.factor.all() else "a factor is 0"


def _leave_bias(graph: Graph, chain: list[Node], affine: Affine, channels: int) -> None:
    """A Bias of offset / factor in place of the chain, under its last name."""
    last = chain[-1]
    values = np.broadcast_to(affine.offset / affine.factor, channels).astype(np.float32)
    graph.nodes[graph.nodes.index(chain[0])] = Node(
        last.name, "Bias", chain[0].bottoms, last.tops, Bias(), [values], last.phase
    )
    graph.remove(chain[1:])
