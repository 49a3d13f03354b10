"""What a plan needs to give gradients."""

from __future__ import annotations

from functools import partial

from ..analysis.need_backward import loss_weights
from ..ir.graph import Graph
from ..ir.op import Layers
from ..ir.ownership import WeightGradients, weight_gradients
from ..plan.layer import plan_layer, prepare_layer
from ..plan.own_code import WantedGradients


def wanted_gradients(
    graph: Graph, weights: WeightGradients | None = None, *, threads: int | None = None, exact: bool = False
) -> WantedGradients:
    """Those of all weights, added to `weights`, or to arrays of zeros: of the losses, or where there is none of the
    outputs, whose gradients the caller gives. `threads` and `exact` as in Plan."""
    prepare, plan = (partial(each, threads=threads, exact=exact) for each in (prepare_layer, plan_layer))
    has_loss = any(weight for node in graph.nodes for weight in loss_weights(node))
    made = weight_gradients(graph) if weights is None else weights
    return WantedGradients(made, Layers(prepare, plan, threads), () if has_loss else tuple(graph.outputs))
