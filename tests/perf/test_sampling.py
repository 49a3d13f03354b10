"""Alternation, ratios and summaries, with made-up work instead of a clock."""

from __future__ import annotations

from caffe64.perf.sampling import Effort, interleave, paired, summary


def test_works_alternate_and_each_gets_the_same_number_of_samples():
    calls = []
    works = {name: lambda name=name: calls.append(name) for name in "abc"}
    times = interleave(works, Effort(sample=0.0, rounds=4, budget=100.0, fewest=1))
    assert {name: len(taken) for name, taken in times.items()} == {"a": 4, "b": 4, "c": 4}
    assert "".join(calls[-12:]) == "abcbcacababc"


def test_short_works_are_repeated_until_a_sample_lasts():
    calls = []
    effort = Effort(sample=0.001, rounds=1, budget=1.0, fewest=1)
    times = interleave({"a": lambda: calls.append("a")}, effort, clock=lambda: 1e-6 * len(calls))
    assert len(calls) > 1000
    assert abs(times["a"][0] - 1e-6) < 1e-9


def test_a_budget_bounds_the_rounds_but_never_below_the_fewest():
    effort = Effort(rounds=20, budget=3.0, fewest=5)
    assert [effort.rounds_for(seconds) for seconds in (0.0, 0.1, 0.25, 10.0)] == [20, 20, 12, 5]


def test_a_slow_moment_that_hits_both_leaves_the_ratio_alone():
    ours, theirs = [1.0, 1.0, 5.0, 1.0, 7.0], [2.0, 2.0, 10.0, 2.0, 14.0]
    assert paired(theirs, ours) == 2.0


def test_the_summary_is_that_of_the_samples():
    assert summary([4.0, 1.0, 2.0, 3.0, 5.0]) == {"min": 1.0, "median": 3.0, "spread": 2 / 3, "samples": 5}
    assert summary([2.0]) == {"min": 2.0, "median": 2.0, "spread": 0.0, "samples": 1}
