"""Two workers against one: what is printed of it."""

from __future__ import annotations

import re

from caffe64.perf import sweeps


def test_workers_take_turns(monkeypatch):
    monkeypatch.setattr(sweeps, "ROUNDS", 2)
    monkeypatch.setattr(sweeps, "BUSY_SECONDS", 0.01)
    monkeypatch.setattr(sweeps, "ROWS", 200)
    times = sweeps.measure_sweeps(2, 3, 1)
    assert (len(times.one), len(times.several), len(times.processors)) == (2, 2, 2)
    assert all(0 <= each <= 3 for each in times.processors)


def test_the_least_of_the_rounds_are_compared():
    one, several, processors = sweeps.SweepTimes([3.0, 2.0], [1.0, 4.0], [1.5, 1.75]).lines
    assert re.fullmatch(r"one worker +2\.00 s, least of 2 rounds \(3\.00 the most\)", one)
    assert re.fullmatch(r"several workers +1\.00 s \(4\.00\): 2\.00 times as fast", several)
    assert processors == "as many busy processes got 1.50 to 1.75 processors"


def test_a_busy_process_gets_some_time():
    assert 0 < sweeps.busy(0.05) < 0.5
