"""Where the random numbers of a training come from.

Philox is a counter-based generator (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011). Keyed by
(seed, epoch), it can make the order of an epoch's rows again from two integers, so a checkpoint needs no generator
state. Key (seed, 0) draws the initial parameters.
"""

from __future__ import annotations

import numpy as np

from ..arguments import seed_number


def generator(seed: int, epoch: int) -> np.random.Generator:
    """The random numbers of one epoch; epoch 0 is for the initial parameters. Raises UsageError for another seed than
    a whole number from 0 to 2**64 - 1."""
    # As uint64: a list of a seed from 2**63 on and a small number would become float64, which rounds the seed.
    return np.random.Generator(np.random.Philox(key=np.array([seed_number(seed), epoch], np.uint64)))
