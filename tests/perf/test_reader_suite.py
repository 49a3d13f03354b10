"""The suite `reader`: its texts, and its check of the reader."""

from __future__ import annotations

import numpy as np
import pytest

from caffe64.errors import CheckFailed
from caffe64.perf.machine import is_installed
from caffe64.perf.peers import tables
from caffe64.perf.suites import reader
from caffe64.perf.suites.texts import KINDS, expected_numbers, head


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_text_holds_rows_of_its_kind(kind, tmp_path):
    path = tmp_path / "X.txt"
    kind.write(path, 3)
    lines = path.read_text().splitlines()
    assert [len(line.split(" ")) for line in lines] == [kind.columns] * 3
    expected = [float(token) for token in path.read_text().split()]
    np.testing.assert_array_equal(expected_numbers(path), np.array(expected, np.float32))
    reader.verify_reader(path, kind)
    assert head(path, 2).read_text().splitlines() == lines[:2]


def test_a_wrong_number_stops_the_run(tmp_path, monkeypatch):
    KINDS[0].write(tmp_path / "X.txt", 2)
    monkeypatch.setattr(reader, "expected_numbers", lambda path: np.zeros(2 * KINDS[0].columns, np.float32))
    with pytest.raises(CheckFailed, match="nothing was timed"):
        reader.verify_reader(tmp_path / "X.txt", KINDS[0])


def test_the_writer_writes_as_printf(tmp_path):
    reader.verify_writer(tmp_path)


@pytest.mark.parametrize("name", [name for name, package in tables.READERS.items() if is_installed(package)])
def test_every_reader_reads_the_same(name, tmp_path):
    KINDS[1].write(tmp_path / "X.txt", 3)
    job = tables.ReadJob(name, str(tmp_path / "X.txt"), 3, KINDS[1].columns)
    np.testing.assert_allclose(job.run().ravel(), expected_numbers(tmp_path / "X.txt"), rtol=1e-6)


@pytest.mark.parametrize("name", [name for name, package in tables.WRITERS.items() if is_installed(package)])
def test_every_writer_writes_the_same_numbers(name, tmp_path):
    job = tables.WriteJob(name, str(tmp_path / "Y.txt"), 4, 5)
    found = np.array((tmp_path / "Y.txt").read_text().split(), float).reshape(4, 5)
    np.testing.assert_allclose(found, np.random.default_rng(4).standard_normal((4, 5), np.float32), atol=1e-6)
    assert job.facts["bytes"] == (tmp_path / "Y.txt").stat().st_size


def test_only_caffe64_takes_part_without_peers():
    from caffe64.perf.suites import Settings

    entry = reader._participants(tables.READERS, Settings(threads=(1,), peers=False))
    assert entry == ["caffe64"]
