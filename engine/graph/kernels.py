"""Which kernels a graph runs, so that they can be compiled before, all at once and with a word about it."""

from __future__ import annotations

import sys
from types import FunctionType, ModuleType

from ..jit import Kernel
from .graph import Graph
from .layers import OPS

LAYERS = OPS["Input"].prepare.__module__.rpartition(".")[0] + ".layers"


def kernels_of(graph: Graph) -> list[Kernel]:
    """The kernels in the files of the graph's layer types, and in the files of layers/ that these import from."""
    kernels: dict[int, Kernel] = {}
    waiting = [OPS[node.type].prepare.__module__ for node in graph.nodes]
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in seen or not name.startswith(LAYERS):
            continue
        seen.add(name)
        for value in vars(sys.modules[name]).values():
            if isinstance(value, Kernel):
                kernels[id(value)] = value
            elif isinstance(value, FunctionType | type):
                waiting.append(value.__module__)
            elif isinstance(value, ModuleType):
                waiting.append(value.__name__)
    return list(kernels.values())
