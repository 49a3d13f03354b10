"""Sums over shards: one tree, however many ranks share them."""

from __future__ import annotations

import numpy as np
import pytest
from reference.thread_group import tree

from caffe64.engine.compiler import signatures as types
from caffe64.engine.compiler.jit import F2, i64, kernel
from caffe64.engine.parameters.shards import Shards, add_parts, check_shards, merge_stack, place_of, tree_sum
from caffe64.errors import UsageError


@kernel(types.void(F2, i64, i64, i64))
def merge_shard(stack, number, begin, end):
    merge_stack(stack, number, begin, end)


MATRIX = [(S, R) for S in (1, 2, 4, 8, 16) for R in (1, 2, 4, 8, 16) if R <= S]


def gradients(count: int, size: int) -> np.ndarray:
    """Of such different sizes that nearly every order of a sum gives other bits."""
    source = np.random.default_rng(count)
    return (source.standard_normal((count, size)) * 10.0 ** source.integers(-4, 4, (count, size))).astype(np.float32)


@pytest.mark.parametrize("size", [1, 100, 5000])
@pytest.mark.parametrize(("S", "R"), MATRIX)
def test_ranks_sum_in_the_order_of_the_tree(S, R, size):
    given = gradients(S, size)
    layouts = [Shards(S, R, rank, size) for rank in range(R)]
    sums = []
    for shards in layouts:
        stack = shards.stack()
        stack[:, :size] = 1e30  # what lies in a place does not matter
        for number in range(shards.own):
            stack[place_of.py_func(number), :size] = given[shards.first + number]
            merge_shard(stack, number, 0, shards.padded)
        sums.append(stack[0])
    found = np.zeros(layouts[0].padded, np.float32)
    for shards in layouts:
        parts = np.stack([each[shards.begin : shards.begin + shards.share] for each in sums])
        add_parts(parts, 0, shards.share)
        found[shards.begin : shards.begin + shards.share] = parts[0]
    np.testing.assert_array_equal(found[:size].view(np.int32), tree(given).view(np.int32))
    if S > 2 and size > 1:
        assert (found[:size] != np.add.reduce(given)).any(), "these gradients do not show the order"


@pytest.mark.parametrize(("S", "R"), [(4, 1), (4, 2), (4, 4)])
def test_a_zero_has_no_sign_that_shows_the_ranks(S, R):
    sums = []
    for rank in range(R):
        shards = Shards(S, R, rank, 16)
        stack = shards.stack()
        for number in range(S // R):
            stack[place_of.py_func(number), :16] = -0.0
            merge_shard(stack, number, 0, shards.padded)
        sums.append(stack[0, : 64 // R])
    parts = np.stack(sums)
    add_parts(parts, 0, parts.shape[1])
    assert not np.signbit(parts[0]).any()


@pytest.mark.parametrize(("S", "R"), MATRIX)
@pytest.mark.parametrize("size", [1, 16, 17, 89610])
def test_shares_are_whole_cache_lines_and_cover_the_vector_once(S, R, size):
    layouts = [Shards(S, R, rank, size) for rank in range(R)]
    for shards in layouts:
        assert shards.share % 16 == shards.part % 16 == 0
        assert shards.share * R == shards.padded == shards.part * S >= size
        assert shards.part == layouts[0].part == Shards(S, 1, 0, size).part
    covered = [place for shards in layouts for place in range(shards.begin, shards.end)]
    assert covered == list(range(size))
    assert [shard for shards in layouts for shard in range(shards.first, shards.last)] == list(range(S))


@pytest.mark.parametrize("minibatch", [8, 9, 100, 1001])
def test_the_rows_of_the_shards_are_those_of_the_minibatch(minibatch):
    for S in (1, 2, 4, 8):
        shards = Shards(S, 1, 0, 100)
        cuts = [shards.rows(shard, minibatch) for shard in range(S)]
        assert [row for begin, end in cuts for row in range(begin, end)] == list(range(minibatch))
        sizes = [end - begin for begin, end in cuts]
        assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("count", [1, 2, 4, 8, 32])
def test_numbers_are_summed_by_the_same_tree(count):
    source = np.random.default_rng(count)
    values = [float(value) for value in source.standard_normal(count) * 10.0 ** source.integers(-8, 8, count)]
    assert tree_sum(values) == tree(values)


@pytest.mark.parametrize(
    ("shards", "ranks", "minibatch", "message"),
    [
        (0, 1, 100, "shards are 0, expected a power of two"),
        (3, 1, 100, "shards are 3, expected a power of two"),
        (8, 3, 100, "there are 3 ranks, expected a power of two"),
        (2, 4, 100, "4 ranks have 2 shards to share, expected 4"),
        (1, 2, 100, "2 ranks have 1 shards to share, expected 2"),
        (16, 2, 15, "a minibatch of 15 rows cannot be cut into 16 shards"),
    ],
)
def test_what_cannot_be_cut_is_an_error(shards, ranks, minibatch, message):
    with pytest.raises(UsageError, match=message):
        check_shards(shards, ranks, minibatch)


def test_as_many_shards_as_rows_and_as_many_ranks_as_shards_are_right():
    check_shards(16, 16, 16)
    check_shards(1, 1, 1)
