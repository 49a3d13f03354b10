"""What a plan needs to give gradients."""

from __future__ import annotations

from functools import partial

from ..ir.graph import Blob, Graph
from ..ir.op import Layers
from ..ir.ownership import WeightGradients, weight_gradients
from ..plan.layer import plan_layer, prepare_layer
from ..plan.own_code import WantedGradients


def wanted_gradients(
    graph: Graph,
    weights: WeightGradients | None = None,
    *,
    ends: tuple[Blob, ...] = (),
    threads: int | None = None,
    exact: bool = False,
) -> WantedGradients:
    """Those of all weights, added to `weights`, or to arrays of zeros: of the losses, and of `ends`, whose gradients
    the caller gives before each run. `threads` and `exact` as in Plan."""
    prepare, plan = (partial(each, threads=threads, exact=exact) for each in (prepare_layer, plan_layer))
    made = weight_gradients(graph) if weights is None else weights
    return WantedGradients(made, Layers(prepare, plan, threads), ends)
