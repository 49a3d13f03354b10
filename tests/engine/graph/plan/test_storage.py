"""Where blobs lie: sizes and steps in bytes, of any type of number."""

from __future__ import annotations

import numpy as np
import pytest
from reference.caffe_graphs import conv, data, graph_of
from reference.plans import ways

from caffe64.engine.compiler.cpu import LANES
from caffe64.engine.graph.ir.graph import FLOAT32
from caffe64.engine.graph.plan import Plan
from caffe64.engine.graph.plan.storage import MEMORY_ALIGNMENT, Memory, Storage, StorageKind, aligned

SHAPE = (2, LANES + 3, 5, 7)
HALO = 1, 2, 3, 4  # rows above, columns to the left, rows below, columns to the right
HALOS = {StorageKind.PLANAR: (0, 0, 0, 0), StorageKind.PADDED: HALO, StorageKind.BLOCKED: HALO}


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int8, np.float64])
@pytest.mark.parametrize("kind", StorageKind)
def test_steps_are_those_of_an_array_of_the_type(kind, dtype):
    storage = Storage(SHAPE, kind, Memory(0, 0, 0, 3 * MEMORY_ALIGNMENT), HALOS[kind], np.dtype(dtype))
    lanes = LANES if kind is StorageKind.BLOCKED else 1
    planes, (above, left, below, right) = -(-SHAPE[1] // lanes), HALOS[kind]
    array = np.zeros((SHAPE[0], planes, above + SHAPE[2] + below, left + SHAPE[3] + right, lanes), dtype)
    found = storage.strided
    assert (found.picture, found.plane, found.row, storage.pixel) == array.strides[:4]
    assert storage.size == array.nbytes
    assert found.offset == 3 * MEMORY_ALIGNMENT + above * found.row + left * storage.pixel
    columns = np.arange(0, 7, 2) * storage.pixel
    assert storage.pixels((2, 2), (2, 4)).tolist() == [*columns, *(columns + 2 * found.row)]


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("kind", [StorageKind.PLANAR, StorageKind.PADDED])
def test_a_view_is_the_pixels_in_the_memory(kind, dtype):
    storage = Storage(SHAPE, kind, Memory(0, 0, 0, MEMORY_ALIGNMENT), HALOS[kind], np.dtype(dtype))
    memory = np.zeros(MEMORY_ALIGNMENT + storage.size, np.uint8)
    view = storage.view(memory)
    assert (view.shape, view.dtype, view.strides[:2]) == (SHAPE, dtype, storage.strided[1:3])
    view[0, 0, 0, 0] = 1
    written = memory[storage.first : storage.first + view.itemsize].view(dtype)
    assert written.tolist() == [1]
    assert np.count_nonzero(memory) == np.count_nonzero(written.view(np.uint8))


def test_sizes_are_whole_cache_lines():
    assert [aligned(size) for size in (0, 1, MEMORY_ALIGNMENT, MEMORY_ALIGNMENT + 1)] == [
        0,
        MEMORY_ALIGNMENT,
        MEMORY_ALIGNMENT,
        2 * MEMORY_ALIGNMENT,
    ]


def test_blobs_are_float32_and_no_lowering_takes_others():
    graph = graph_of(data("1 3 9 7"), conv("c", "data"))
    top = graph.nodes[-1].tops[0]
    assert top.dtype == FLOAT32
    assert ways(Plan(graph))["c"]
    top.dtype = np.dtype(np.float16)
    plan = Plan(graph)
    assert ways(plan)["c"] is None
    assert plan.outputs[top].dtype == np.float16
    assert graph.copy().nodes[-1].tops[0].dtype == np.float16
