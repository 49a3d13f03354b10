"""A model folded for any first dimension of its inputs where that is possible, else for the one that it has."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import InputError
from .batch import AnyBatch, FixedBatch, fixed_shapes
from .fold import Budget, Folding
from .loosen import loosened
from .operators import Operators, tensor_type
from .records import Dimension
from .tensors import Tensors

ANY_BATCH = "N"  # the name of a first dimension that has none


@dataclass(frozen=True)
class Folded:
    """The nodes and constants that are left; `fixed_by` says what is right for one first dimension only, if any."""

    walk: Folding
    nodes: Sequence[Any]
    constants: Mapping[str, np.ndarray]
    shapes: Mapping[str, tuple[Dimension, ...]]
    fixed_by: str


class Walks:
    """Folds a model. `elements` and `shapes` are the inputs' types and shapes, whose first dimensions are names or None
    where they are free; `own_batch` is the number that the file has, if it has one."""

    def __init__(
        self,
        operators: Operators,
        tensors: Tensors,
        constants: Mapping[str, np.ndarray],
        elements: Mapping[str, int],
        shapes: Mapping[str, tuple[Dimension, ...]],
        own_batch: int | None,
    ):
        self.operators, self.tensors, self.constants = operators, tensors, constants
        self.elements, self.shapes, self.budget = elements, shapes, Budget(operators.path)
        firsts = [shape[0] for shape in shapes.values() if shape]
        self.free = [each for each in firsts if not isinstance(each, int)]
        numbers = [each for each in firsts if isinstance(each, int)]
        self.varies, self.start = bool(firsts), 1 if self.free or not numbers else numbers[0]
        self.own_batch = self.start if own_batch is None else own_batch

    def fold(self, nodes: Sequence[Any], read: frozenset[str], outputs: Sequence[str]) -> Folded:
        """`nodes` in an order that runs, the names of all values that something `read`s, and of the outputs."""
        self.read = read
        if not self.varies:
            return self._at_start(nodes, "it has no inputs with dimensions")
        try:
            return self._any_batch(nodes, {}, outputs)
        except FixedBatch as error:
            reason = str(error)
        except InputError as error:
            reason = error.found
        if not self.free:
            with contextlib.suppress(FixedBatch, InputError):
                changed, targets = loosened(nodes, self._walk(nodes, self.own_batch, {}, None))
                return self._any_batch(changed, targets, outputs)
        return self._at_start(nodes, reason)

    def _any_batch(self, nodes: Sequence[Any], more: Mapping[str, np.ndarray], outputs: Sequence[str]) -> Folded:
        sizes = (self.start, self.start + 1, self.start + 2)
        walks: list[Folding] = []
        for size in sizes:
            walks.append(self._walk(nodes, size, more, walks[-1] if walks else None))
        name = next((each for each in self.free if isinstance(each, str)), ANY_BATCH)
        found = AnyBatch(walks, sizes, name, outputs)
        if not self.free:
            found.check_outputs(outputs)
        return Folded(walks[0], found.nodes, found.constants, found.shapes, "")

    def _at_start(self, nodes: Sequence[Any], reason: str) -> Folded:
        walk = self._walk(nodes, self.start, {}, None)
        return Folded(walk, walk.kept, walk.constants, fixed_shapes(walk), reason)

    def _walk(
        self, nodes: Sequence[Any], size: int, more: Mapping[str, np.ndarray], earlier: Folding | None
    ) -> Folding:
        """For inputs of the first dimension `size`, where it is free, or the same number as in the first input."""
        types = {}
        for name, shape in self.shapes.items():
            varies = shape and (not isinstance(shape[0], int) if self.free else shape[0] == self.start)
            numbers = [n for n in ((size, *shape[1:]) if varies else shape) if isinstance(n, int)]
            types[name] = tensor_type(self.elements[name], numbers)
        constants = {**self.constants, **more}
        return Folding(self.operators, self.tensors, constants, types, self.budget, earlier).walk(nodes, self.read)
