"""Results that are not finite although the inputs are: they equal nothing, and the layer that made them can be
named."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ....errors import CheckFailed
from ..ir.graph import Blob, Graph, Node
from ..reference import Interpreter
from .difference import count_not_finite


def check_finite(
    outputs: Mapping[str, np.ndarray], inputs: Mapping[str, np.ndarray], subject: str, graph: Graph | None = None
) -> None:
    """Raises CheckFailed where `outputs` hold inf or NaN and `inputs` do not: which outputs of `subject`, how many
    values, and, with the `graph` that made them, the first layer that made such a value of finite ones."""
    counts = count_not_finite(outputs)
    if not counts or count_not_finite(inputs):
        return
    found = ", ".join(f"{name!r} holds {count:,} of {outputs[name].size:,}" for name, count in counts.items())
    raise CheckFailed(f"{subject}: values that are not finite, of finite inputs: {found}{_cause(graph, inputs)}")


def first_not_finite(graph: Graph, inputs: Mapping[str, np.ndarray]) -> tuple[Node, Blob, int, int] | None:
    """The first layer whose bottoms are finite and whose tops are not: it, the top, how many values, and of how many.

    None if all is finite by the reference, where layers run one by one and each blob keeps its value.
    """
    interpreter = Interpreter(graph, {name: values.shape for name, values in inputs.items()})
    interpreter.fill(inputs)
    interpreter.forward()
    counts = {blob: _count(values) for blob, values in interpreter.arrays.items()}
    for node in graph.nodes:
        bad = [top for top in node.tops if counts[top]]
        if bad and not any(counts[bottom] for bottom in node.bottoms):
            return node, bad[0], counts[bad[0]], interpreter.arrays[bad[0]].size
    return None


def _cause(graph: Graph | None, inputs: Mapping[str, np.ndarray]) -> str:
    found = graph and first_not_finite(graph, inputs)
    if not found:
        return ""
    node, top, count, size = found
    made = f"; the first layer that makes such is {node.name!r} ({node.type}): {count:,} of {size:,} in {top.name!r}"
    return made + (", with weights that are not finite" if any(map(_count, node.weights)) else "")


def _count(values: np.ndarray) -> int:
    return values.size - int(np.isfinite(values).sum())
