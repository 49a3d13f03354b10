"""The difference of detections: which rows two results may have, and which not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.detections import detector, net_outputs
from reference.executor import Executor

from caffe64.engine.graph.verification.difference import check_close, difference
from caffe64.engine.graph.verification.rows import FoundRows
from caffe64.engine.graph.verification.scale import output_rows, output_scales
from caffe64.errors import CheckFailed

A = [0, 1, 0.9, 0.1, 0.1, 0.4, 0.5]
B = [0, 1, 0.8, 0.5, 0.5, 0.8, 0.9]
C = [0, 2, 0.7, 0.1, 0.1, 0.4, 0.5]
PADDING = [-1] * 7


def rows(*each):
    return np.array(each, np.float32).reshape(1, 1, -1, 7)


def compare(expected, found, *moved):
    moved = moved or (expected,)
    return difference("d", rows(*expected), rows(*found), FoundRows(2, tuple(rows(*each) for each in moved)), 0)


def nudged(row, column, by):
    return [value + by * (number == column) for number, value in enumerate(row)]


@pytest.mark.parametrize("found", [(A, B, C), (C, B, A), (B, A, C, PADDING), (A, B, C, [0, *PADDING[1:]])])
def test_order_and_padding_do_not_count(found):
    assert compare([A, B, C, PADDING, PADDING], found).relative == 0


@pytest.mark.parametrize("column", range(2, 7))
def test_other_values_are_measured_by_their_column(column):
    found = compare([A, B, C], [C, nudged(B, column, 1e-3), A])
    largest = [0.9, 0.5, 0.5, 0.8, 0.9][column - 2]
    assert found.relative == pytest.approx(1e-3 / (largest + 1e-3 * (column != 2)), rel=1e-2)
    assert found.absolute == pytest.approx(1e-3, rel=1e-3)
    assert found.values == (np.float32(B[column]), np.float32(B[column] + 1e-3))


OTHER_IMAGE, OTHER_LABEL = nudged(B, 0, 1), nudged(C, 1, 3)
WRONG = [
    *((), (A, C), (A, B), (A, B, C, C), (A, A, B, C)),
    *((A, B, C, OTHER_LABEL), (A, B, OTHER_LABEL), (A, OTHER_IMAGE, C)),
]


@pytest.mark.parametrize("found", WRONG)
def test_rows_missing_or_too_many_differ_by_infinity(found):
    assert compare([A, B, C], found).relative == np.inf


def test_a_row_that_rounding_makes_or_takes_away_may_be_there_or_not():
    other = nudged(B, 3, 0.2)
    for found in ([A, B, C], [A, C], [A, other, C]):
        assert compare([A, B, C], found, [A, C], [A, other, C]).relative == 0
    assert compare([A, B, C], [A, B], [A, C], [A, other, C]).relative == np.inf
    assert compare([A, B, C], [A, nudged(other, 3, 0.2), C], [A, C], [A, other, C]).relative > 0.1


def test_a_missing_row_does_not_take_the_partner_of_another():
    """B is not there; the row nearest to it is C's, of the same label."""
    near = nudged(C, 1, -1)
    assert compare([B, near], [near], [near]).relative == 0


def test_nothing_at_all_is_said():
    found = compare([PADDING], [[0, *PADDING[1:]]])
    assert (found.relative, found.note) == (0, "nothing is found in these inputs")
    check_close([found], 0, 0, "")
    with pytest.raises(CheckFailed, match="'d' by inf relative"):
        check_close([compare([PADDING], [A])], 1, 1, "differ")


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), size=st.sampled_from([0, 2e-6]), keep=st.sampled_from([-1, 20]))
def test_rounding_of_bottoms_is_no_difference_and_a_tenth_is(seed, size, keep):
    """400 boxes: one of their overlaps or scores is always near its threshold."""
    bottoms = net_outputs(1, 400, 3, 1, seed)
    graph = detector(bottoms, f"num_classes: 3 code_type: CENTER_SIZE keep_top_k: {keep} nms_param {{ top_k: 50 }}")
    names = [blob.name for blob in graph.inputs]
    random = np.random.default_rng(seed)

    def run(amount):
        runner = Executor(graph)
        for blob, values in zip(graph.inputs, bottoms, strict=True):
            change = 1 if blob.name == "b2" else 1 + amount * random.choice([-1, 1], values.shape)
            runner.arrays[blob][...] = values * change
        runner.forward()
        return runner.arrays[graph.outputs[0]].copy()

    inputs = dict(zip(names, bottoms, strict=True))
    scales = output_scales(graph, inputs)
    assert isinstance(scales["t0"], FoundRows)
    assert difference("t0", run(0), run(size), scales["t0"], 0).relative < 1e-4
    assert difference("t0", run(0), run(0.1), output_rows(graph, inputs)["t0"], 0).relative > 1e-2
