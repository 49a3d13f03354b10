"""Scoring: the file is the serial one bit for bit, wherever ranges run and however often."""

from __future__ import annotations

import os
import socket
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from reference.calls import LosingWorkers
from reference.child import run_python
from reference.scoring import KINDS, caffe_rows, text_rows

import caffe64
from caffe64.errors import FileMissing, InputError
from caffe64.jobs import scoring
from caffe64.jobs.executors import open_executor
from caffe64.jobs.score_range import score_range
from caffe64.jobs.scoring import score


@pytest.fixture
def many_ranges(monkeypatch):
    """Ranges of one batch, a few of which are waited for at a time."""
    monkeypatch.setattr(scoring, "RANGE_SECONDS", 0.0)
    monkeypatch.setattr(scoring, "PENDING", 3)


@pytest.fixture(scope="module")
def pool():
    with open_executor(workers=2) as executor:
        yield executor


@pytest.mark.parametrize("kind", KINDS)
def test_the_file_holds_the_outputs_of_the_net(tmp_path, kind):
    given, seen = KINDS[kind](tmp_path), []
    done = score(given.net, given.inputs, tmp_path / "y.npy", watch=seen.append)
    found = np.load(tmp_path / "y.npy")
    assert (found.dtype, found.shape) == (np.float32, given.expected.shape)
    assert (done.rows, done.row, done.not_finite) == (len(found), found.shape[1:], 0)
    np.testing.assert_allclose(found, given.expected, rtol=1e-5, atol=1e-7)
    assert seen == sorted(seen)
    assert seen[-1] == len(found)


@pytest.mark.parametrize("kind", KINDS)
def test_the_file_is_the_same_by_two_workers_and_two_threads(tmp_path, kind, pool, many_ranges):
    given = KINDS[kind](tmp_path)
    score(given.net, given.inputs, tmp_path / "serial.npy")
    score(given.net | {"threads": 2}, given.inputs, tmp_path / "threads.npy")
    score(given.net, given.inputs, tmp_path / "pool.npy", executor=pool)
    serial = (tmp_path / "serial.npy").read_bytes()
    assert (tmp_path / "threads.npy").read_bytes() == serial
    assert (tmp_path / "pool.npy").read_bytes() == serial


def test_ranges_of_workers_that_are_killed_are_done_again(tmp_path, pool, many_ranges):
    """One before it has begun, one when its rows are written."""
    given = caffe_rows(tmp_path)
    batch = score(given.net, given.inputs, tmp_path / "serial.npy").batch
    losing = LosingWorkers(pool, tmp_path, [2 * batch, 3 * batch])
    score(given.net, given.inputs, tmp_path / "lost.npy", executor=losing)
    assert losing.lost == 2
    assert losing.submitted == list(range(2 * batch, given.inputs.rows, batch))
    assert (tmp_path / "lost.npy").read_bytes() == (tmp_path / "serial.npy").read_bytes()


def test_workers_that_do_not_see_the_file_return_the_rows(tmp_path, many_ranges):
    """The file aside is hidden from them under its name."""
    given = caffe_rows(tmp_path)
    score(given.net, given.inputs, tmp_path / "serial.npy")
    returned = []

    class Elsewhere(ThreadPoolExecutor):
        def submit(self, fn, /, job):
            future = super().submit(fn, {**job, "file": {**job["file"], "path": "/elsewhere/y.npy"}})
            returned.append(future)
            return future

    with Elsewhere(2) as executor:
        score(given.net, given.inputs, tmp_path / "y.npy", executor=executor)
    assert {future.result()["scores"] is None for future in returned} == {False}
    assert (tmp_path / "y.npy").read_bytes() == (tmp_path / "serial.npy").read_bytes()


def test_rows_do_not_depend_on_how_many_there_are_behind_them(tmp_path):
    """The last batch is filled up."""
    given = caffe_rows(tmp_path)
    score(given.net, given.inputs, tmp_path / "all.npy", batch=10)
    few = given.inputs.sources["data"]["array"]
    np.save(few, np.load(few)[:13])
    inputs = scoring.ScoredRows(
        {"data": {**given.inputs.sources["data"], "shape": [13, 3, 8, 6]}}, given.inputs.shapes, 13, None
    )
    score(given.net, inputs, tmp_path / "few.npy", batch=10)
    np.testing.assert_array_equal(np.load(tmp_path / "few.npy"), np.load(tmp_path / "all.npy")[:13])


@pytest.mark.parametrize("name", ["small.caffemodel", "x.npy"])
def test_a_file_that_changes_meanwhile_is_refused_and_nothing_is_left(tmp_path, name, many_ranges):
    given = caffe_rows(tmp_path)

    def change(rows):
        if name == "x.npy":
            np.save(tmp_path / name, np.zeros((7, 3, 8, 6)))
        else:
            other = caffe64.load_caffe(tmp_path / "small.prototxt", seed=2)
            other.save(tmp_path / "other.prototxt", tmp_path / name)

    before = set(os.listdir(tmp_path)) | {"other.prototxt"}
    with pytest.raises(InputError, match=r"scoring began"):
        score(given.net, given.inputs, tmp_path / "y.npy", batch=10, watch=change)
    assert set(os.listdir(tmp_path)) <= before


@pytest.mark.parametrize("name", ["x.npy", "small.caffemodel"])
def test_a_worker_on_another_host_says_what_it_does_not_see(tmp_path, name):
    given = caffe_rows(tmp_path)
    (tmp_path / name).unlink()
    sources = {"data": given.inputs.sources["data"]}
    job = {"net": given.net, "sources": sources, "start": 0, "stop": 9, "batch": 9, "row": [3], "file": None}
    with pytest.raises(InputError, match=rf"{name}: is not there for the worker on .* \(workers read the net"):
        score_range(job | {"host": "another.example"})
    with pytest.raises(FileMissing):
        score_range(job | {"host": socket.gethostname()})


def test_an_interrupt_leaves_the_old_file_and_nothing_else(tmp_path):
    given = text_rows(tmp_path)
    (tmp_path / "y.npy").write_bytes(b"old")
    before = set(os.listdir(tmp_path))

    def stop(rows):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score(given.net, given.inputs, tmp_path / "y.npy", watch=stop)
    assert (tmp_path / "y.npy").read_bytes() == b"old"
    assert set(os.listdir(tmp_path)) == before


def test_a_csv_has_the_bits_of_the_array(tmp_path):
    given = KINDS["pictures"](tmp_path)
    score(given.net, given.inputs, tmp_path / "y.npy")
    score(given.net, given.inputs, tmp_path / "y.csv")
    header, *lines = (tmp_path / "y.csv").read_text().splitlines()
    assert header == "picture,prob_0,prob_1,prob_2"
    assert [line.partition(",")[0] for line in lines] == given.inputs.names == sorted(given.inputs.names)
    assert given.inputs.names[0] == "0/000.png"
    values = np.array([line.split(",")[1:] for line in lines]).astype(np.float32)
    np.testing.assert_array_equal(values, np.load(tmp_path / "y.npy"))


LARGE = """
import re
from pathlib import Path
from caffe64.jobs import scoring
from caffe64.jobs.score_nets import describe_net, open_net
from caffe64.jobs.scoring import describe_inputs, score
scoring.HERE_SECONDS, scoring.RANGES = 1e9, 1
net = describe_net("net.txt", "weights.bin", threads=1)
inputs = describe_inputs(open_net(net), {"": "large.npy"}, None, print)
score(net, inputs, "y.npy")
# Not ru_maxrss, which begins with the peak of the process that started this one.
print(inputs.rows, int(re.search(r"VmHWM:\\s*([0-9]+) kB", Path("/proc/self/status").read_text())[1]) // 1024)
"""


def test_the_memory_does_not_grow_with_the_rows(tmp_path, monkeypatch):
    """A sparse file of 0.8 GB, rows of zeros, in one range."""
    net = caffe64.Net("inp 50000 1 / lin 2 -1 / sce")
    net.initialise(0)
    net.write(tmp_path / "net.txt")
    net.save(tmp_path / "weights.bin")
    rows = 4000
    with open(tmp_path / "large.npy", "wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (rows, 50_000)})
        file.truncate(file.tell() + 4 * rows * 50_000)
    monkeypatch.chdir(tmp_path)
    printed, megabytes = map(int, run_python(LARGE).stdout.split())
    assert printed == rows
    assert megabytes < 400
    found = np.load("y.npy")
    assert (found == found[0]).all()
