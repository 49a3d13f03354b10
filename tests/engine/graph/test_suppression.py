"""Non-maximum suppression: box by box, at the edges of vectors, and with numbers that are none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caffe64.engine.compiler.cpu import LANES
from caffe64.engine.graph.ops.suppression import strongest, suppress, suppression_scratch


def kept(boxes, candidates, threshold, eta=1.0, most=None) -> list[int]:
    found = np.empty(len(candidates) if most is None else most, np.int64)
    scratch = suppression_scratch(found.size)
    scratch.fill(0.5)
    number = suppress.run(
        np.asarray(boxes, np.float32), np.asarray(candidates, np.int64), threshold, eta, scratch, found
    )
    return found[:number].tolist()


def share(a, b) -> float:
    """Of the union, in float64; 0 where a side is not finite."""
    if not np.isfinite([*a, *b]).all():
        return 0
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    both = sum(max(box[2] - box[0], 0) * max(box[3] - box[1], 0) for box in (a, b)) - shared
    return shared / both if shared else 0


def one_by_one(boxes, candidates, threshold, eta=1.0, most=None) -> list[int]:
    found = []
    for a in candidates:
        if most is not None and len(found) == most:
            break
        if all(share(boxes[a], boxes[b]) <= threshold for b in found):
            found.append(int(a))
            threshold *= eta if threshold > 0.5 else 1
    return found


def some_boxes(seed: int, number: int) -> np.ndarray:
    """Corners in eighths: areas are exact, and no share is within rounding of the thresholds below."""
    source = np.random.default_rng(seed)
    corners = source.integers(-8, 8, (number, 2))
    return np.concatenate([corners, corners + source.integers(-1, 9, (number, 2))], axis=1).astype(np.float32) / 8


@settings(max_examples=60, deadline=None)
@given(
    number=st.sampled_from([0, 1, LANES - 1, LANES, LANES + 1, 3 * LANES, 5 * LANES + 1]),
    threshold=st.sampled_from([0.0101, 0.3003, 0.7777]),
    eta=st.sampled_from([1.0, 0.9]),
    most=st.sampled_from([None, 1, LANES, LANES + 1]),
    seed=st.integers(0, 1000),
)
def test_box_by_box(number, threshold, eta, most, seed):
    boxes = some_boxes(seed, number)
    candidates = np.random.default_rng(seed).permutation(number)
    assert kept(boxes, candidates, threshold, eta, most) == one_by_one(boxes, candidates, threshold, eta, most)


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("corner", range(4))
def test_boxes_that_are_not_finite_overlap_none(odd, corner):
    boxes = np.tile(np.array([0, 0, 1, 1], np.float32), (3 * LANES, 1))
    boxes[::2, corner] = odd
    order = range(len(boxes))
    assert kept(boxes, order, 0.5) == one_by_one(boxes, order, 0.5) == [0, 1, *range(2, len(boxes), 2)]


@pytest.mark.parametrize("most", [None, 0, 1, 3, 5, 100])
def test_the_strongest_keep_their_order_among_equals(most):
    scores = np.array([2, 1, 2, np.nan, 3, 1, 2, 5, np.inf, -np.inf], np.float32)
    whole = [8, 7, 4, 0, 2, 6, 1, 5, 9, 3]
    assert strongest(scores, np.arange(10), most).tolist() == whole[:most]
    some = np.array([1, 2, 5, 6])
    assert strongest(scores, some, most).tolist() == [2, 6, 1, 5][:most]


def test_the_strongest_of_none():
    assert strongest(np.zeros(3, np.float32), np.zeros(0, np.int64), 5).tolist() == []
