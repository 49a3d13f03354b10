"""What shards and ranks cost: that it is measured, and what is said of it. No times are tested."""

from __future__ import annotations

import pytest
from reference.mpi import needs_mpi

from caffe64.perf.ranks import bars
from caffe64.perf.ranks.bars import Ratio
from caffe64.perf.ranks.work import in_one_shard, training


def test_a_ratio_says_its_bar():
    assert str(Ratio("a", 1.1, 2.2e-6, 2e-6)).split() == ["a", "2", "us", "2", "us", "1.10,", "at", "most", "1.10"]
    assert str(Ratio("a", 1.0, 2e-3, 1e-3)).endswith("2.00, at most 1.00   over the bar")
    assert str(Ratio("a", 1.0, reason="no CPUs")).split() == ["a", "not", "measured:", "no", "CPUs"]


def test_both_loops_train_the_same_net():
    runs = [training(100, threads=1), in_one_shard(100)]
    losses = [run.run_epoch().loss for run in runs]
    assert losses[0] == losses[1]
    assert (runs[0].model.parameters == runs[1].model.parameters).all()


def test_two_shards_of_a_solver_are_measured():
    ratio = bars.two_shards(rounds=1)
    assert ratio.ratio is not None
    assert ratio.ratio > 0


@needs_mpi
@pytest.mark.parametrize("needed", [0, 99])
def test_two_ranks_are_measured_where_they_have_two_cpus(monkeypatch, needed):
    monkeypatch.setattr(bars, "ENOUGH_CPUS", needed)
    exchange, ranks = bars.over_ranks(bars.mpiexec(), rounds=1)
    for each in (exchange, ranks):
        assert (each.ratio is not None and each.ratio > 0) == (needed == 0), str(each)
        assert ("two busy threads get" in each.reason) == (needed == 99)
