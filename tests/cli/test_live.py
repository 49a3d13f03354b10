"""The bar's arithmetic: what fits into how many columns."""

from __future__ import annotations

import pytest

from caffe64.cli.live import clock, fit

NOTES = ["rate 0.001", "51,200 rows/s", "loss 0.1235", "0:12 left"]


@pytest.mark.parametrize("width", range(10, 200))
def test_the_line_never_reaches_the_last_column(width):
    kept, bar = fit(width, "epoch 3/15", NOTES)
    columns = len("epoch 3/15") + sum(2 + len(note) for note in kept) + (2 + bar if bar else 0)
    assert columns < width or not (kept or bar)


def test_a_narrow_terminal_keeps_loss_and_time_and_gives_up_the_bar():
    assert fit(40, "epoch 3/15", NOTES) == (["loss 0.1235", "0:12 left"], 0)


def test_eighty_columns_hold_everything():
    kept, bar = fit(80, "epoch 3/15", NOTES)
    assert kept == NOTES
    assert bar >= 10


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (754, "12:34"), (3723, "1:02:03")])
def test_times_read_as_on_a_clock(seconds, text):
    assert clock(seconds) == text
