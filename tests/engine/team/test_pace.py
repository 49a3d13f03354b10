"""How many threads a training takes where others want the CPUs, in a simulated time."""

from __future__ import annotations

import numpy as np
import pytest
from reference.running import data, finish, training

from caffe64.engine.team.pace import LONGEST_PATIENCE, PATIENCE, STRETCH_SECONDS, Pace


class Machine:
    """Seconds of a minibatch by the number of threads, and the share of their CPU time that threads get."""

    def __init__(self, seconds, share):
        self.seconds, self.share, self.now, self.used = seconds, share, 0.0, []

    def run(self, pace, seconds):
        """Let `pace` choose for so long; the numbers of threads that it took, stretch by stretch."""
        end, self.used = self.now + seconds, []
        while self.now < end:
            team = pace.team
            count = pace.stretch(10**9)
            wall = count * self.seconds[team]
            self.used.append((team, wall))
            self.now += wall
            pace.record(count, wall, self.share * team * wall)

    def time_with(self, team):
        return sum(wall for used, wall in self.used if used == team)


QUIET, BUSY = ({1: 1e-4, 2: 6e-5}, 1.0), ({1: 1.6e-4, 2: 2e-3}, 0.5)


def test_a_quiet_machine_is_never_tried_with_one_thread():
    machine, pace = Machine(*QUIET), Pace(2, adaptive=True)
    machine.run(pace, 20)
    assert {team for team, _ in machine.used} == {2}
    assert machine.used[5][1] == pytest.approx(STRETCH_SECONDS, rel=0.01)


def test_one_thread_where_two_are_slower():
    machine, pace = Machine(*BUSY), Pace(2, adaptive=True)
    machine.run(pace, 60)
    assert machine.time_with(1) > 0.97 * 60
    assert pace.patience > PATIENCE


def test_two_threads_stay_where_they_are_faster_even_if_crowded():
    machine, pace = Machine({1: 1e-4, 2: 8e-5}, 0.7), Pace(2, adaptive=True)
    machine.run(pace, 20)
    assert machine.time_with(2) > 0.8 * 20


def test_all_threads_come_back_when_the_machine_is_free_again():
    machine, pace = Machine(*BUSY), Pace(2, adaptive=True)
    machine.run(pace, 10)
    machine.seconds, machine.share = QUIET
    machine.run(pace, LONGEST_PATIENCE + 1)
    machine.run(pace, 5)
    assert machine.time_with(1) == 0


def test_a_number_that_was_asked_for_is_kept():
    pace = Pace(2, adaptive=False)
    assert pace.stretch(1000) == 1000
    pace.record(1000, 1.0, 0.1)
    assert (pace.team, pace.stretch(7)) == (2, 7)


def test_the_weights_are_the_same_whatever_it_chooses(monkeypatch):
    monkeypatch.setattr("caffe64.engine.textnet.training.choose_threads", lambda requested, macs: requested or 2)
    monkeypatch.setattr("caffe64.engine.team.pace.STRETCH_SECONDS", 1e-4)
    monkeypatch.setattr("caffe64.engine.team.pace.CROWDED", 2.0)  # always
    monkeypatch.setattr("caffe64.engine.team.pace.PATIENCE", 1e-4)
    monkeypatch.setattr("caffe64.engine.team.pace.LONGEST_PATIENCE", 2e-4)
    arrays = data(rows=3000)
    changing, alone = finish(training(arrays=arrays)), finish(training(arrays=arrays, threads=1))
    np.testing.assert_array_equal(changing.model.parameters, alone.model.parameters)
    assert [record.loss for record in changing.history] == [record.loss for record in alone.history]
