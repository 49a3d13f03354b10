"""The suite `reader`: its texts and tables, and its check of the reader."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from caffe64.errors import CheckFailed
from caffe64.perf.machine import is_installed
from caffe64.perf.peers import tables
from caffe64.perf.suites import reader
from caffe64.perf.suites.texts import KINDS, TABLE_KINDS, TableKind, expected_numbers, expected_table, head

TABLES_READ = [kind for kind in TABLE_KINDS if not kind.texts or is_installed("polars")]


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


@pytest.mark.parametrize("kind", TABLES_READ, ids=lambda kind: kind.name)
def test_a_table_holds_columns_of_its_kind_and_caffe64_reads_them(kind, tmp_path):
    path = tmp_path / "table.csv"
    kind.write(path, 50)
    header, *rows = csv.reader(path.read_text().splitlines())
    assert (len(rows), {len(row) for row in rows}) == (50, {len(header)})
    texts = {name for name, value in zip(header, rows[0], strict=True) if value[-1].isalpha() or " " in value}
    assert kind.target in header
    assert texts == set(kind.texts)
    reader.verify_table(head(path, 21), kind)


def test_the_expected_table_has_an_input_for_each_text_in_sorted_order(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("a,b,c\nred,0.5,yes\nblue,-2,no\nred,3,yes\n")
    X, Y = expected_table(path, TableKind("small", 3, 3, dict, "c", ("a", "c")))
    np.testing.assert_array_equal(X, np.array([[0, 1, 0.5], [1, 0, -2], [0, 1, 3]], np.float32))
    np.testing.assert_array_equal(Y, np.array([1, 0, 1], np.float32))


@pytest.mark.parametrize("part", [0, 1])
def test_a_wrong_number_in_a_table_stops_the_run(part, tmp_path, monkeypatch):
    kind, path = TABLE_KINDS[0], tmp_path / "table.csv"
    kind.write(path, 3)
    expected = expected_table(path, kind)
    expected[part].flat[-1] += 1
    monkeypatch.setattr(reader, "expected_table", lambda path, kind: expected)
    with pytest.raises(CheckFailed, match="nothing was timed"):
        reader.verify_table(path, kind)


@pytest.mark.parametrize("name", [name for name, package in tables.TABLE_READERS.items() if is_installed(package)])
def test_every_reader_reads_all_rows_of_a_table(name, tmp_path):
    kind, path = TABLE_KINDS[0], tmp_path / "table.csv"
    kind.write(path, 4)
    read = tables.TableJob(name, str(path), 4, kind.target).run()
    X, Y = expected_table(path, kind)
    found = np.column_stack(read) if name == "caffe64" else read.to_numpy()
    np.testing.assert_allclose(found, np.column_stack([X, Y]), rtol=1e-6)
    with pytest.raises(ValueError, match="read 4 rows, not 5"):
        tables.TableJob(name, str(path), 5, kind.target)


def test_without_polars_tables_with_texts_are_left_out(monkeypatch):
    monkeypatch.setattr(reader, "is_installed", lambda package: package != "polars")
    assert [kind.name for kind in reader._possible_tables()] == ["numbers"]


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
