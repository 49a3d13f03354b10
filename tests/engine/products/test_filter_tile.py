"""The tile of filter gradients against float64: any steps, places and numbers of pixels, to memory or added to it."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from caffe64.engine.compiler import signatures as types
from caffe64.engine.compiler.cpu import FLOAT_BYTES, LANES, VECTOR_BYTES
from caffe64.engine.compiler.jit import I1_IN, U1, i64, kernel
from caffe64.engine.products.filter_tile import FILTER_ROWS, TURN_PIXELS, sum_filters
from caffe64.engine.products.pixel_tile import PANEL
from caffe64.engine.team.memory import aligned_bytes

EPSILON = np.finfo(np.float32).eps
POISON = np.float32(-77.25)


@kernel(types.void(U1, I1_IN, *[i64] * 18))
def run_tiles(
    arena, tables, x, x_picture, x_row, x_column, places, count, dy, dy_picture, dy_row, dy_column, dy_plane, pictures,
    rows, columns, sums, sums_step, more, vectors,
):  # fmt: skip
    sum_filters(
        arena, tables, x, x_picture, x_row, x_column, places, count, dy, dy_picture, dy_row, dy_column, dy_plane,
        pictures, rows, columns, sums, sums_step, more, vectors,
    )  # fmt: skip


def exact_sums(x, dy):
    """float64 [count, vectors * LANES], and the bound of the error, from x [count, pixels] and dy [pixels, all]."""
    x, dy = (each.astype(np.float64) for each in (x, dy))
    return x @ dy, (x.shape[1] + 2) * EPSILON * (np.abs(x) @ np.abs(dy))


@settings(max_examples=80)
@given(
    count=st.sampled_from([1, 3, FILTER_ROWS - 1, FILTER_ROWS, FILTER_ROWS + 1, 2 * FILTER_ROWS + 1, 27]),
    pixels=st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 2 * TURN_PIXELS + 1)),
    steps=st.tuples(st.integers(1, 2), st.integers(0, 2), st.integers(0, 2)),
    vectors=st.sampled_from([1, PANEL]),
    more=st.booleans(),
    seed=st.integers(0, 99),
)
@example(count=LANES, pixels=(2, 9, 9), steps=(1, 1, 1), vectors=PANEL, more=True, seed=0)
def test_sums(count, pixels, steps, vectors, more, seed):
    source, (column, row_gap, picture_gap) = np.random.default_rng(seed), steps
    pictures, rows, columns = pixels
    row = columns * column + row_gap  # of x, in numbers; of dy in vectors without `column`
    picture = rows * row + picture_gap
    places = source.integers(0, 40, count) * FLOAT_BYTES
    x = source.standard_normal(max(1, pictures) * picture + 41).astype(np.float32)
    dy_row, dy_picture = columns + row_gap, rows * (columns + row_gap) + picture_gap
    plane = max(1, pictures) * dy_picture + 1
    dy = source.standard_normal((vectors, plane, LANES)).astype(np.float32)
    sums_step = vectors * VECTOR_BYTES + FLOAT_BYTES
    before = source.standard_normal(count * sums_step // FLOAT_BYTES).astype(np.float32)

    floats = [x, dy.reshape(-1), before, np.full(LANES, POISON)]
    starts = np.cumsum([0, *(part.size for part in floats)]) * FLOAT_BYTES
    arena = aligned_bytes(starts[-1])
    arena.view(np.float32)[:] = np.concatenate(floats)
    run_tiles(
        arena, np.r_[7, places], starts[0], picture * 4, row * 4, column * 4, 1, count, starts[1],
        dy_picture * VECTOR_BYTES, dy_row * VECTOR_BYTES, VECTOR_BYTES, plane * VECTOR_BYTES, pictures, rows, columns,
        starts[2], sums_step, int(more), vectors,
    )  # fmt: skip

    n, r, c = (each.reshape(-1) for each in np.indices(pixels))
    of_x = x[(places // FLOAT_BYTES)[:, np.newaxis] + n * picture + r * row + c * column]
    of_dy = dy[:, n * dy_picture + r * dy_row + c].transpose(1, 0, 2).reshape(n.size, vectors * LANES)
    expected, bound = exact_sums(of_x, of_dy)
    after = np.r_[arena[starts[2] : starts[3]].view(np.float32), POISON]
    lines = np.lib.stride_tricks.as_strided(after, (count, vectors * LANES + 1), (sums_step, FLOAT_BYTES))
    was = np.r_[before, POISON]
    old = np.lib.stride_tricks.as_strided(was, lines.shape, lines.strides)
    if more:
        expected, bound = expected + old[:, :-1], bound + EPSILON * (np.abs(expected) + np.abs(old[:, :-1]))
    assert (np.abs(lines[:, :-1] - expected) <= bound).all()
    assert (lines[:, -1] == old[:, -1]).all(), "what lies between the sums is not written"
    assert (arena[starts[3] :].view(np.float32) == POISON).all()
    assert (arena[: starts[2]].view(np.float32) == np.concatenate(floats[:2])).all()


def test_a_long_sum_is_added_to_memory_once():
    """The sums of a picture start at 0: a large number in memory does not swallow their small terms one by one."""
    pixels, large = 4096, np.float32(2**24)
    arena = aligned_bytes((pixels + pixels * LANES + LANES) * FLOAT_BYTES)
    values = arena.view(np.float32)
    values[: pixels * (1 + LANES)] = 1
    sums = pixels * (1 + LANES) * FLOAT_BYTES
    values[-LANES:] = large
    run_tiles(
        arena, np.zeros(1, np.int64), 0, 0, 0, FLOAT_BYTES, 0, 1, pixels * FLOAT_BYTES, 0, 0, VECTOR_BYTES, 0, 1, 1,
        pixels, sums, VECTOR_BYTES, 1, 1,
    )  # fmt: skip
    assert (values[-LANES:] == large + pixels).all()
