"""Random numbers that depend on a seed, on what they are for, and on the iteration, and on nothing else.

Philox is a counter-based generator (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011): its key is
(seed, purpose) and its counter begins at the iteration, 2**128 numbers apart. So a reshaped net, a resumed run, another
process or another number of threads draws what it should without any state being kept.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np


@dataclass
class Streams:
    """The random streams of one net. `seed` is a whole number from 0 to 2**64 - 1; `iteration` counts the forward runs
    and belongs to whoever runs them."""

    seed: int = 0
    iteration: int = 0

    def generator(self, purpose: str) -> np.random.Generator:
        """The numbers for `purpose`, a layer's name for example, in this iteration."""
        digest = hashlib.blake2b(purpose.encode(), digest_size=8).digest()
        key = np.array([self.seed, int.from_bytes(digest, "little")], np.uint64)
        return np.random.Generator(np.random.Philox(key=key, counter=[0, 0, self.iteration, 0]))
