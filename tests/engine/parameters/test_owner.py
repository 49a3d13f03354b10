"""The owner of a net's parameters: where slices lie, who is told of writes, fingerprints."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caffe64.engine.parameters.fingerprint import COLUMNS, fingerprint_of
from caffe64.engine.parameters.owner import Held, Parameters, Slice

SHAPES = [(3,), (), (2, 5), (16,), (17, 1), (0,), (1,)]


@pytest.fixture
def owner():
    return Parameters([Slice(f"layer{n}", 0, shape, 0) for n, shape in enumerate(SHAPES)])


def test_slices_lie_apart_on_cache_lines_in_their_order(owner):
    for number, shape in enumerate(SHAPES):
        view = owner.view(number)
        assert view.shape == shape
        assert view.ctypes.data % 64 == 0
        view[...] = number + 1
    for number in range(len(SHAPES)):
        assert (owner.view(number) == number + 1).all()
    assert np.count_nonzero(owner.vector) == sum(int(np.prod(shape)) for shape in SHAPES)


def test_a_vector_of_the_same_layout_has_views_of_the_same_shapes(owner):
    gradient = owner.zeros()
    owner.view(2, gradient)[1, 3] = 5
    assert not owner.vector.any()
    assert [view.shape for view in Held(owner, (2, 1)).views(gradient)] == [(2, 5), ()]
    assert gradient.sum() == 5


def test_versions_move_for_what_was_written_and_for_nothing_else(owner):
    held, other = Held(owner, (0, 2)), Held(owner, (3,))
    before = held.versions(), other.versions()
    held.written()
    assert held.versions() != before[0]
    assert other.versions() == before[1]


def test_a_write_of_a_caller_is_noticed_once_and_only_where_one_holds_the_array(owner):
    held, other = Held(owner, (0, 2)), Held(owner, (3,))
    held.expose()
    first = held.versions()
    owner.view(2)[0, 0] = 1
    owner.view(3)[0] = 1
    second = held.versions()
    assert (first[0], first[1] + 1) == second
    assert held.versions() == second
    assert other.versions() == (0,)


def test_what_the_package_writes_itself_is_not_noticed_a_second_time(owner):
    held = Held(owner, (2,))
    held.expose()
    owner.view(2)[...] = 3
    held.written()
    now = held.versions()
    held.expose()
    assert held.versions() == now == (1,)


@given(
    size=st.sampled_from([1, 2, 3, 2 * COLUMNS - 1, 2 * COLUMNS, 2 * COLUMNS + 1, 6 * COLUMNS + 5]),
    place=st.integers(0, 10_000),
    bit=st.integers(0, 31),
)
def test_a_fingerprint_sees_each_bit(size, place, bit):
    array = np.random.default_rng(size).standard_normal(size).astype(np.float32)
    before = fingerprint_of(array)
    array.view(np.uint32)[place % size] ^= np.uint32(1 << bit)
    assert fingerprint_of(array) != before
    array.view(np.uint32)[place % size] ^= np.uint32(1 << bit)
    assert fingerprint_of(array) == before


@pytest.mark.parametrize("step", [1, 2, 2 * COLUMNS, 4 * COLUMNS])
def test_a_fingerprint_sees_two_numbers_that_change_places(step):
    """Within a column as well, where the plain sum stays the same."""
    array = np.arange(1, 8 * COLUMNS + 1, dtype=np.float32)
    before = fingerprint_of(array)
    array[[0, step]] = array[[step, 0]]
    assert fingerprint_of(array) != before


def test_a_fingerprint_tells_zeros_of_both_signs_and_takes_nan_for_itself():
    nan = np.full(5, np.nan, np.float32)
    assert fingerprint_of(nan) == fingerprint_of(nan.copy())
    assert fingerprint_of(np.zeros(3, np.float32)) != fingerprint_of(-np.zeros(3, np.float32))
