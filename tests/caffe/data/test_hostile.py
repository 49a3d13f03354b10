"""Data of strangers: damaged, empty, enormous. It gives batches or an InputError."""

from __future__ import annotations

import importlib.util
import io
import os
import random
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from reference.child import PACKAGES
from reference.data_nets import data_layer, datum, encoded, random_pictures, source_of, write_hdf5, write_lmdb
from reference.solver_cases import SOLVERS
from support import needs_shared

from caffe64.caffe.data import database
from caffe64.caffe.data.transformer import read_mean
from caffe64.errors import Caffe64Error, InputError, UsageError
from caffe64.proto import caffe_pb2

DATUM = datum(random_pictures(1, (3, 4, 4))[0], 7)


def take(path, batch=1, transform="", backend="LMDB"):
    return source_of(data_layer(path, batch, transform, backend)).take(0)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (caffe_pb2.Datum(channels=3, height=4, width=4, data=bytes(47)), r"record 0 holds 47 numbers, expected 48"),
        (caffe_pb2.Datum(channels=1 << 20, height=1 << 20, width=1 << 20, data=b"1"), "holds 1 numbers"),
        (caffe_pb2.Datum(channels=-3, height=-4, width=4, data=bytes(48)), r"has the shape \[-3, -4, 4\]"),
        (caffe_pb2.Datum(height=4, width=4, data=bytes(16)), r"has the shape \[0, 4, 4\]"),
        (caffe_pb2.Datum(channels=1, height=2, width=2), "holds 0 numbers, expected 4"),
        (caffe_pb2.Datum(channels=1, height=2, width=2, float_data=[1, 2]), "holds 2 numbers"),
        (caffe_pb2.Datum(encoded=True), "is not a picture"),
        (caffe_pb2.Datum(encoded=True, data=b"\x89PNG\r\n\x1a\n" + bytes(100)), "picture"),
        (b"\xff\xff\xff\xff", "record 0 is not a Datum message"),
    ],
)
def test_records_that_are_not_pictures(tmp_path, record, message):
    data = record if isinstance(record, bytes) else record.SerializeToString()
    with pytest.raises(InputError, match=message):
        take(write_lmdb(tmp_path / "db", [data, DATUM]))


def test_records_that_fell_apart_are_errors_or_pictures(tmp_path):
    draws, records = random.Random(1), []
    for _ in range(2000):
        mutant = bytearray(DATUM)
        for _ in range(draws.choice([1, 2, 8])):
            mutant[draws.randrange(12 if draws.randrange(2) else len(mutant))] = draws.randrange(256)
        records.append(bytes(mutant[: draws.randrange(len(mutant))] if draws.randrange(3) == 0 else mutant))
    source, refused = source_of(data_layer(write_lmdb(tmp_path / "db", records), 1)), 0
    for number in range(len(records)):
        try:
            assert source.take(number)[0].ndim == 4
        except InputError:
            refused += 1
    assert refused > 500


def mutants(data: bytes, count: int, seed: int):
    """With some bytes changed, often the first ones, or cut short."""
    draws = random.Random(seed)
    for _ in range(count):
        mutant = bytearray(data)
        for _ in range(draws.choice([1, 2, 8])):
            mutant[draws.randrange(min(60, len(data)) if draws.randrange(2) else len(data))] = draws.randrange(256)
        yield bytes(mutant[: draws.randrange(len(mutant))] if draws.randrange(3) == 0 else mutant)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "GIF"])
def test_files_of_pictures_that_fell_apart_are_errors_or_pictures(tmp_path, kind):
    buffer, refused = io.BytesIO(), 0
    Image.fromarray(np.arange(20 * 16 * 3, dtype=np.uint8).reshape(20, 16, 3)).save(buffer, kind)
    records = [encoded(mutant) for mutant in mutants(buffer.getvalue(), 500, 3)]
    source = source_of(data_layer(write_lmdb(tmp_path / "db", records), 1, "force_color: true"))
    for number in range(len(records)):
        try:
            assert source.take(number)[0].shape[:2] == (1, 3)
        except InputError:
            refused += 1
    assert refused > 50


def test_means_that_fell_apart_are_errors_or_pictures(tmp_path):
    mean = caffe_pb2.BlobProto(num=1, channels=3, height=4, width=4, data=np.arange(48) / 3).SerializeToString()
    np.save(tmp_path / "mean.npy", np.arange(48, dtype=np.float32).reshape(3, 4, 4))
    for name, data in (("m.binaryproto", mean), ("m.npy", (tmp_path / "mean.npy").read_bytes())):
        refused = 0
        for mutant in mutants(data, 1000, 4):
            (tmp_path / name).write_bytes(mutant)
            try:
                picture = read_mean(tmp_path / name)
                assert (picture.ndim, picture.dtype) == (3, np.float32)
            except InputError:
                refused += 1
        assert 200 < refused < 1000


def test_a_picture_that_unpacks_to_gigabytes_is_refused(tmp_path):
    buffer = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(buffer, "PNG")
    with pytest.raises(InputError, match="is too large"):
        take(write_lmdb(tmp_path / "db", [encoded(buffer.getvalue())]))


def test_batches_beyond_the_memory_are_refused_before_they_are_made(tmp_path):
    path = write_lmdb(tmp_path / "db", [DATUM])
    write_hdf5(tmp_path / "a.h5", data=np.zeros((2, 3)), label=np.zeros(2))
    (tmp_path / "list").write_text(f"{tmp_path}/a.h5")
    rows = (
        f"type: 'HDF5Data' top: 'data' top: 'label' hdf5_data_param {{ source: '{tmp_path}/list' batch_size: BATCH }}"
    )
    dummy = "type: 'DummyData' top: 'data' dummy_data_param { shape { dim: 100000 dim: 100000 dim: 100 } }"
    layers = [data_layer(path, 0).replace("batch_size: 0", "batch_size: BATCH"), rows]
    for layer in layers:
        for batch in (1 << 24, (1 << 32) - 1):
            with pytest.raises(InputError, match=rf"has batch_size {batch} of .*, expected at most \d+"):
                source_of(layer.replace("BATCH", str(batch))).take(0)
        with pytest.raises(InputError, match="has batch_size 0, expected a positive number"):
            source_of(layer.replace("BATCH", "0"))
    with pytest.raises(InputError, match="expected at most 0"):
        source_of(dummy).take(0)


def test_empty_and_other_databases_are_refused(tmp_path):
    with pytest.raises(InputError, match="is an empty database"):
        take(write_lmdb(tmp_path / "empty", []))
    with pytest.raises(InputError, match=r"kind LMDB, expected LEVELDB \(backend: LMDB in"):
        take(write_lmdb(tmp_path / "db", [DATUM]), backend="LEVELDB")
    (tmp_path / "level").mkdir()
    (tmp_path / "level" / "CURRENT").write_text("MANIFEST-000001\n")
    with pytest.raises(InputError, match="kind LEVELDB, expected LMDB"):
        take(tmp_path / "level")
    (tmp_path / "nothing").mkdir()
    with pytest.raises(InputError, match=r"data\.mdb"):
        take(tmp_path / "nothing")


def test_a_missing_package_is_named_with_its_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "plyvel", None)
    (tmp_path / "level").mkdir()
    (tmp_path / "level" / "CURRENT").write_text("MANIFEST-000001\n")
    with pytest.raises(UsageError, match=r"plyvel: pip install 'caffe64\[leveldb\]', or pip install plyvel"):
        take(tmp_path / "level", backend="LEVELDB")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    write_hdf5(tmp_path / "a.h5", data=np.zeros((2, 3)))
    (tmp_path / "list").write_text(f"{tmp_path}/a.h5")
    with pytest.raises(UsageError, match=r"h5py: pip install 'caffe64\[hdf5\]', or pip install h5py"):
        source_of(f"type: 'HDF5Data' top: 'data' hdf5_data_param {{ source: '{tmp_path}/list' batch_size: 1 }}")


READ = """
import sys
sys.path.insert(0, sys.argv[2])
from reference.data_nets import data_layer, source_of
source = source_of(data_layer(sys.argv[1], 7))
print(sum(int(source.take(number)[0].sum()) for number in range(300)))
"""


def test_two_processes_read_one_database_at_once(tmp_path):
    path = write_lmdb(tmp_path / "db", [datum(picture) for picture in random_pictures(50)])
    (path / "lock.mdb").unlink()
    path.chmod(0o500)
    settings = {**os.environ, "PYTHONPATH": str(PACKAGES)}
    command = [sys.executable, "-c", READ, str(path), os.path.dirname(os.path.dirname(os.path.dirname(__file__)))]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=settings) for _ in range(2)]
    try:
        sums = [child.communicate(timeout=120)[0] for child in children]
    finally:
        path.chmod(0o700)
    assert [child.returncode for child in children] == [0, 0]
    assert sums[0] == sums[1] != ""


@needs_shared
def test_damaged_leveldb_databases_are_errors_or_records(tmp_path):
    pytest.importorskip("plyvel")
    source, draws, refused = SOLVERS / "data" / "pictures_leveldb", random.Random(0), 0
    for number in range(150):
        folder = tmp_path / str(number)
        shutil.copytree(source, folder)
        folder.chmod(0o700)
        file = draws.choice([each for each in folder.iterdir() if each.stat().st_size])
        file.chmod(0o600)
        data = bytearray(file.read_bytes())
        data[draws.randrange(len(data))] ^= 1 << draws.randrange(8)
        file.write_bytes(data[: draws.randrange(len(data))] if draws.randrange(3) == 0 else data)
        try:
            for _, value in database.open_database(folder, "LEVELDB").records():
                assert value
        except Caffe64Error:
            refused += 1
        shutil.rmtree(folder)
    assert refused > 50


@needs_shared
def test_a_leveldb_database_is_not_written_to(tmp_path, monkeypatch):
    pytest.importorskip("plyvel")
    folder = tmp_path / "db"
    shutil.copytree(SOLVERS / "data" / "pictures_leveldb", folder)
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    found = database.open_database(folder, "LEVELDB")
    assert found.count == 12
    keys = [key for key, _ in found.records()]
    found._marks = keys[::4]
    monkeypatch.setattr(database, "MARK", 4)
    for start in (0, 1, 4, 7, 11, 12, 20):
        assert [key for key, _ in found.records(start)] == keys[start:]
    copy = found._copy.name
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    del found
    assert not os.path.exists(copy)
