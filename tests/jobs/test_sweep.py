"""`caffe64.sweep`: results in the jobs' order, on any executor, each job once."""

from __future__ import annotations

import json
from concurrent.futures import CancelledError, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from reference.sweeps import NETS, job, lines, write_sweep

import caffe64
from caffe64.errors import Caffe64Error, InputError, UsageError
from caffe64.jobs.executors import WorkerLost

ELU = Path(__file__).resolve().parents[1] / "data" / "elu.py"


@pytest.fixture
def folder(tmp_path):
    write_sweep(tmp_path)
    return tmp_path


def jobs_in(folder, count=6):
    return [job(folder, seed=count - number, folds=2, fold=number % 2) for number in range(count)]


class Recording(Executor):
    """Runs calls at once, in this process."""

    def __init__(self, outcome=None):
        self.ran, self._outcome = [], outcome

    def submit(self, fn, /, *args, **kwargs):
        self.ran.append(args[0])
        future = Future()
        if isinstance(self._outcome, CancelledError):
            future.cancel()
            future.set_running_or_notify_cancel()
        elif self._outcome is not None:
            future.set_exception(self._outcome)
        else:
            future.set_result(fn(*args, **kwargs))
        return future


def lasting(records):
    return [{name: part for name, part in record.items() if name != "run"} for record in records]


def test_results_are_in_the_order_of_jobs_on_any_executor(folder):
    jobs = jobs_in(folder)
    found = caffe64.sweep(jobs, Recording())
    assert [record["job"]["seed"] for record in found] == [each["seed"] for each in jobs]
    assert all(record["result"]["validation_loss"] > 0 for record in found)
    with ThreadPoolExecutor(3) as threads:
        assert lasting(caffe64.sweep(jobs, threads)) == lasting(found)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as processes:
        assert lasting(caffe64.sweep(jobs, processes, threads=2)) == lasting(found)
    assert lasting(caffe64.sweep(jobs)) == lasting(found)


def test_the_executor_is_left_open(folder):
    with ThreadPoolExecutor(1) as threads:
        caffe64.sweep(jobs_in(folder, 1), threads)
        assert threads.submit(int, "3").result() == 3


def test_equal_jobs_are_run_once(folder):
    executor = Recording()
    found = caffe64.sweep([job(folder), job(folder, seed=0), job(folder, momentum=0)], executor)
    assert len(executor.ran) == 1
    assert found[0] == found[1] == found[2]


def test_a_grid_by_its_name(folder):
    found = caffe64.sweep(folder / "grid.toml", Recording())
    assert len(found) == 60
    assert found.best["job"]["rate"] != 1e9
    assert sum("error" in record for record in found) == 20


def test_a_results_file_keeps_jobs_from_running_again(folder):
    path, executor, seen = folder / "r.jsonl", Recording(), []
    first = caffe64.sweep(jobs_in(folder, 3), executor, results=path, on_result=seen.append)
    assert (seen, lines(path)) == ([*first], [*first])
    again = caffe64.sweep(jobs_in(folder, 3)[::-1], executor, results=path, on_result=seen.append)
    assert ([*again], len(executor.ran), len(seen)) == ([*first][::-1], 3, 3)
    caffe64.sweep([*jobs_in(folder, 3), job(folder, seed=77)], executor, results=path)
    assert [each["seed"] for each in executor.ran] == [3, 2, 1, 77]


def test_jobs_that_failed_run_again_but_for_those_that_diverged(folder):
    path, executor = folder / "r.jsonl", Recording()
    jobs = [job(folder, rate=1e9), job(folder, rows=300)]
    first = caffe64.sweep(jobs, executor, results=path)
    assert [record["error"]["type"] for record in first] == ["Diverged", "InputError"]
    assert len(executor.ran) == 2
    caffe64.sweep(jobs, executor, results=path)
    assert [each.get("rows") for each in executor.ran] == [None, 300, 300]


def test_a_lost_worker_is_an_error_of_its_job(folder):
    path = folder / "r.jsonl"
    (record,) = caffe64.sweep([job(folder)], Recording(WorkerLost("its worker was lost")), results=path)
    assert record["error"] == {"type": "WorkerLost", "message": "its worker was lost", "exit_code": 1}
    assert "result" in caffe64.sweep([job(folder)], Recording(), results=path)[0]


def test_an_executor_that_fails_is_an_error_of_the_sweep(folder):
    with pytest.raises(Caffe64Error, match=r"cancelled a job \(was the connection"):
        caffe64.sweep([job(folder)], Recording(CancelledError()))
    with pytest.raises(ModuleNotFoundError):
        caffe64.sweep([job(folder)], Recording(ModuleNotFoundError("No module named 'caffe64'")))


def test_workers_have_the_layers_of_a_file(folder, monkeypatch):
    from caffe64.formats import network

    monkeypatch.setattr(network, "GRAMMAR", dict(network.GRAMMAR))
    own = job(folder, net=NETS[0].replace("rel", "elu 0.5"))
    with pytest.raises(UsageError, match=r"job 0 \(from 0\): layer 3: found 'elu'"):
        caffe64.sweep([own])
    assert "result" in caffe64.sweep([own], layers=ELU)[0]


@pytest.mark.parametrize(
    ("jobs", "options", "message"),
    [
        ({"net": "inp"}, {}, "jobs are of the type dict, expected a list of dicts or the name of a grid"),
        (3, {}, "jobs are of the type int"),
        ([3], {}, r"job 0 \(from 0\) is of the type int, expected a dict"),
        ([], {"executor": 3}, "executor is 3, expected a concurrent.futures.Executor"),
        ([], {"threads": 0}, "threads is 0"),
        ([], {"on_result": 3}, "on_result is 3, expected a function"),
        ([], {"results": 3}, "the path is 3, expected the name of a file"),
        ([], {"layers": 3}, "the path is 3, expected the name of a file"),
    ],
)
def test_wrong_arguments(jobs, options, message):
    with pytest.raises(UsageError, match=message):
        caffe64.sweep(jobs, **options)


def test_wrong_jobs_are_found_before_any_runs(folder):
    executor = Recording()
    for wrong, message in (({"sed": 1}, "did you mean 'seed'"), ({"folds": 3}, "folds and fold belong together")):
        with pytest.raises(UsageError, match=rf"job 1 \(from 0\): .*{message}"):
            caffe64.sweep([job(folder), job(folder, **wrong)], executor)
    with pytest.raises(InputError):
        caffe64.sweep([job(folder), job(folder, x="none.npy")], executor)
    assert executor.ran == []


def test_results_are_a_sequence_a_table_and_json(folder):
    found = caffe64.sweep(
        [job(folder, rate=rate, folds=2, fold=fold) for rate in (0.02, 1e9) for fold in (0, 1)], Recording()
    )
    assert (len(found), found[-1]["error"]["type"], len(found[1:])) == (4, "Diverged", 3)
    header, first, last, failed = str(found).splitlines()
    assert header.split() == ["rate", "jobs", "validation_accuracy", "±", "loss", "validation_loss", "seconds"]
    assert first.split()[:2] == ["0.02", "2"]
    assert last.split()[:3] == ["1e+09", "0/2", "Diverged"]
    assert failed.startswith("2 of 4 jobs failed, the first: training diverged")
    assert "<table>" in found._repr_html_()
    data = json.loads(found.to_json())
    assert [each["setting"] for each in data] == [{"rate": 0.02}, {"rate": 1e9}]
    assert data[0]["scores"]["validation_loss"] == pytest.approx(
        sum(record["result"]["validation_loss"] for record in found[:2]) / 2
    )


def test_failures_alone_have_no_table(folder):
    found = caffe64.sweep([job(folder, rate=1e9)], Recording())
    assert found.best is None
    assert str(found).startswith("1 of 1 jobs failed, the first: training diverged: the loss is")


def test_no_jobs_are_no_results():
    found = caffe64.sweep([], Recording())
    assert (len(found), found.best, found.data, str(found)) == (0, None, [], "no results yet")
