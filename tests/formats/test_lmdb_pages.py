"""LMDB files, read without LMDB's library, next to it."""

from __future__ import annotations

import os
import random
import threading

import lmdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.solver_cases import SOLVERS
from support import needs_shared

from caffe64.errors import Caffe64Error, FileMissing, InputError
from caffe64.formats.lmdb_pages import LmdbFile

RECORDS = st.dictionaries(st.binary(min_size=1, max_size=60), st.binary(max_size=9000), max_size=60)


def write(path, records, **options):
    with lmdb.open(str(path), map_size=1 << 26, **options) as environment:
        for some in (records[: len(records) // 2], records[len(records) // 2 :]):
            with environment.begin(write=True) as transaction:
                for key, value in some:
                    transaction.put(key, value)
    return path


@settings(max_examples=60, deadline=None)
@given(RECORDS, st.data())
def test_records_are_those_of_the_library(tmp_path_factory, records, data):
    path = write(tmp_path_factory.mktemp("db"), [*records.items()])
    found = LmdbFile(path)
    assert found.count == len(records)
    assert [*found.records()] == sorted(records.items())
    start = data.draw(st.integers(0, len(records)))
    assert [*found.records(start)] == sorted(records.items())[start:]


@pytest.mark.parametrize("count", [1, 5000])
def test_many_small_records_and_those_that_were_deleted(tmp_path, count):
    records = [(f"{number:08d}".encode(), str(number).encode()) for number in range(count)]
    write(tmp_path / "db", records)
    assert [*LmdbFile(tmp_path / "db").records()] == records
    with lmdb.open(str(tmp_path / "db")) as environment, environment.begin(write=True) as transaction:
        for key, _ in records[::2]:
            transaction.delete(key)
    assert [*LmdbFile(tmp_path / "db").records()] == records[1::2]


@needs_shared
@pytest.mark.parametrize("path", sorted(SOLVERS.glob("data/*_lmdb")), ids=lambda path: path.name)
def test_what_caffes_tools_wrote(path):
    with lmdb.open(str(path), readonly=True, lock=False) as environment, environment.begin() as transaction:
        assert [*LmdbFile(path).records()] == [*transaction.cursor()]


def test_a_file_without_a_folder_and_a_folder_that_may_only_be_read(tmp_path):
    path = write(tmp_path / "one.mdb", [(b"a", b"1")], subdir=False)
    assert [*LmdbFile(path).records()] == [(b"a", b"1")]
    folder = write(tmp_path / "db", [(b"a", b"1")])
    (folder / "lock.mdb").unlink()
    folder.chmod(0o500)
    try:
        assert LmdbFile(folder).count == 1
    finally:
        folder.chmod(0o700)
    assert sorted(os.listdir(folder)) == ["data.mdb"]


def test_other_files_are_refused(tmp_path):
    with pytest.raises(FileMissing):
        LmdbFile(tmp_path / "none")
    with pytest.raises(FileMissing):
        LmdbFile(tmp_path)
    (tmp_path / "text").write_bytes(b"no database" * 1000)
    with pytest.raises(InputError, match="is not an LMDB database"):
        LmdbFile(tmp_path / "text")
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(InputError, match="ends after 0 bytes"):
        LmdbFile(tmp_path / "empty")
    (tmp_path / "pointer").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n")
    with pytest.raises(InputError, match="git lfs pull"):
        LmdbFile(tmp_path / "pointer")


def test_databases_of_other_kinds_are_refused(tmp_path):
    with lmdb.open(str(tmp_path / "named"), max_dbs=2) as environment:
        name = environment.open_db(b"train")
        with environment.begin(write=True, db=name) as transaction:
            transaction.put(b"a", b"1")
    with pytest.raises(InputError, match="several databases"):
        list(LmdbFile(tmp_path / "named").records())


def test_several_iterators_and_threads_do_not_meet(tmp_path):
    records = [(f"{number:05d}".encode(), bytes(number)) for number in range(2000)]
    database = LmdbFile(write(tmp_path / "db", records))
    found: list[bool] = []
    threads = [
        threading.Thread(target=lambda: found.append([*database.records()] == records), daemon=True) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 4


def test_records_from_a_number_on_are_found_without_reading_those_before(tmp_path, monkeypatch):
    records = [(f"{number:05d}".encode(), bytes(100)) for number in range(5000)]
    found = LmdbFile(write(tmp_path / "db", records))
    assert [*found.records(4990)] == records[4990:]
    reads = []
    read = LmdbFile._read
    monkeypatch.setattr(LmdbFile, "_read", lambda self, at, size: reads.append(at) or read(self, at, size))
    for start in (1, 2500, 4999):
        reads.clear()
        assert next(found.records(start)) == records[start]
        assert len(reads) == 1
    assert [*found.records(2500)] == records[2500:]
    assert [*found.records(5000)] == []


def test_a_file_that_becomes_shorter_is_an_error(tmp_path):
    """A mapped one would end the process."""
    path = write(tmp_path / "db", [(f"{number:05d}".encode(), bytes(900)) for number in range(500)])
    records = LmdbFile(path).records()
    next(records)
    os.truncate(path / "data.mdb", 8192)
    with pytest.raises(InputError, match="has become shorter"):
        list(records)


def mutants(data: bytes, count: int, seed: int):
    """Cut short, or with some bytes changed, often where pages begin."""
    draws = random.Random(seed)
    for _ in range(count):
        changed = bytearray(data)
        if draws.randrange(4) == 0:
            yield bytes(changed[: draws.randrange(len(changed))])
            continue
        for _ in range(draws.choice([1, 1, 3, 30])):
            page = draws.randrange(len(data) // 4096) * 4096
            changed[page + draws.choice([draws.randrange(64), draws.randrange(160), draws.randrange(4096)])] = (
                draws.choice([0, 1, 255, draws.randrange(256)])
            )
        yield bytes(changed)


@pytest.mark.parametrize("seed", range(4))
def test_damaged_files_are_errors_or_give_records(tmp_path, seed):
    """LMDB's library does not survive one in five of these."""
    draws = random.Random(seed)
    records = [(f"{number:04d}".encode(), draws.randbytes(draws.choice([20, 300, 5000]))) for number in range(120)]
    data = (write(tmp_path / "db", records) / "data.mdb").read_bytes()
    path, refused = tmp_path / "mutant", 0
    for number, mutant in enumerate(mutants(data, 500, seed)):
        start = 60 * (number % 2)
        path.write_bytes(mutant)
        try:
            for _, value in LmdbFile(path).records(start):
                assert len(value) <= len(mutant)
        except Caffe64Error:
            refused += 1
    assert refused > 100
