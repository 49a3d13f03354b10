"""Tables in the terminal."""

from __future__ import annotations

import pytest

from caffe64.perf import report


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(12.345, "12.3 s"), (1.0, "1.00 s"), (0.0123, "12.3 ms"), (2e-6, "2.00 µs"), (345e-6, "345 µs"), (None, "")],
)
def test_seconds_have_three_digits_and_a_unit(seconds, text):
    assert report.seconds_text(seconds) == text


def test_a_goal_that_was_missed_is_named(make_results):
    (entry,) = make_results({"gemm": 0.5}).entries
    assert "goal" not in report.ratios_text(entry)
    entry.goals = {"NumPy": 2.5, "seconds": 1e-4, "memory": 1e6, "absent": 3.0}
    entry.memory = 2_000_000
    text = report.ratios_text(entry)
    assert "NumPy 2.00 (goal 2.5)" in text
    assert "(goal 100 µs)" in text
    assert "(goal 1 MB)" in text


def test_a_table_has_a_line_an_entry_and_a_column_for_all_figures(make_results):
    lines = report.suite_lines(make_results({"gemm 1x2x3 NN": 0.8}).entries)
    assert len(lines) == 2
    for part in ("gemm 1x2x3 NN", "1.00 ms", "1.10 ms", "10%", "80.0 GFLOP/s", "80% FMA", "NumPy 2.00"):
        assert part in lines[1]
