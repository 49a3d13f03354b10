"""Memory that steps fill with a number."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ....compiler.cpu import FLOAT_BYTES, VECTOR_BYTES
from ....compiler.fields import read_fields
from ....vectors.simd import broadcast, element, store, store_part
from ....vectors.streaming import finish_streams, stream
from ..emitter import Emitter
from ..steps import step_kernel

STRETCH_BYTES = 128 << 10  # of an item: some microseconds
# More than near caches keep until it is read. EPYC Zen 5, 2026-11-29: 151 MB took 7.9 ms, 1.8 so.
STREAMED_BYTES = 8 << 20


class FilledStretch(NamedTuple):
    to: int  # from a cache line on
    size: int  # bytes of float32
    value: int  # offset of a constant


@step_kernel(FilledStretch)
def fill_stretch(arena, weights, tables, at, item, thread):
    """Writes a number into STRETCH_BYTES."""
    f = read_fields(tables, at, FilledStretch)
    value, last = broadcast(element(weights, f.value)), min(f.size, (item + 1) * STRETCH_BYTES)
    whole = last // VECTOR_BYTES * VECTOR_BYTES
    if f.size > STREAMED_BYTES:
        for i in range(item * STRETCH_BYTES, whole, VECTOR_BYTES):
            stream(arena, f.to + i, value)
        finish_streams()
    else:
        for i in range(item * STRETCH_BYTES, whole, VECTOR_BYTES):
            store(arena, f.to + i, value)
    if whole < last:
        store_part(arena, f.to + whole, value, (last - whole) // FLOAT_BYTES)


def emit_fill(emitter: Emitter, to: int, size: int, number: np.float32, *, barrier: bool = True) -> None:
    """Emit: `size` bytes from the offset `to` on are this number. `barrier` as of Emitter.step."""
    value = emitter.constant([number])
    emitter.step(fill_stretch, -(-size // STRETCH_BYTES), to=to, size=size, value=value, barrier=barrier)
