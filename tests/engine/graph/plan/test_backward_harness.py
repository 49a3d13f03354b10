"""The harness of backward steps itself: what is written is what is read, in every kind of storage."""

from __future__ import annotations

import numpy as np
import pytest
from reference.backward_harness import read, write

from caffe64.engine.compiler.cpu import LANES
from caffe64.engine.graph.plan.storage import Memory, Storage, StorageKind
from caffe64.engine.team.memory import aligned_bytes


@pytest.mark.parametrize("kind", StorageKind)
@pytest.mark.parametrize("channels", [1, LANES, LANES + 1])
def test_values_come_back(kind, channels):
    halo = (0, 0, 0, 0) if kind is StorageKind.PLANAR else (1, 2, 3, 0)
    storage = Storage((2, channels, 3, 5), kind, Memory(0, 0, 0, 64), halo)
    arena = aligned_bytes(64 + storage.size)
    values = np.random.default_rng(0).standard_normal(storage.shape).astype(np.float32)
    write(arena, storage, values)
    np.testing.assert_array_equal(read(arena, storage), values)
    if kind is not StorageKind.BLOCKED:
        np.testing.assert_array_equal(storage.view(arena), values)
