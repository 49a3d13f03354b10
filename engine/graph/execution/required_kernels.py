"""Kernels that a graph calls, so that they can be compiled in advance with a progress message."""

from __future__ import annotations

from collections.abc import Iterator

from ...compiler.jit import Kernel
from ..ir.graph import Graph
from ..ops import OPS
from ..plan.groups import CONVOLUTIONS
from ..plan.lowering import LOWERINGS, OF_PAIRS, lowering_of, lowerings_of, mask, moves
from ..plan.lowering.constants import fill_stretch
from ..plan.team import run_steps


def kernels_of(graph: Graph, *, gradients: bool = False, layers: bool = False) -> list[Kernel]:
    """The kernels that the ops and lowerings of the graph's layer types name, none of a type that is not known.

    A plan runs most layers by lowerings; with `gradients` or `layers`, layers also run one by one by their own kernels.
    """
    kinds = OPS.keys() & {node.type for node in graph.nodes}
    found = [run_steps, *moves.MOVE_KERNELS, *((*mask.GRADIENT_KERNELS, fill_stretch) if gradients else ())]
    for kind in sorted(kinds):
        found += _lowered(kind, gradients)
        if gradients or layers or kind not in LOWERINGS:
            found += OPS[kind].kernels
        if gradients and (gradient := OPS[kind].gradient):
            found += gradient.kernels
            for each in gradient.layers:
                found += (*_lowered(each, gradients), *OPS[each].kernels)
    return list(dict.fromkeys(found))


def _lowered(kind: str, gradients: bool) -> Iterator[Kernel]:
    for lowering in (*lowerings_of(kind), *([lowering_of(OF_PAIRS)] if kind in CONVOLUTIONS else ())):
        yield from (*lowering.kernels, *(lowering.backward_kernels if gradients else ()))
