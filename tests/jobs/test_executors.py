"""Executors: calls run in other processes, lost processes cost their own call alone, and nothing is left behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import CancelledError, Executor, Future

import pytest
from reference import calls

from caffe64.errors import UsageError
from caffe64.jobs import executors
from caffe64.jobs.executors import Retrying, WorkerLost, open_executor


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


def runs(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_calls_give_results_and_exceptions_in_processes_that_end_with_the_block(tmp_path):
    with open_executor(workers=2) as executor:
        results = [executor.submit(calls.slow_double, number, 0.05) for number in range(6)]
        failed = executor.submit(calls.fail, "so it is")
        for _ in range(2):
            executor.submit(calls.note_pid, tmp_path)
        assert [future.result(60) for future in results] == [0, 2, 4, 6, 8, 10]
        with pytest.raises(ValueError, match="so it is"):
            failed.result(60)
        assert list(executor.map(calls.double, [3, 4])) == [6, 8]
        wait_for(lambda: any(tmp_path.iterdir()))
    pids = [int(path.name) for path in tmp_path.iterdir()]
    assert os.getpid() not in pids
    assert not [pid for pid in pids if runs(pid)]
    with pytest.raises(RuntimeError):
        executor.submit(calls.double, 1)


def test_a_lost_process_costs_its_own_call_which_is_run_again(tmp_path):
    with open_executor(workers=2) as executor:
        lost = [executor.submit(calls.die_at_first, tmp_path, number) for number in range(3)]
        others = [executor.submit(calls.double, number) for number in range(20)]
        assert [future.result(60) for future in lost + others] == [2 * each for each in [*range(3), *range(20)]]


@pytest.mark.parametrize(("retries", "times"), [(0, "1 time"), (2, "3 times")])
def test_a_call_that_loses_every_process_is_given_up_after_so_many_retries(tmp_path, retries, times):
    with open_executor(workers=2, retries=retries) as executor:
        lost, other = executor.submit(calls.die, tmp_path), executor.submit(calls.slow_double, 1, 0.2)
        with pytest.raises(WorkerLost, match=rf"its worker was lost {times} \(was it killed"):
            lost.result(60)
        assert other.result(60) == 2
    assert len(list(tmp_path.iterdir())) == retries + 1


def test_an_exception_in_the_block_kills_what_runs_and_cancels_the_rest(tmp_path):
    started = time.monotonic()
    waiting = []

    def run():
        with open_executor(workers=1) as executor:
            executor.submit(calls.hang, tmp_path)
            waiting.append(executor.submit(calls.double, 1))
            wait_for(lambda: any(tmp_path.iterdir()))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    with pytest.raises(CancelledError):
        waiting[0].result(60)
    assert time.monotonic() - started < 100
    assert not runs(int(next(tmp_path.iterdir()).name))


ORPHAN = """
import os, pathlib, signal, sys
from caffe64.jobs.executors import open_executor
from reference import calls
if __name__ == "__main__":
    with open_executor(workers=1) as executor:
        future = executor.submit(calls.hang, pathlib.Path(sys.argv[1]))
        while not future.done():
            if list(pathlib.Path(sys.argv[1]).iterdir()):
                os.kill(os.getpid(), signal.SIGKILL)
"""


def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    from reference.child import run_python

    assert run_python(ORPHAN, tmp_path, check=False).returncode == -9
    pid = int(next(tmp_path.iterdir()).name)
    wait_for(lambda: not runs(pid))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"address": "tcp://localhost:1", "mpi": True}, "exclude each other"),
        ({"address": "tcp://localhost:1", "workers": 2}, "workers is for this machine"),
        ({"mpi": True, "workers": 2}, "workers is for this machine"),
        ({"mpi": True, "retries": 2}, "retries are not for MPI"),
        ({"address": "nonsense"}, "'nonsense' is not the address of a Dask scheduler, such as tcp://host:8786"),
        ({"workers": 0}, "workers is 0, expected a whole number from 1 to 1024"),
        ({"retries": -1}, "retries is -1"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(UsageError, match=message), open_executor(**options):
        pass


def test_ranks_are_started_by_mpi4py():
    pytest.importorskip("mpi4py", reason="the package mpi4py is not installed")
    with pytest.raises(UsageError, match="mpiexec -n 3 python -m mpi4py"), open_executor(mpi=True):
        pass


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match=r"pip install 'caffe64\[dask\]'"), open_executor("tcp://localhost:1"):
        pass


def test_without_mpi4py_its_extra_is_named(monkeypatch):
    monkeypatch.setattr(executors, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'caffe64\[mpi\]'"), open_executor(mpi=True):
        pass


def test_neither_cluster_is_imported_before_it_is_needed():
    code = "import sys, caffe64.jobs.executors; print({'distributed', 'mpi4py', 'numba'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


class Losing(Executor):
    """Each of the first `times` calls is given up by Dask's scheduler, as one that has cost four workers."""

    def __init__(self, times: int):
        self.left = times

    def submit(self, fn, /, *args, **kwargs):
        from distributed.scheduler import KilledWorker

        future = Future()
        self.left -= 1
        if self.left >= 0:
            future.set_exception(KilledWorker("a call", None, 3))
        else:
            future.set_result(fn(*args, **kwargs))
        return future


@pytest.mark.parametrize(("retries", "times", "lost"), [(3, 1, 4), (7, 1, 0), (7, 2, 8), (8, 2, 0), (0, 0, 0)])
def test_what_dask_gives_up_is_run_again_until_it_has_cost_more_workers_than_retries(retries, times, lost):
    pytest.importorskip("distributed", reason="the package distributed is not installed")
    future = Retrying(Losing(times), retries).submit(calls.double, 4)
    if lost:
        with pytest.raises(WorkerLost, match=f"its worker was lost {lost} times"):
            future.result(1)
    else:
        assert future.result(1) == 8


def test_what_is_cancelled_below_is_cancelled_above():
    class Cancelling(Executor):
        def submit(self, fn, /, *args, **kwargs):
            future = Future()
            future.cancel()
            future.set_running_or_notify_cancel()
            return future

    assert Retrying(Cancelling(), 3).submit(calls.double, 4).cancelled()
