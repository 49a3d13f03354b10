"""The owner of a net's parameters: offsets of slices, versions after writes, fingerprints."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caffe64.engine.parameters.fingerprint import PIECE_LINES, TEAM_LINES, Fingerprints
from caffe64.engine.parameters.owner import SLICE_ALIGNMENT, Held, Parameters, Slice

LINE = 16  # float32 of a cache line

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


def fingerprints_of(*arrays):
    """A vector of these arrays, line by line, and its fingerprints after a look."""
    owner = Parameters([Slice("it", number, array.shape, 0) for number, array in enumerate(arrays)])
    for number, array in enumerate(arrays):
        owner.view(number)[...] = array
    lines = [(each.offset // SLICE_ALIGNMENT, -(-each.size // SLICE_ALIGNMENT)) for each in owner.slices]
    made = Fingerprints(owner.vector, lines)
    made.check(tuple(range(len(arrays))))
    return owner, made


@given(
    size=st.sampled_from(
        [1, 2, LINE - 1, LINE, LINE + 1, 6 * LINE + 5, PIECE_LINES * LINE, (PIECE_LINES + 1) * LINE - 1]
    ),
    place=st.integers(0, 1 << 20),
    bit=st.integers(0, 31),
    threads=st.integers(1, 2),
)
def test_a_fingerprint_sees_each_bit(size, place, bit, threads):
    values = np.random.default_rng(size).standard_normal((2, size)).astype(np.float32)
    owner, prints = fingerprints_of(np.float32([1]), *values)
    array = owner.view(2)
    array.view(np.uint32)[place % size] ^= np.uint32(1 << bit)
    assert prints.check((0, 1), threads) == set()
    assert prints.check((0, 1, 2), threads) == {2}
    assert prints.check((0, 1, 2), threads) == set()
    array.view(np.uint32)[place % size] ^= np.uint32(1 << bit)
    assert prints.check((2,), threads) == {2}


def test_many_numbers_are_read_by_a_team():
    size = 2 * TEAM_LINES * LINE + 3
    owner, prints = fingerprints_of(np.ones(5), np.ones(size), np.ones(7))
    for place in (0, size // 2 - 1, size // 2, size // 2 + 1, size - 1):
        owner.view(1)[place] += 1
        assert prints.check((0, 1, 2), 2) == {1}
        assert prints.check((0, 1, 2), 1) == set()


@pytest.mark.parametrize("step", [1, 2, LINE, 2 * LINE, PIECE_LINES * LINE])
def test_a_fingerprint_sees_two_numbers_that_are_exchanged(step):
    """Within a column as well, where the plain sum stays the same."""
    owner, prints = fingerprints_of(np.arange(1, 2 * PIECE_LINES * LINE + 1))
    array = owner.view(0)
    array[[0, step]] = array[[step, 0]]
    assert prints.check((0,)) == {0}


def test_a_fingerprint_distinguishes_zeros_of_both_signs_and_equals_itself_for_nan():
    owner, prints = fingerprints_of(np.full(5, np.nan), np.zeros(3))
    owner.view(0)[...] = np.nan
    assert prints.check((0, 1)) == set()
    owner.view(1)[...] = -0.0
    assert prints.check((0, 1)) == {1}


def test_writes_of_caller_and_package_between_two_looks_are_one_change(owner):
    held = Held(owner, (2,))
    held.expose()
    owner.view(2)[...] = 3
    held.written()
    owner.view(2)[...] = 4
    assert held.versions() == (1,)
    owner.view(2)[...] = 5
    assert held.versions() == (2,)


def test_a_copy_counts_on_and_its_arrays_are_not_held(owner):
    held = Held(owner, (2,))
    held.expose()
    owner.view(2)[...] = 3
    assert held.versions() == (1,)
    other = Held(copy.deepcopy(owner), (2,))
    other.owner.view(2)[...] = 4
    assert other.versions() == held.versions() == (1,)
    other.expose()
    other.owner.view(2)[...] = 5
    assert other.versions() == (2,)
    assert held.versions() == (1,)
