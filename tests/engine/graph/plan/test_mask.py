"""Steps between gradients: masks of ReLUs, and sums of two parts, of blobs in either kind of storage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.backward_harness import read, write

from caffe64.engine.compiler.cpu import LANES
from caffe64.engine.graph.plan.emitter import Emitter
from caffe64.engine.graph.plan.lowering.mask import emit_add, emit_mask
from caffe64.engine.graph.plan.program import Program
from caffe64.engine.graph.plan.steps import Scratch
from caffe64.engine.graph.plan.storage import NO_HALO, Memory, Storage, StorageKind, aligned
from caffe64.engine.team.memory import aligned_bytes

HALOS = st.sampled_from([NO_HALO, (1, 1, 1, 1), (0, 2, 1, 0), (2, 0, 0, 3)])
PICTURES = st.tuples(*(st.integers(1, most) for most in (3, 2 * LANES + 1, 9, 9)))
ANY_SHAPE = st.lists(st.integers(1, 6), min_size=0, max_size=6).map(tuple)
LARGE = [(7, 3 * LANES, 20, 20), (100, LANES + 3, 4, 4), (1, 5, 130, 90), (70_001,)]
VALUES = np.array([0.0, -0.0, 1e-45, -1e-45, 1, -1, np.inf, -np.inf, np.nan, 2], np.float32)


def draw(shape, seed=0):
    rng = np.random.default_rng(seed)
    return np.where(rng.random(shape) < 0.5, rng.standard_normal(shape), rng.choice(VALUES, shape)).astype(np.float32)


def put(arena, storage, values):
    if storage.kind is StorageKind.PLANAR:
        storage.view(arena)[...] = values
    else:
        write(arena, storage, values)


def get(arena, storage):
    return storage.view(arena).copy() if storage.kind is StorageKind.PLANAR else read(arena, storage)


def run(emit, kind, halos, values, threads=1):
    """What the second of two blobs holds after the step, and how many floats of its memory, halo included, are not 0.
    The first is as before."""
    storages, size = [], 0
    for halo, each in zip(halos, values, strict=True):
        storage = Storage(each.shape, kind, Memory(0, 0, 0, size), halo if kind is StorageKind.BLOCKED else NO_HALO)
        size += aligned(storage.size)
        storages.append(storage)
    arena = aligned_bytes(size)
    for storage, each in zip(storages, values, strict=True):
        put(arena, storage, each)
    emitter = Emitter(threads, Scratch(0, 0))
    emit(emitter, *storages)
    program = Program(arena, emitter.constants()[0], emitter.tables(), emitter.rows(), threads)
    program.run(0, len(emitter.steps))
    np.testing.assert_array_equal(get(arena, storages[0]), values[0])
    second = storages[1].memory.offset
    return get(arena, storages[1]), np.count_nonzero(arena[second : second + storages[1].size].view(np.float32))


def kinds_of(shape):
    return [StorageKind.PLANAR] + [StorageKind.BLOCKED] * (2 <= len(shape) <= 4)


def check(shape, halos, threads=1):
    y, dy = draw(shape), draw(shape, 1)
    with np.errstate(all="ignore"):
        masked, total = np.where(y > 0, dy, np.float32(0)), y + dy
    for kind in kinds_of(shape):
        for emit, expected in ((emit_mask, masked), (emit_add, total)):
            found, nonzero = run(emit, kind, halos, [y, dy], threads)
            np.testing.assert_array_equal(found, expected)
            assert nonzero == np.count_nonzero(expected), "a halo was written"


@settings(max_examples=60, deadline=None)
@given(shape=PICTURES | ANY_SHAPE, halos=st.tuples(HALOS, HALOS))
def test_gradients_are_masked_and_added(shape, halos):
    check(shape, halos)


@pytest.mark.parametrize("threads", [1, 2, 3, 4])
@pytest.mark.parametrize("shape", LARGE, ids=str)
def test_all_items_of_large_blobs_are_done_once(shape, threads):
    check(shape, [NO_HALO, NO_HALO], threads)
    check(shape, [(1, 1, 1, 1), NO_HALO], threads)


def test_a_large_blob_is_shared():
    """Among more items than threads."""
    emitter = Emitter(4, Scratch(0, 0))
    for kind in (StorageKind.PLANAR, StorageKind.BLOCKED):
        for halo in {NO_HALO, (1, 1, 1, 1) if kind is StorageKind.BLOCKED else NO_HALO}:
            blob = Storage((1, 64, 100, 100), kind, Memory(0, 0, 0, 0), halo)
            emit_mask(emitter, blob, blob)
    assert all(step.items > 16 for step in emitter.steps)
