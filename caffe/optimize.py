"""`optimize(net)`: a smaller and faster net with the same outputs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from ..arguments import instance
from ..engine.graph.passes.optimize import Passes, optimize_graph
from ..engine.graph.passes.preparation import Preparation
from ..engine.graph.passes.report import Report
from ..errors import UsageError
from .net import NET, CaffeNet

__all__ = ["Passes", "Preparation", "optimize"]


def optimize(
    net: CaffeNet,
    passes: Passes | None = None,
    *,
    mean: float | Sequence[float] = (),
    scale: float | Sequence[float] = 1.0,
) -> tuple[CaffeNet, list[Report]]:
    """An optimised copy of `net` and the report of each pass.

    `mean` and `scale`, of all channels or one per channel, are those of its first input's preparation; the copy takes
    raw values and does (x - mean) * scale itself. For other inputs, and instead of these, there is `Passes.inputs`.
    Raises UsageError, for numbers of other channels too, InputError for a net without outputs.
    """
    instance("net", net, CaffeNet, NET)
    passes = instance("passes", Passes() if passes is None else passes, Passes, "a caffe64.Passes")
    if preparation := Preparation(mean, scale):
        if passes.inputs:
            raise UsageError("mean and scale were given twice: as arguments, and as Passes.inputs")
        passes = dataclasses.replace(passes, inputs=dict.fromkeys(net.needed_inputs[:1], preparation))
    graph, reports = optimize_graph(net.graph, passes, net._shapes)
    smaller = CaffeNet(graph, path=net.path, threads=net.threads, exact=net.exact)
    smaller._shapes = {name: shape for name, shape in net._shapes.items() if name in smaller.inputs}
    return smaller, reports
