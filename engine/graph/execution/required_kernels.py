"""Which kernels a graph runs, so that they can be compiled before, all at once and with a word about it."""

from __future__ import annotations

import sys
from types import FunctionType, ModuleType

from ...compiler.jit import Kernel
from ..backward import BACKWARDS
from ..ir.graph import Graph
from ..ops import OPS
from ..plan.lowering import LOWERINGS, moves
from ..plan.team import run_steps

GRAPH = __package__.rpartition(".")[0]


def kernels_of(graph: Graph, *, gradients: bool = False, layers: bool = False) -> list[Kernel]:
    """The kernels in the files that the graph's layer types are done by, and in those that these import from.

    A plan does what it can; with `gradients` or `layers`, layers also run one by one by their own kernels.
    """
    plans, own = {moves.__name__, run_steps.py_func.__module__}, set()
    for kind in {node.type for node in graph.nodes}:
        plans |= {lowering.__module__ for lowering in LOWERINGS.get(kind, ())}
        if gradients or layers or kind not in LOWERINGS:
            own.add(OPS[kind].prepare.__module__)
        if gradients and kind in BACKWARDS:
            own.add(BACKWARDS[kind].prepare.__module__)
    planned = _kernels_in(plans, (f"{GRAPH}.plan.",))
    return planned + _kernels_in(own, (f"{GRAPH}.ops.", f"{GRAPH}.backward."))


def _kernels_in(waiting: set[str], packages: tuple[str, ...]) -> list[Kernel]:
    """The kernels of the modules that wait, and of those of `packages` that they import from."""
    kernels: dict[int, Kernel] = {}
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in seen or not name.startswith(packages):
            continue
        seen.add(name)
        for value in vars(sys.modules[name]).values():
            if isinstance(value, Kernel):
                kernels[id(value)] = value
            elif isinstance(value, FunctionType | type):
                waiting.add(value.__module__)
            elif isinstance(value, ModuleType):
                waiting.add(value.__name__)
    return list(kernels.values())
