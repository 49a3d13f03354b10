"""A single layer as a plan, where the caller keeps its blobs in Caffe's layout: copied in, run, copied out."""

from __future__ import annotations

import numpy as np

from ..ir.graph import Graph, Node, Shape
from ..ir.op import Run
from ..ops import OPS
from .groups import CONVOLUTIONS, single
from .lowering import Context, lower
from .plan import Plan


@np.errstate(all="ignore")
def prepare_layer(
    node: Node, bottoms: list[Shape], tops: list[Shape], *, threads: int | None = None, exact: bool = False
) -> Run:
    """The layer's own `prepare`; for convolutions the faster `plan_layer`."""
    run = plan_layer(node, bottoms, tops, threads=threads, exact=exact) if node.type in CONVOLUTIONS else None
    return run or OPS[node.type].prepare(node, bottoms, tops)


def plan_layer(
    node: Node, bottoms: list[Shape], tops: list[Shape], *, threads: int | None = None, exact: bool = False
) -> Run | None:
    """A layer as a plan; None without a lowering."""
    if lower(Context(single(node), bottoms, tops, exact)):
        return _plan(node, bottoms, threads=threads, exact=exact)
    return None


def _plan(node: Node, bottoms: list[Shape], **options) -> Run:
    (bottom,), (top,) = node.bottoms, node.tops
    source = Node("", "Input", [], [bottom])
    plan = Plan(Graph([source, node]), {bottom.name: bottoms[0]}, **options)

    def run(inputs, outputs):
        np.copyto(plan.inputs[bottom], inputs[0])
        plan.forward()
        np.copyto(outputs[0], plan.outputs[top])

    return run
