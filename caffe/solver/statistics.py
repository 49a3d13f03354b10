"""Weights that layers write in runs forward, such as BatchNorm's averages over batches, where a batch is cut into
shards.

Each shard begins with those of the iteration's start. What it leaves rides in their places of its gradient, where else
are zeros, through the sum over the shards; its mean over the shards is what the iteration leaves.
"""

from __future__ import annotations

import numpy as np

from ...engine.parameters.owner import Parameters, Slice
from ...errors import UsageError


class Statistics:
    """Those in the vector of `owner`. Which they are shows in the first run."""

    def __init__(self, owner: Parameters):
        self._owner = owner
        self._numbers: list[int] | None = None
        self._before: dict[int, np.ndarray] = {}

    def __bool__(self) -> bool:
        """Whether there are any, after the first run."""
        return bool(self._numbers)

    def begin(self) -> None:
        """An iteration begins."""
        owner, numbers = self._owner, self._numbers
        if numbers is None:
            numbers = [*range(len(owner.slices))]
            owner.notice_writes(numbers)  # what callers have written so far is not a layer's work
        self._versions = owner.versions.copy()
        self._before = {number: owner.view(number).copy() for number in numbers}

    def take(self, gradient: np.ndarray) -> None:
        """A shard has run: move what it has left into its gradient, and put back what there was.

        Raises UsageError for weights that a layer has written without saying so: a layer of the user's own.
        """
        owner = self._owner
        if self._numbers is None:
            self._numbers = np.flatnonzero(owner.versions != self._versions).tolist()
            for number, values in self._before.items():
                if number not in self._numbers and owner.view(number).tobytes() != values.tobytes():
                    raise UsageError(_refusal(owner.slices[number]))
            self._before = {number: self._before[number] for number in self._numbers}
        for number, values in self._before.items():
            np.copyto(owner.view(number, gradient), owner.view(number))
            np.copyto(owner.view(number), values)
        owner.written(self._numbers)

    def put_back(self) -> None:
        """An iteration ends before its update: what there was when it began."""
        for number, values in self._before.items():
            np.copyto(self._owner.view(number), values)
        self._owner.written(list(self._before))

    def settle(self, sums: np.ndarray, shards: int, first: int, last: int) -> None:
        """Let those in [first, last) of the vector be the means of `sums`, of its layout, over the shards, and the sums
        0, which then are those of gradients."""
        for number in self._numbers or ():
            part = self._owner.slices[number]
            at, end = max(first, part.offset), min(last, part.offset + part.size)
            if at < end:
                np.multiply(sums[at:end], np.float32(1 / shards), out=self._owner.vector[at:end])
                sums[at:end] = 0
        self._owner.written(self._numbers or ())


def _refusal(part: Slice) -> str:
    what = f"the layer {part.layer!r} writes its blob {part.number} in forward"
    return f"{what}: with shards, a layer of your own may only read its blobs there"
