"""Targets of Reshape that a file has as numbers, written so that they are right for any batch.

Files with a fixed batch, mostly 1, say [1, 9216] where they mean [0, -1]. At the batch of the file both are the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .fold import Folding
from .operators import Shape


def loosened(nodes: Sequence[Any], walk: Folding) -> tuple[list[Any], Mapping[str, np.ndarray]]:
    """The nodes with such targets, and these by their new names. `walk` is for the batch of the file."""
    targets: dict[str, np.ndarray] = {}
    for node in walk.kept:
        if node.op_type == "Reshape" and not node.domain and len(node.input) == 2 and not node.attribute:
            target = _loose(walk.constants.get(node.input[1]), walk.shape(node.input[0]))
            if target is not None:
                targets[node.output[0]] = target
    names = {output: _free_name(f"{output}/target", walk) for output in targets}
    changed = [_with_target(node, names) for node in nodes]
    return changed, {names[output]: target for output, target in targets.items()}


def _loose(target: np.ndarray | None, shape: Shape | None) -> np.ndarray | None:
    """The target with 0 or -1 in front; None where that is not possible, or where it says as much already."""
    if target is None or target.ndim != 1 or not target.size or target[0] <= 0 or not shape:
        return None
    front = 0 if target[0] == shape[0] else -1
    if front == -1 and (target < 1).any():
        return None
    found = target.copy()
    found[0] = front
    found.flags.writeable = False
    return found


def _free_name(name: str, walk: Folding) -> str:
    while name in walk.types:
        name += "_2"
    return name


def _with_target(node: Any, names: Mapping[str, str]) -> Any:
    name = names.get(node.output[0]) if node.output else None
    if name is None or node.op_type != "Reshape":
        return node
    import onnx

    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    copy.input[1] = name
    return copy
