"""What a normalisation by the statistics of a batch leaves for its gradient."""

from __future__ import annotations

from typing import NamedTuple

from ....compiler.cpu import VECTOR_BYTES


class NormalisedBlock(NamedTuple):
    """Places of the vectors of a block of channels, which are 0 behind the last channel. With the rest of the mean, of
    float64, over the float32 `mean`:"""

    mean: int = 0
    factor: int = VECTOR_BYTES  # gamma / deviation
    offset: int = 2 * VECTOR_BYTES  # beta - rest * factor:  y = (x - mean) * factor + offset
    inverse: int = 3 * VECTOR_BYTES  # 1 / deviation
    rest: int = 4 * VECTOR_BYTES  # -rest * inverse:  n = (x - mean) * inverse + rest


OF_BLOCK = NormalisedBlock()
OF_BLOCK_BYTES = len(OF_BLOCK) * VECTOR_BYTES  # bytes of a block of channels
