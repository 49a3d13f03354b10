"""Constants derived from weights: packed by compiled steps, which the team of threads runs when weights change.

The packing program is separate from the plan's own. Its arena is the block of the plan's constants, and its constants
are the vector of parameters (`parameters/owner.py`). A step records the versions of the blobs that it read; before a
plan runs, all steps whose blobs have newer versions run together, without barriers, as no step depends on another.
"""

from __future__ import annotations

import numpy as np

from ...compiler.cpu import FLOAT_BYTES
from ...compiler.fields import field_count, numbers
from ...parameters.owner import Held, Parameters
from .emitter import PackingSteps
from .program import Program
from .steps import PackingSource, Scratch
from .team import ProgramPart, ProgramRow

MOST_STEP_BLOBS = 4
TEAM_BYTES = 256 << 10  # of constants to be packed: fewer are done before another thread is awake (0.03 ms); derived
AT, BARRIER = ProgramRow._fields.index("at"), ProgramRow._fields.index("barrier")


class Packing:
    """The packing steps of a plan, over its `constants`. All are stale at first."""

    def __init__(self, written: PackingSteps, constants: np.ndarray, scratch: Scratch, threads: int):
        self._written, self._constants, self._scratch, self._threads = written, constants, scratch, threads
        self._tables, self._rows = written.tables(), written.rows()
        self._held: list[Held] = []
        self._parts: list[OwnerSteps] = []

    def refresh(self) -> int:
        """Run the steps whose weights have changed since they ran. Returns their number."""
        held = [node.held for node in self._written.nodes]
        if held != self._held:
            self._held = held
            self._find_weights()
        return sum(part.refresh() for part in self._parts)

    def steps_of(self, owner: Parameters) -> OwnerSteps | None:
        """The steps that read the vector of this owner, as of the last `refresh`."""
        return next((part for part in self._parts if part.owner is owner), None)

    def _find_weights(self) -> None:
        """Write the offsets of the weights that the steps read, which may belong to another net by now."""
        by_owner: dict[Parameters, list[int]] = {}
        slices = np.empty((len(self._held), MOST_STEP_BLOBS), np.int64)
        for step, (held, blobs) in enumerate(zip(self._held, self._written.blobs, strict=True)):
            by_owner.setdefault(held.owner, []).append(step)
            found = [held.numbers[blob] for blob in blobs]
            slices[step] = (found * MOST_STEP_BLOBS)[:MOST_STEP_BLOBS]
            offsets = [held.owner.slices[number].offset * FLOAT_BYTES for number in found]
            source = PackingSource(*offsets, *[-1] * (MOST_STEP_BLOBS - len(found)), scratch=self._scratch)
            at = self._rows[step, AT]
            self._tables[at : at + field_count(PackingSource)] = numbers(source)
        sizes = np.array(self._written.sizes, np.int64)
        self._parts = [
            OwnerSteps(
                owner, self._constants, self._tables, self._rows[steps], slices[steps], sizes[steps], self._threads
            )
            for owner, steps in by_owner.items()
        ]


class OwnerSteps:
    """The packing steps that read the vector of one owner. `rows` are their rows of the program, `slices` int64 [steps,
    MOST_STEP_BLOBS] the owner's slices that each reads, `sizes` int64 [steps] the bytes that each writes."""

    def __init__(self, owner: Parameters, constants, tables, rows, slices, sizes, threads: int):
        self.owner, self._rows, self._slices, self._sizes, self._threads = owner, rows, slices, sizes, threads
        self._numbers = tuple(sorted(set(slices.reshape(-1).tolist())))  # np.unique would import numpy.ma, 20 ms
        self._versions = np.full_like(slices, -1)  # of what the steps read when they ran
        self._stale = np.concatenate([rows, rows])  # the program: rows of the steps that are to run, and all of them
        self._stale[-1, BARRIER] = 1
        self._program = Program(constants, owner.vector.view(np.uint8), tables, self._stale, threads)

    def refresh(self) -> int:
        self.owner.notice_writes(self._numbers, self._threads)
        now = self.owner.versions[self._slices]
        (stale,) = np.nonzero((now != self._versions).any(axis=1))
        count = stale.size
        if count:
            self._stale[:count] = self._rows[stale]
            self._stale[count - 1, BARRIER] = 1
            self._program.run(0, count, 1 if self._sizes[stale].sum() < TEAM_BYTES else self._threads)
            self._versions[stale] = now[stale]
        return count

    def all(self) -> ProgramPart:
        """All steps, for a run that changes the weights. `refreshed` is to be called after it."""
        return self._program.part(len(self._rows), len(self._stale))

    def refreshed(self) -> None:
        """All steps have run on the present weights, to which only writers of the package can have written since."""
        self._versions[:] = self.owner.versions[self._slices]
