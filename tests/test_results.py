"""Plain tables, as a pipe gets them."""

from __future__ import annotations

from caffe64.results import plain_table


def test_texts_are_aligned_left_and_numbers_right():
    assert plain_table(["layer", "macs"], [["lin 10 -2", "7,840"], ["rel", "0"]]) == [
        "layer       macs",
        "lin 10 -2  7,840",
        "rel            0",
    ]
