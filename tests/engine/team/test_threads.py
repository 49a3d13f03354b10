"""Who does the work: the caller, for a little in one thread; else threads that all end, whatever happens."""

from __future__ import annotations

import threading

import pytest

from caffe64.engine.team.threads import BRIEF_MACS, run_team


def team(threads, macs, work=lambda number: None, poll=lambda: None):
    """The number and the thread of each call of `work`, how often poll was called, how often stop."""
    worked, polls, stops = [], [], []

    def noted(number):
        worked.append((number, threading.current_thread()))
        work(number)

    def polled():
        polls.append(1)
        poll()

    try:
        run_team(noted, threads, macs, lambda: stops.append(1), polled)
    finally:
        team.last = sorted(worked, key=lambda call: call[0]), len(polls), len(stops)
    return team.last


@pytest.mark.parametrize("macs", [0, BRIEF_MACS - 1])
def test_a_little_for_one_thread_is_done_by_the_caller(macs):
    assert team(1, macs) == ([(0, threading.current_thread())], 1, 0)


@pytest.mark.parametrize(("threads", "macs"), [(1, BRIEF_MACS), (2, 0), (3, BRIEF_MACS)])
def test_the_rest_is_done_by_others_which_end(threads, macs):
    worked, polls, _ = team(threads, macs)
    assert [number for number, _ in worked] == list(range(threads))
    assert threading.current_thread() not in {thread for _, thread in worked}
    assert not any(thread.is_alive() for _, thread in worked)
    assert polls >= 1


@pytest.mark.parametrize(("threads", "macs"), [(1, 0), (1, BRIEF_MACS), (2, 0)])
def test_an_exception_of_the_work_or_of_poll_comes_through(threads, macs):
    def fail(*arguments):
        raise ValueError("no")

    for failing in ({"work": fail}, {"poll": fail}):
        with pytest.raises(ValueError, match="no"):
            team(threads, macs, **failing)
        assert not any(thread.is_alive() for _, thread in team.last[0] if thread is not threading.current_thread())
