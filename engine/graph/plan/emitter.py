"""The program of a plan while it is written: steps, the tables that their kernels read, and constants.

All numbers of a program, the fields of its steps and the tables that these name, are in one int64 array, `tables`;
weights as the kernels read them, and other constants, in one block of bytes. Those derived from weights are packed by
steps of a separate program (`packing.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ...compiler.cpu import LANES, VECTOR_BYTES
from ...compiler.fields import field_count, numbers
from ...parameters.philox import Stream
from ...team.memory import aligned_bytes
from ..ir.graph import FLOAT32, Node
from .steps import UNKNOWN_SOURCE, Scratch, StepKernel
from .storage import aligned
from .team import ProgramRow

ZEROS, NO_LOWEST, NO_HIGHEST, CONSTANTS = (n * VECTOR_BYTES for n in (0, 4, 5, 6))  # zeros, -inf, inf; a net's own
# Multiply-accumulates of an item, the unit of work that threads share: some 10 microseconds.
# Chosen on EPYC Zen 3 (AVX2, 2 cores), 2026-11-22; the measurement is not recorded.
ITEM_MACS = 500_000

UNKNOWN = -1  # a number that is found before each run (`updates.py`, `draws.py`)


class PlannedStep(NamedTuple):
    """`at`: the index of its fields in the tables. `barrier`: the next step waits until all threads are done with
    it."""

    kernel: StepKernel
    at: int
    items: int
    barrier: bool


class StepList:
    """A program while it is written."""

    def __init__(self):
        self.steps: list[PlannedStep] = []
        self._numbers: list[np.ndarray] = []
        self._length = 0
        self._known: dict[bytes, int] = {}

    def table(self, values: np.ndarray) -> int:
        """The index of these numbers, row by row, in the tables; the same for the same numbers."""
        array = np.ascontiguousarray(values, np.int64).reshape(-1)
        key = array.tobytes()
        if key not in self._known:
            self._known[key] = self._append(array)
        return self._known[key]

    def step(self, kernel: StepKernel, items: int, /, *, barrier: bool = True, **fields) -> None:
        """Another step, with the fields that its kernel declares. `barrier` False: the next one does not depend on it.

        Raises TypeError for a field that is missing, unknown, or of another type.
        """
        at = self._append(np.array(numbers(kernel.fields(**fields)), np.int64))
        self.steps.append(PlannedStep(kernel, at, items, barrier))

    def tables(self) -> np.ndarray:
        return np.concatenate(self._numbers) if self._numbers else np.zeros(0, np.int64)

    def rows(self) -> np.ndarray:
        """int64 [steps, numbers of a ProgramRow]; compiles the kernels."""
        rows = [numbers(ProgramRow(step.kernel.address, step.at, step.items, step.barrier)) for step in self.steps]
        return np.array(rows, np.int64).reshape(-1, field_count(ProgramRow))

    def _append(self, array: np.ndarray) -> int:
        at = self._length
        self._numbers.append(array)
        self._length += array.size
        return at


class PackingSteps(StepList):
    """The packing program. Per step: the `nodes` whose weights it reads, the numbers of their `blobs`, and the `sizes`
    in bytes that it writes."""

    def __init__(self):
        super().__init__()
        self.nodes: list[Node] = []
        self.blobs: list[tuple[int, ...]] = []
        self.sizes: list[int] = []
        self.scratch = 0  # bytes that each thread needs


class Update(NamedTuple):
    """Blobs of `node`, by their numbers, that steps write: tables[at:] are their offsets from the start of the arena,
    whose memory they are not in."""

    node: Node
    blobs: tuple[int, ...]
    at: int


class Draw(NamedTuple):
    """The stream of `node` is in tables[at:], as a Stream (`parameters/philox.py`)."""

    node: Node
    at: int


class Emitter(StepList):
    """Collects the program. `threads` may ask for items; each has some of the `scratch` memory. `kept` is the offset of
    what a group keeps for its backward steps, -1 where there are none. `arena`: the memory that steps will run over.
    `checks` are called after a run forward, and raise InputError for what a step has found in it; then one of the
    float32 at the offsets `found` is not 0."""

    def __init__(self, threads: int, scratch: Scratch, arena: np.ndarray | None = None):
        super().__init__()
        self._start = 0 if arena is None else arena.ctypes.data
        self.checks: list[Callable[[], None]] = []
        self.found: list[int] = []
        self.threads, self.scratch, self.packing, self.kept = threads, scratch, PackingSteps(), -1
        self.updates: list[Update] = []
        self.draws: list[Draw] = []
        self._constants: dict[bytes, int] = {}
        self._packed: dict[tuple, int] = {}
        self._size = CONSTANTS
        bounds = (NO_LOWEST, -np.inf), (NO_HIGHEST, np.inf)
        self._fixed: list[tuple[int, np.ndarray]] = [(at, np.full(LANES, value, np.float32)) for at, value in bounds]

    def outside(self, array: np.ndarray) -> int:
        """The offset of an array's memory, which is not in the arena, from the start of that; it must be kept alive."""
        return array.ctypes.data - self._start

    def check(self, call: Callable[[], None], found: int) -> None:
        """Another check, which raises where the float32 at the offset `found` is not 0."""
        self.checks.append(call)
        self.found.append(found)

    def constant(self, values) -> int:
        """The offset of these float32; the same for the same."""
        array = np.ascontiguousarray(values, np.float32).reshape(-1)
        key = array.tobytes()
        if key not in self._constants:
            self._constants[key] = self._reserve(array.size)
            self._fixed.append((self._constants[key], array))
        return self._constants[key]

    def packed(
        self,
        kernel: StepKernel,
        items: int,
        node: Node,
        blobs: Sequence[int],
        count: int,
        /,
        scratch: int = 0,
        **fields,
    ) -> int:
        """The offset of `count` float32, zeros at first, which `kernel` makes of these blobs of `node` in `items`. It
        has the fields `source` and `to` besides those given, and bytes of scratch for each thread. The same for the
        same."""
        key = kernel, items, node, tuple(blobs), count, scratch, tuple(sorted(fields.items()))
        if key in self._packed:
            return self._packed[key]
        offset = self._packed[key] = self._reserve(count)
        self.packing.step(kernel, items, source=UNKNOWN_SOURCE, to=offset, barrier=False, **fields)
        self.packing.nodes.append(node)
        self.packing.blobs.append(tuple(blobs))
        self.packing.sizes.append(count * FLOAT32.itemsize)
        self.packing.scratch = max(self.packing.scratch, aligned(scratch))
        return offset

    def updated(self, node: Node, blobs: Sequence[int]) -> int:
        """The index in the tables of the offsets of these blobs of `node`, from the start of the arena, whose memory
        they are not in. Steps write them each time that they run."""
        at = self._append(np.full(len(blobs), UNKNOWN, np.int64))
        self.updates.append(Update(node, tuple(blobs), at))
        return at

    def drawn(self, node: Node) -> int:
        """The index in the tables of the node's stream of random numbers, that of the present iteration."""
        at = self._append(np.full(len(Stream._fields), UNKNOWN, np.int64))
        self.draws.append(Draw(node, at))
        return at

    def constants(self) -> tuple[np.ndarray, Scratch]:
        """The bytes, with all but the packed ones, and the scratch memory of packing steps in them."""
        made = aligned_bytes(self._size + self.packing.scratch * self.threads)
        for offset, array in self._fixed:
            made[offset : offset + array.nbytes].view(FLOAT32)[:] = array
        return made, Scratch(offset=self._size, thread=self.packing.scratch)

    def _reserve(self, count: int) -> int:
        offset = self._size
        self._size += aligned(count * FLOAT32.itemsize)
        return offset
