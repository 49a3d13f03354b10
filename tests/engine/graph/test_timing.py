"""Nets that are timed side by side."""

from __future__ import annotations

from caffe64.engine.graph.execution.timing import NetTime, Seconds, alternate


def test_nets_alternate_run_by_run():
    runs = []

    def timing(name, iterations):
        for _ in range(iterations):
            runs.append(name)
            yield
        return NetTime([], Seconds.of([float(iterations)]))

    found = alternate([timing("a", 3), timing("b", 3), timing("c", 1)])
    assert runs == ["a", "b", "c", "a", "b", "a", "b"]
    assert [each.forward.median for each in found] == [3, 3, 1]
