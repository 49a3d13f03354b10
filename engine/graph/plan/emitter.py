"""The program of a plan while it is written: steps, their numbers, and weights as the kernels read them.

A step is a kernel with the signature STEP: it does item `item` of a piece of work, whatever thread asks for it. Its
arguments are int64 numbers, tables[at], tables[at + 1], ... : places in the arena and the constants, and sizes.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from ... import signatures as types
from ...cpu import LANES
from ...jit import F1, F1_IN, I1_IN, Kernel, i64
from ...memory import aligned_zeros
from ..graph import Node
from .storage import ALIGNMENT

STEP = types.void(F1, F1_IN, I1_IN, i64, i64, i64)  # arena, constants, tables, at, item, thread
ZEROS, NO_LOW, CONSTANTS = 0, 4 * LANES, 5 * LANES  # places: four vectors of zeros, -inf; the first of a net's own
ITEM_MACS = 500_000  # multiply-accumulates that are worth handing to another thread: some 10 microseconds


def place_of_low(rectified: bool) -> int:
    """The place of the constant that results are at least."""
    return ZEROS if rectified else NO_LOW


@dataclass
class Packed:
    """All constants that are made of a node's weights, to be made again when these change."""

    node: Node
    parts: list[tuple[int, int, Callable[[np.ndarray], None]]] = field(default_factory=list)  # place, size, write_to
    made_of: Sequence[np.ndarray] = ()  # held, since a new array may get the id of one that is gone
    copies: Sequence[np.ndarray] = ()  # where the weights are lent

    def is_stale(self) -> bool:
        now, then = self.node.weights, self.made_of
        if len(now) != len(then) or any(map(operator.is_not, now, then)):
            return True
        return self.node.lent and not (self.copies and all(map(np.array_equal, now, self.copies)))

    def write(self, constants: np.ndarray) -> None:
        for at, size, write_to in self.parts:
            write_to(constants[at : at + size])
        self.made_of = list(self.node.weights)
        self.copies = [weights.copy() for weights in self.made_of] if self.node.lent else ()


class Emitter:
    """Collects the program. `threads` may ask for items; `scratch` is the place of thread 0's scratch memory, and
    `scratch_step` from one thread's to the next one's."""

    def __init__(self, threads: int, scratch: int, scratch_step: int):
        self.threads, self.scratch, self.scratch_step = threads, scratch, scratch_step
        self.steps: list[tuple[Kernel, int, int, bool]] = []  # kernel, at, items, whether threads meet behind it
        self.packed: dict[Node, Packed] = {}
        self._numbers: list[np.ndarray] = []
        self._length = 0
        self._known: dict[bytes, int] = {}
        self._size = CONSTANTS

    def table(self, numbers: Sequence[int] | np.ndarray) -> int:
        """The place of these numbers among the tables; the same for the same numbers."""
        array = np.ascontiguousarray(numbers, np.int64)
        key = array.tobytes()
        if key not in self._known:
            self._known[key] = self._append(array)
        return self._known[key]

    def weights(self, node: Node, size: int, write_to: Callable[[np.ndarray], None]) -> int:
        """The place of `size` constants, which write_to(them) makes of the weights of `node`; zeros at first."""
        at = self._size
        self.packed.setdefault(node, Packed(node)).parts.append((at, size, write_to))
        self._size += -(-size // ALIGNMENT) * ALIGNMENT
        return at

    def step(self, kernel: Kernel, arguments: Sequence[int], items: int = 1, *, meets: bool = True) -> None:
        """Another step. `meets` False: the next one needs nothing of it."""
        self.steps.append((kernel, self._append(np.array(arguments, np.int64)), items, meets))

    def tables(self) -> np.ndarray:
        return np.concatenate(self._numbers) if self._numbers else np.zeros(0, np.int64)

    def constants(self) -> np.ndarray:
        """float32, with the weights as they are now."""
        made = aligned_zeros(self._size)
        made[NO_LOW] = -np.inf
        for packed in self.packed.values():
            packed.write(made)
        return made

    def _append(self, array: np.ndarray) -> int:
        at = self._length
        self._numbers.append(array)
        self._length += array.size
        return at
