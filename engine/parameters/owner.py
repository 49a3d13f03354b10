"""One owner of a net's parameters: a float32 vector, a view per blob, and a version per blob.

A blob that several layers share is stored once. Views are only written in place, so an array that a caller holds stays
the parameter. Data derived from parameters (packed panels, transformed filters) records the versions that it was made
from, and is made again when they have increased: every writer of the package increases them (`Held.written`), and where
a caller holds an array (`Held.expose`), a changed fingerprint of its values shows that it was written to.

Gradients and update histories are vectors of the same layout (`Parameters.zeros`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ..compiler.support import obstacle
from ..team.memory import CACHE_LINE_BYTES, aligned_zeros

if TYPE_CHECKING:
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

    def of(self, vector: np.ndarray) -> np.ndarray:
        """The view of this blob in a vector."""
        return vector[self.offset : self.offset + self.size].reshape(self.shape)


def placed(blobs: Iterable[Slice]) -> tuple[Slice, ...]:
    """These blobs one behind the other, each from the start of a cache line on."""
    found: list[Slice] = []
    for blob in blobs:
        found.append(replace(blob, offset=total_size(found)))
    return tuple(found)


def total_size(slices: Sequence[Slice]) -> int:
    """float32 values of a vector of slices that `placed` gives."""
    return slices[-1].offset + whole_lines(slices[-1].size) if slices else 0


def whole_lines(size: int) -> int:
    """float32 values of the cache lines that so many of them fill, the last perhaps in part."""
    return -(-size // SLICE_ALIGNMENT) * SLICE_ALIGNMENT


class Parameters:
    """`vector` float32 [total], zeros at first, every slice of which starts on a cache line. `slices` describe its
    parts; `versions` int64 [slices] count the writes to each."""

    def __init__(self, blobs: Iterable[Slice], vector: np.ndarray | None = None):
        """`blobs` in their order; their offsets are given here. `vector`, if there is one that holds them."""
        self.slices = placed(blobs)
        self.vector = aligned_zeros(total_size(self.slices)) if vector is None else vector
        self.versions = np.zeros(len(self.slices), np.int64)
        self._begin()

    def _begin(self) -> None:
        """No caller holds an array yet."""
        self._exposed: set[int] = set()  # slices that callers may write to
        self._expected: set[int] = set()  # those of them whose next change is counted already, by `written`

    @cached_property
    def _fingerprints(self) -> Fingerprints:
        from .fingerprint import Fingerprints  # what runs its threads takes 10 ms to import

        lines = [(each.offset // SLICE_ALIGNMENT, -(-each.size // SLICE_ALIGNMENT)) for each in self.slices]
        return Fingerprints(self.vector, lines)

    def __getstate__(self) -> dict:
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}

    def __setstate__(self, state: dict) -> None:
        vars(self).update(state)
        self.vector = aligned_zeros(state["vector"].size)
        np.copyto(self.vector, state["vector"])
        self._begin()

    def view(self, number: int, vector: np.ndarray | None = None) -> np.ndarray:
        """The blob `number` in the vector, or in one of the same layout; float32 of its shape."""
        return self.slices[number].of(self.vector if vector is None else vector)

    def zeros(self) -> np.ndarray:
        """Another vector of this layout."""
        return aligned_zeros(self.vector.size)

    def written(self, numbers: Sequence[int]) -> None:
        """These slices have been written to."""
        for number in numbers:
            self.versions[number] += 1
        self._expected.update(self._exposed.intersection(numbers))

    def all_written(self) -> None:
        """All slices have been written to."""
        self.versions += 1
        self._expected.update(self._exposed)

    def expose(self, numbers: Sequence[int]) -> None:
        """A caller holds these slices from now on and may write to them at any time. Where kernels do not run, nothing
        derives data from them."""
        new = tuple(number for number in numbers if number not in self._exposed)
        if new and not obstacle():
            self._fingerprints.check(new)
            self._exposed.update(new)

    @property
    def is_exposed(self) -> bool:
        """Whether a caller holds a slice."""
        return bool(self._exposed)

    def notice_writes(self, numbers: Sequence[int], threads: int = 1) -> None:
        """Increase the versions of those of these slices that callers have written to. `threads` threads read them."""
        exposed = tuple(number for number in numbers if number in self._exposed)
        if exposed:
            for number in self._fingerprints.check(exposed, threads):
                self.versions[number] += number not in self._expected
            self._expected.difference_update(exposed)


@dataclass(frozen=True)
class Held:
    """The slices of one layer, in the order of its blobs."""

    owner: Parameters
    numbers: tuple[int, ...]

    def views(self, vector: np.ndarray | None = None) -> list[np.ndarray]:
        """The layer's blobs in the owner's vector, or in one of the same layout."""
        return [self.owner.view(number, vector) for number in self.numbers]

    def written(self, blobs: Iterable[int] | None = None) -> None:
        """All blobs of the layer have been written to, or these."""
        self.owner.written(self.numbers if blobs is None else [self.numbers[blob] for blob in blobs])

    def expose(self) -> None:
        self.owner.expose(self.numbers)

    def versions(self) -> tuple[int, ...]:
        """The versions of the slices, after a check for writes by callers."""
        self.owner.notice_writes(self.numbers)
        return tuple(int(self.owner.versions[number]) for number in self.numbers)
