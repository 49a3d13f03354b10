"""HDF5 datasets, read by a process of their own."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import threading

import h5py
import numpy as np
import pytest
from reference.data_nets import write_hdf5

from caffe64.errors import Caffe64Error, FileMissing, InputError
from caffe64.formats.hdf5_reader import DatasetReader


@pytest.fixture
def reader():
    made = DatasetReader()
    yield made
    made.close()


def test_datasets_are_float32_of_any_rank_type_and_storage(tmp_path, reader):
    draws = np.random.default_rng(0)
    arrays = {
        "a": draws.normal(size=(5, 2, 3, 2)),
        "b": draws.integers(-100, 100, (5,), np.int8),
        "c": draws.integers(0, 1 << 31, (5, 1)).astype("u4"),
        "d": draws.normal(size=(5, 4)).astype(">f4"),
        "e": draws.normal(size=(5, 4)).astype("f2"),
    }
    path = write_hdf5(tmp_path / "a.h5", **arrays)
    with h5py.File(path, "a") as file:
        packed = draws.normal(size=(3000, 500)).astype("f4")
        file.create_dataset("packed", data=packed, chunks=(7, 100), compression="gzip", shuffle=True)
        file["empty chunks"] = h5py.Empty("f4")
        file.create_dataset("zeros", (5, 2), "f4", chunks=(1, 1))
    assert reader.shapes(path, [*arrays]) == [array.shape for array in arrays.values()]
    for found, expected in zip(reader.read(path, [*arrays]), arrays.values(), strict=True):
        np.testing.assert_array_equal(found, expected.astype(np.float32))
    found, zeros = reader.read(path, ["packed", "zeros"])
    np.testing.assert_array_equal(found, packed)
    assert (zeros == 0).all()
    with pytest.raises(InputError, match="expected rows of numbers"):
        reader.shapes(path, ["empty chunks"])


def test_one_process_reads_all_files(tmp_path, reader):
    for number in range(3):
        write_hdf5(tmp_path / f"{number}.h5", data=np.full(2, number))
    found = [reader.read(tmp_path / f"{number}.h5", ["data"])[0][0] for number in (2, 0, 1)]
    assert found == [2, 0, 1]
    process = reader._process
    with pytest.raises(InputError, match="has no dataset 'other'"):
        reader.read(tmp_path / "0.h5", ["other"])
    assert reader.read(tmp_path / "1.h5", ["data"])[0][0] == 1
    assert reader._process is process
    reader.close()
    assert process.poll() is not None
    assert reader.shapes(tmp_path / "1.h5", ["data"]) == [(2,)]


def test_a_process_that_has_ended_is_an_error_and_begins_again(tmp_path, reader):
    path = write_hdf5(tmp_path / "a.h5", data=np.ones(3))
    reader.shapes(path, ["data"])
    os.kill(reader._process.pid, signal.SIGKILL)
    reader._process.wait()
    with pytest.raises(InputError, match="damaged HDF5 file: its library does not survive it"):
        reader.shapes(path, ["data"])
    assert reader.shapes(path, ["data"]) == [(3,)]


def test_a_reader_that_nothing_refers_to_leaves_no_process(tmp_path):
    made = DatasetReader()
    made.shapes(write_hdf5(tmp_path / "a.h5", data=np.ones(3)), ["data"])
    process = made._process
    del made
    assert process.poll() is not None


def in_child(made, path, results):
    results.put([float(array.sum()) for array in made.read(path, ["data"])])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_a_forked_process_has_its_own(tmp_path, reader):
    path = write_hdf5(tmp_path / "a.h5", data=np.ones(3))
    reader.shapes(path, ["data"])
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    child = context.Process(target=in_child, args=(reader, path, results))
    child.start()
    child.join(60)
    assert child.exitcode == 0
    assert results.get() == [3.0]
    assert reader.shapes(path, ["data"]) == [(3,)]


def test_what_lies_in_other_files_is_refused(tmp_path, reader):
    write_hdf5(tmp_path / "other.h5", data=np.ones(3))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["link"] = h5py.ExternalLink("other.h5", "data")
        file["soft"] = h5py.SoftLink("/real")
        file["real"] = np.ones(3)
        layout = h5py.VirtualLayout((3,), "f8")
        layout[:] = h5py.VirtualSource(tmp_path / "other.h5", "data", (3,))
        file.create_virtual_dataset("virtual", layout)
        file.create_dataset("external", (3,), "f4", external=[("/etc/hostname", 0, 12)])
    for name in ("link", "soft", "/real"):
        with pytest.raises(InputError, match="has no dataset"):
            reader.read(tmp_path / "a.h5", [name])
    for name in ("virtual", "external"):
        with pytest.raises(InputError, match="whose numbers are in other files"):
            reader.read(tmp_path / "a.h5", [name])


def test_other_files_are_refused(tmp_path, reader):
    with pytest.raises(FileMissing):
        reader.shapes(tmp_path / "none.h5", ["data"])
    with pytest.raises(InputError, match="is a directory"):
        reader.shapes(tmp_path, ["data"])
    (tmp_path / "text.h5").write_text("no numbers")
    with pytest.raises(InputError, match="is not an HDF5 file that can be read"):
        reader.shapes(tmp_path / "text.h5", ["data"])
    (tmp_path / "pointer.h5").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n")
    with pytest.raises(InputError, match="git lfs pull"):
        reader.shapes(tmp_path / "pointer.h5", ["data"])


def test_sizes_beyond_the_memory_are_refused_before_they_are_allocated(tmp_path, reader):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("data", (1 << 40,), "f4", chunks=(1 << 20,))
    assert (tmp_path / "a.h5").stat().st_size < 10_000
    with pytest.raises(InputError, match="GB of memory"):
        reader.read(tmp_path / "a.h5", ["data"])
    assert reader.shapes(write_hdf5(tmp_path / "b.h5", data=np.ones(3)), ["data"]) == [(3,)]


def test_damaged_numbers_are_an_error(tmp_path, reader):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        draws = np.random.default_rng(1).normal(size=(100, 100))
        file.create_dataset("data", data=draws, chunks=(10, 100), compression="gzip")
    data = bytearray((tmp_path / "a.h5").read_bytes())
    data[-4000:-3000] = bytes(1000)
    (tmp_path / "a.h5").write_bytes(data)
    assert reader.shapes(tmp_path / "a.h5", ["data"]) == [(100, 100)]
    with pytest.raises(InputError, match="damaged HDF5 file"):
        reader.read(tmp_path / "a.h5", ["data"])


def test_damaged_files_are_errors_or_give_numbers(tmp_path, reader):
    draws, refused = random.Random(0), 0
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("data", data=np.arange(400.0).reshape(20, 20), chunks=(5, 20), compression="gzip")
        file["label"] = np.arange(20)
    data = (tmp_path / "a.h5").read_bytes()
    for _ in range(100):
        mutant = bytearray(data)
        if draws.randrange(5) == 0:
            mutant = mutant[: draws.randrange(len(mutant))]
        for _ in range(draws.choice([1, 2, 10]) if mutant else 0):
            mutant[draws.randrange(len(mutant))] = draws.choice([0, 255, draws.randrange(256)])
        (tmp_path / "m.h5").write_bytes(mutant)
        try:
            found = reader.read(tmp_path / "m.h5", ["data", "label"])
            assert [array.dtype for array in found] == [np.float32] * 2
        except Caffe64Error:
            refused += 1
    assert refused > 10


def test_threads_that_end_leave_nothing_behind(tmp_path):
    """As those that read ahead."""
    path, found = write_hdf5(tmp_path / "a.h5", data=np.ones(3)), []
    made = DatasetReader()
    thread = threading.Thread(target=lambda: found.append(made.read(path, ["data"])))
    thread.start()
    thread.join()
    assert len(found) == 1
    made.close()
