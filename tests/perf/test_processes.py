"""Jobs in other processes, and whole commands."""

from __future__ import annotations

import sys

import pytest

from caffe64.errors import Caffe64Error, CheckFailed
from caffe64.perf.processes import Worker, alternate, workers
from caffe64.perf.sampling import Effort
from caffe64.perf.suites import startup

PEAK = "caffe64.perf.peak:Job"


def test_a_worker_sends_its_facts_and_runs_on_request():
    with workers() as running:
        running["a"] = Worker(PEAK, 1, {"threads": 1})
        assert running["a"].facts["work"] > 0
        rounds = alternate(running, Effort(rounds=2, budget=0.0, fewest=2))
        for times in (rounds.wall, rounds.cpu):
            assert len(times["a"]) == 2
            assert min(times["a"]) > 0
        assert (rounds.fair(1), rounds.fair(2)) == (rounds.cpu, rounds.wall)
        assert running["a"].memory > 10e6


@pytest.mark.parametrize("job", ["caffe64.perf.nothing:Job", "caffe64.perf.peak:Nothing", "sys:exit"])
def test_a_job_that_fails_says_why(job):
    with pytest.raises(Caffe64Error, match="failed: "):
        Worker(job, 1, {})


def test_a_worker_that_dies_is_noticed():
    worker = Worker(PEAK, 1, {"threads": 1})
    worker._process.kill()
    with pytest.raises(Caffe64Error, match="ended with code -9"):
        worker.run()
    worker.close()


def test_a_command_is_timed_with_its_own_peak_of_memory(tmp_path):
    small = startup.launch([sys.executable, "-S", "-c", "pass"], tmp_path, {})
    large = startup.launch([sys.executable, "-S", "-c", "b'x' * 200_000_000"], tmp_path, {})
    assert small[0] > 0
    assert small[1] < 50e6 < 200e6 < large[1]


def test_a_command_that_fails_stops_the_run(tmp_path):
    with pytest.raises(CheckFailed, match="ended with code 3"):
        startup.launch([sys.executable, "-c", "raise SystemExit(3)"], tmp_path, {})
    with pytest.raises(CheckFailed, match="could not be started"):
        startup.launch([str(tmp_path / "nothing")], tmp_path, {})
