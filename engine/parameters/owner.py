"""One owner of a net's parameters: a float32 vector, a view per blob, and a version per blob.

A blob that several layers share is stored once. Views are only written in place, so an array that a caller holds stays
the parameter. Data derived from parameters (packed panels, transformed filters) records the versions that it was made
from, and is made again when they have increased: every writer of the package increases them (`Held.written`), and where
a caller holds an array (`Held.expose`), a changed fingerprint of its values shows that it was written to.

Gradients and update histories are vectors of the same layout (`Parameters.zeros`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..team.memory import CACHE_LINE_BYTES, aligned_zeros
from .fingerprint import Fingerprints

SLICE_ALIGNMENT = CACHE_LINE_BYTES // 4  # float32 values: offsets of slices are multiples of it


@dataclass(frozen=True)
class Slice:
    """One blob: float32 of `shape` from `offset` of the vector on: blob `number` of the layer `layer`. `lr_mult` and
    `decay_mult` multiply the rate and the decay of an update."""

    layer: str
    number: int
    shape: tuple[int, ...]
    offset: int
    lr_mult: float = 1.0
    decay_mult: float = 1.0

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))


class Parameters:
    """`vector` float32 [total], zeros at first, every slice of which starts on a cache line. `slices` describe its
    parts; `versions` int64 [slices] count the writes to each."""

    def __init__(self, blobs: Sequence[Slice]):
        """`blobs` in their order; their offsets are given here."""
        placed, total = [], 0
        for blob in blobs:
            placed.append(Slice(blob.layer, blob.number, blob.shape, total, blob.lr_mult, blob.decay_mult))
            total += -(-blob.size // SLICE_ALIGNMENT) * SLICE_ALIGNMENT
        self.slices = tuple(placed)
        self.vector = aligned_zeros(total)
        self.versions = np.zeros(len(placed), np.int64)
        self._begin()

    def _begin(self) -> None:
        """No caller holds an array yet."""
        self._exposed: set[int] = set()  # slices that callers may write to
        self._expected: set[int] = set()  # those of them whose next change is counted already, by `written`
        lines = [(each.offset // SLICE_ALIGNMENT, -(-each.size // SLICE_ALIGNMENT)) for each in self.slices]
        self._fingerprints = Fingerprints(self.vector, lines)

    def __getstate__(self) -> dict:
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}

    def __setstate__(self, state: dict) -> None:
        vars(self).update(state)
        self.vector = aligned_zeros(state["vector"].size)
        np.copyto(self.vector, state["vector"])
        self._begin()

    def view(self, number: int, vector: np.ndarray | None = None) -> np.ndarray:
        """The blob `number` in the vector, or in one of the same layout; float32 of its shape."""
        found, vector = self.slices[number], self.vector if vector is None else vector
        return vector[found.offset : found.offset + found.size].reshape(found.shape)

    def zeros(self) -> np.ndarray:
        """Another vector of this layout."""
        return aligned_zeros(self.vector.size)

    def written(self, numbers: Sequence[int]) -> None:
        """These slices have been written to."""
        for number in numbers:
            self.versions[number] += 1
        self._expected.update(self._exposed.intersection(numbers))

    def expose(self, numbers: Sequence[int]) -> None:
        """A caller holds these slices from now on and may write to them at any time."""
        new = tuple(number for number in numbers if number not in self._exposed)
        if new:
            self._fingerprints.check(new)
            self._exposed.update(new)

    def notice_writes(self, numbers: Sequence[int], threads: int = 1) -> None:
        """Increase the versions of those of these slices that callers have written to. `threads` threads read them."""
        exposed = tuple(number for number in numbers if number in self._exposed)
        if exposed:
            for number in self._fingerprints.check(exposed, threads).tolist():
                self.versions[number] += number not in self._expected
            self._expected.difference_update(exposed)


@dataclass(frozen=True)
class Held:
    """The slices of one layer, in the order of its blobs."""

    owner: Parameters
    numbers: tuple[int, ...]
    mirrored: bool = False  # the first holds the filters of the layer's adjoint

    def views(self, vector: np.ndarray | None = None) -> list[np.ndarray]:
        """The layer's blobs in the owner's vector, or in one of the same layout."""
        return [self.owner.view(number, vector) for number in self.numbers]

    def written(self) -> None:
        self.owner.written(self.numbers)

    def expose(self) -> None:
        self.owner.expose(self.numbers)

    def versions(self) -> tuple[int, ...]:
        """The versions of the slices, after a check for writes by callers."""
        self.owner.notice_writes(self.numbers)
        return tuple(int(self.owner.versions[number]) for number in self.numbers)
