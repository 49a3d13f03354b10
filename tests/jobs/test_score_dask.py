"""Scoring on a Dask cluster on this machine, of whose workers one is killed in the middle."""

from __future__ import annotations

import pytest
from reference.calls import LosingWorkers
from reference.scoring import KINDS

from caffe64.jobs import scoring
from caffe64.jobs.executors import open_executor
from caffe64.jobs.scoring import score

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def address():
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": ":0"}
    with distributed.LocalCluster(**options) as cluster:
        yield cluster.scheduler_address


@pytest.mark.parametrize("kind", KINDS)
def test_the_file_is_the_serial_one_though_a_worker_was_killed(tmp_path, kind, address, monkeypatch):
    monkeypatch.setattr(scoring, "RANGE_SECONDS", 0.0)
    given = KINDS[kind](tmp_path)
    batch = score(given.net, given.inputs, tmp_path / "serial.npy").batch
    with open_executor(address) as executor:
        losing = LosingWorkers(executor, tmp_path, [2 * batch])
        score(given.net, given.inputs, tmp_path / "dask.npy", executor=losing)
    assert losing.lost == 1
    assert (tmp_path / "dask.npy").read_bytes() == (tmp_path / "serial.npy").read_bytes()
