"""Random numbers that depend on a seed, a purpose and the iteration, and on nothing else.

Philox is a counter-based generator (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011): its key is
(seed, purpose) and its counter begins at the iteration, 2**128 numbers apart. So a reshaped net, a resumed run, another
process or another number of threads draws the same numbers without any state being kept. The purposes of a text net are
0 for the initial parameters, and the number of an epoch for the order of its rows.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from ...arguments import seed_number


def generator(seed: int, purpose: int, iteration: int = 0) -> np.random.Generator:
    """The random numbers for `purpose`, a whole number from 0 to 2**64 - 1, in this iteration. Raises UsageError for
    another seed than such a number."""
    # As uint64: a list of a seed from 2**63 on and a small number would become float64, which rounds the seed.
    key = np.array([seed_number(seed), purpose], np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=[0, 0, iteration, 0]))


@dataclass
class Streams:
    """The random streams of a graph, one per name. `iteration` counts the forward runs; the caller
    that runs them increases it."""

    seed: int = 0
    iteration: int = 0

    def generator(self, name: str) -> np.random.Generator:
        """The numbers of `name`, a layer's for example, in this iteration."""
        return generator(self.seed, purpose_of(name), self.iteration)

    def position(self, name: str) -> np.ndarray:
        """The same for kernels (`philox.py`): int64, as a Stream."""
        return np.array([seed_number(self.seed), purpose_of(name), self.iteration], np.uint64).view(np.int64)


def purpose_of(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")
