"""The program of a plan while it is written: steps, the tables that their kernels read, and constants.

All numbers of the program, the fields of its steps and the tables that these name, lie in one int64 array, `tables`;
weights as the kernels read them, and other constants, in one block of bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ...compiler.cpu import VECTOR_BYTES
from ...compiler.fields import numbers
from ...team.memory import aligned_bytes
from ..ir.graph import FLOAT32, Node
from .steps import Scratch, StepKernel
from .storage import aligned

ZEROS, NO_BOUND, CONSTANTS = 0, 4 * VECTOR_BYTES, 5 * VECTOR_BYTES  # offsets: zeros, -inf; the first of a net's own
ITEM_MACS = 500_000  # multiply-accumulates that are worth handing to another thread: some 10 microseconds


def lower_bound_offset(relu: bool) -> int:
    """The offset of the constant that results are at least: 0, or -inf."""
    return ZEROS if relu else NO_BOUND


@dataclass
class Packed:
    """All constants that are made of a node's weights, to be made again when these change."""

    node: Node
    parts: list[tuple[int, int, Callable[[np.ndarray], None]]] = field(default_factory=list)  # offset, size, write_to
    made_of: tuple | None = None  # whose slices, and their versions

    def refresh(self, constants: np.ndarray) -> None:
        """Make them, if the weights have changed since they were made."""
        held = self.node.held
        now = (held, held.versions()) if held else ()
        if now != self.made_of:
            for offset, size, write_to in self.parts:
                write_to(constants[offset : offset + size].view(FLOAT32))
            self.made_of = now


class PlannedStep(NamedTuple):
    """`at`: where its fields are in the tables. `barrier`: the next step waits until all threads are done with it."""

    kernel: StepKernel
    at: int
    items: int
    barrier: bool


class Emitter:
    """Collects the program. `threads` may ask for items; each has some of the `scratch` memory."""

    def __init__(self, threads: int, scratch: Scratch):
        self.threads, self.scratch = threads, scratch
        self.steps: list[PlannedStep] = []
        self.packed: dict[Node, Packed] = {}
        self._numbers: list[np.ndarray] = []
        self._length = 0
        self._known: dict[bytes, int] = {}
        self._size = CONSTANTS

    def table(self, values: np.ndarray) -> int:
        """The index of these numbers, row by row, in the tables; the same for the same numbers."""
        array = np.ascontiguousarray(values, np.int64).reshape(-1)
        key = array.tobytes()
        if key not in self._known:
            self._known[key] = self._append(array)
        return self._known[key]

    def weights(self, node: Node, count: int, write_to: Callable[[np.ndarray], None]) -> int:
        """The offset of `count` float32, which write_to(them) makes of the weights of `node`; zeros at first."""
        offset, size = self._size, count * FLOAT32.itemsize
        self.packed.setdefault(node, Packed(node)).parts.append((offset, size, write_to))
        self._size += aligned(size)
        return offset

    def step(self, kernel: StepKernel, items: int, /, *, barrier: bool = True, **fields) -> None:
        """Another step, with the fields that its kernel declares. `barrier` False: the next one needs nothing of it.

        Raises TypeError for a field that is missing, unknown, or of another type.
        """
        at = self._append(np.array(numbers(kernel.fields(**fields)), np.int64))
        self.steps.append(PlannedStep(kernel, at, items, barrier))

    def tables(self) -> np.ndarray:
        return np.concatenate(self._numbers) if self._numbers else np.zeros(0, np.int64)

    def constants(self) -> np.ndarray:
        """uint8, with the weights as they are now."""
        made = aligned_bytes(self._size)
        made[NO_BOUND:CONSTANTS].view(FLOAT32)[:] = -np.inf
        for packed in self.packed.values():
            packed.refresh(made)
        return made

    def _append(self, array: np.ndarray) -> int:
        at = self._length
        self._numbers.append(array)
        self._length += array.size
        return at
