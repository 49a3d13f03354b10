"""A single layer as a plan, for who keeps all blobs in Caffe's layout: moved into blocks, done, and moved back."""

from __future__ import annotations

import numpy as np

from ..graph import Graph, Node, Shape
from ..op import Run
from .groups import Group
from .lowering import Context, lower
from .plan import Plan

CONVOLUTIONS = ("Convolution", "ConvolutionDepthwise", "DepthwiseConvolution")


def plan_layer(
    node: Node, bottoms: list[Shape], tops: list[Shape], *, threads: int | None = None, exact: bool = False
) -> Run | None:
    """What the layer's own `prepare` would give, but faster; None for what no lowering knows."""
    if lower(Context(Group([node], node.tops), bottoms, tops, exact)) is None:
        return None
    (bottom,), (top,) = node.bottoms, node.tops
    source = Node("", "Input", [], [bottom], type(node.message)())
    plan = Plan(Graph([source, node], None), {bottom.name: bottoms[0]}, threads=threads, exact=exact)

    def run(inputs, outputs):
        np.copyto(plan.inputs[bottom], inputs[0])
        plan.forward()
        np.copyto(outputs[0], plan.outputs[top])

    return run
