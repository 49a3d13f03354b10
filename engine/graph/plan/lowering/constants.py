"""Memory that steps fill with a number."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ....compiler.cpu import FLOAT_BYTES, LANES, VECTOR_BYTES
from ....compiler.fields import read_fields
from ....vectors.simd import broadcast, element, store_part
from ..emitter import Emitter
from ..steps import step_kernel

STRETCH_BYTES = 128 << 10  # of an item: some microseconds


class FilledStretch(NamedTuple):
    to: int
    size: int  # bytes of float32
    value: int  # offset of a constant


@step_kernel(FilledStretch)
def fill_stretch(arena, weights, tables, at, item, thread):
    """Writes a number into STRETCH_BYTES."""
    f = read_fields(tables, at, FilledStretch)
    value, last = broadcast(element(weights, f.value)), min(f.size, (item + 1) * STRETCH_BYTES)
    for i in range(item * STRETCH_BYTES, last, VECTOR_BYTES):
        store_part(arena, f.to + i, value, min(LANES, (last - i) // FLOAT_BYTES))


def emit_fill(emitter: Emitter, to: int, size: int, number: np.float32, *, barrier: bool = True) -> None:
    """Emit: `size` bytes from the offset `to` on are this number. `barrier` as of Emitter.step."""
    value = emitter.constant([number])
    emitter.step(fill_stretch, -(-size // STRETCH_BYTES), to=to, size=size, value=value, barrier=barrier)
