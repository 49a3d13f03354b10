"""Nodes that do nothing: their output is their input."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from .operators import Shape


class _Known(Protocol):
    constants: dict[str, np.ndarray]
    read: frozenset[str]
    opset: int

    def shape(self, name: str) -> Shape | None: ...
    def element(self, name: str) -> int: ...


def source_of(node: Any, known: _Known) -> str | None:
    """The input that the node's only output is the same as; None if it does something."""
    does_nothing = None if node.domain else NOTHING.get(node.op_type)
    if does_nothing is None or not node.input or not node.input[0] or not node.output[0]:
        return None
    if any(name in known.read for name in node.output[1:]):
        return None
    return str(node.input[0]) if does_nothing(node, known) else None


def _identity(node: Any, known: _Known) -> bool:
    return True


def _dropout(node: Any, known: _Known) -> bool:
    """At inference: before opset 7 where is_test says so, since opset 12 unless training_mode does."""
    flags = {each.name: each.i for each in node.attribute}
    if len(node.input) > 2 and node.input[2]:
        training = known.constants.get(node.input[2])
        return training is not None and not training.any()
    return known.opset >= 7 or bool(flags.get("is_test"))


def _cast(node: Any, known: _Known) -> bool:
    return any(each.name == "to" and each.i == known.element(node.input[0]) for each in node.attribute)


def _pad(node: Any, known: _Known) -> bool:
    for each in node.attribute:
        if each.name == "pads":
            return not any(each.ints)
    pads = known.constants.get(node.input[1]) if len(node.input) > 1 else None
    return pads is not None and not pads.any()


def _slice(node: Any, known: _Known) -> bool:
    if len(node.input) > 4 and node.input[4]:
        steps = known.constants.get(node.input[4])
        if steps is None or not (steps > 0).all():
            return False
    return _keeps_shape(node, known)


def _keeps_shape(node: Any, known: _Known) -> bool:
    before, after = known.shape(node.input[0]), known.shape(node.output[0])
    return before is not None and None not in before and before == after


NOTHING: Mapping[str, Callable[[Any, _Known], bool]] = {
    "Cast": _cast,
    "Dropout": _dropout,
    "Expand": _keeps_shape,
    "Identity": _identity,
    "Pad": _pad,
    "Slice": _slice,
}
