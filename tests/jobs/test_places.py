"""Sixty trainings give the same lines wherever they run, and whatever dies: on this machine, killed and started again;
on two hosts of a Dask cluster, one of which is lost; on the ranks of an MPI job."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest
from reference.network_hosts import network_hosts
from reference.sweeps import lasting, lines, write_sweep

EPOCHS = 100  # some hundredths of a second per job
DIVERGED = 5  # exit code: a third of the jobs do
MPIEXEC = shutil.which("mpiexec", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
SECONDS = 150


def count(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def wait_for(condition, process: subprocess.Popen | None = None) -> None:
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, "it did not come"
        assert process is None or process.poll() is None, "it ended early"
        time.sleep(0.01)


@contextlib.contextmanager
def started(words: list, **options):
    process = subprocess.Popen([str(word) for word in words], stderr=subprocess.PIPE, text=True, **options)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def sweep_words(*more) -> list:
    return [sys.executable, "-m", "caffe64", "sweep", *more]


@pytest.fixture(scope="module")
def grid(tmp_path_factory) -> Path:
    return write_sweep(tmp_path_factory.mktemp("sweep"), EPOCHS)


@pytest.fixture(scope="module")
def local(grid) -> Path:
    """The results of a sweep that was killed, within a line, and started again."""
    path = grid.with_suffix(".jsonl")
    with started(sweep_words(grid)) as process:
        wait_for(lambda: count(path) >= 15, process)
        process.kill()
    assert 15 <= count(path) < 60
    with open(path, "a") as file:
        file.write(path.read_text()[:100])
    done = subprocess.run(sweep_words(grid), capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == DIVERGED, done.stderr
    already = int(re.search(r"60 jobs, (\d+) of them done", done.stderr)[1])
    assert already >= 15
    return path


def test_a_sweep_that_is_killed_and_started_again_runs_no_job_twice(local):
    hashes = [line["hash"] for line in lines(local)]
    assert len(hashes) == len(set(hashes)) == 60
    kinds = [line["error"]["type"] if "error" in line else "" for line in lines(local)]
    assert sorted(kinds) == [""] * 40 + ["Diverged"] * 20


def test_a_done_sweep_runs_nothing(grid, local):
    before = local.read_bytes()
    done = subprocess.run(sweep_words(grid), capture_output=True, text=True, timeout=SECONDS, check=False)
    assert (done.returncode, local.read_bytes()) == (DIVERGED, before)
    assert "60 jobs, 60 of them done" in done.stderr


@contextlib.contextmanager
def dask_cluster(folder: Path):
    """The address of a scheduler, and the processes of its workers, each on a host of its own."""
    pytest.importorskip("distributed", reason="the package distributed is not installed")
    dask = [sys.executable, "-m", "dask"]
    with network_hosts(2) as hosts, contextlib.ExitStack() as stack:
        note = folder / "scheduler.json"
        words = [*dask, "scheduler", "--host", hosts.own, "--port", "0", "--no-dashboard", "--scheduler-file", note]
        stack.enter_context(started(words, stdout=subprocess.DEVNULL))
        wait_for(lambda: note.exists() and '"address"' in note.read_text())
        address = re.search(r'"address": "([^"]+)"', note.read_text())[1]
        workers = []
        for host, own in enumerate(hosts.addresses):
            words = [*dask, "worker", address, "--host", own, "--nthreads", "1", "--no-nanny", "--no-dashboard"]
            workers.append(stack.enter_context(started(hosts.command(host, *words), cwd=folder)))
        yield address, workers


def test_a_dask_cluster_that_loses_a_host_gives_the_same_lines(grid, local, tmp_path):
    path = tmp_path / "dask.jsonl"
    with (
        dask_cluster(tmp_path) as (address, workers),
        started(sweep_words(grid, "--address", address, "-o", path)) as process,
    ):
        wait_for(lambda: count(path) >= 5, process)
        workers[0].send_signal(signal.SIGKILL)
        _, errors = process.communicate(timeout=SECONDS)
        assert workers[1].poll() is None
    assert process.returncode == DIVERGED, errors
    assert lasting(path) == lasting(local)


@pytest.mark.skipif(not (find_spec("mpi4py") and MPIEXEC), reason="the package mpi4py or an MPI library is missing")
def test_the_ranks_of_an_mpi_job_give_the_same_lines(grid, local, tmp_path):
    path = tmp_path / "mpi.jsonl"
    version = subprocess.run([MPIEXEC, "--version"], capture_output=True, text=True, check=False).stdout
    more = ["--oversubscribe", "--bind-to", "none"] if "Open MPI" in version or "OpenRTE" in version else []
    settings = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    settings["OMPI_MCA_mpi_yield_when_idle"] = "1"  # ranks that wait would take the processor of those that work
    words = [
        MPIEXEC,
        *more,
        "-n",
        3,
        sys.executable,
        "-m",
        "mpi4py.futures",
        *sweep_words(grid, "--mpi", "-o", path)[1:],
    ]
    with started(words, env=os.environ | settings) as process:
        _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == DIVERGED, errors
    assert lasting(path) == lasting(local)
    assert len({line["run"]["host"] for line in lines(path)}) == 1
