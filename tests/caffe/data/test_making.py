"""Databases, HDF5 files and means that caffe64 makes, next to those of Caffe's own tools."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import h5py
import lmdb
import numpy as np
import pytest
from reference.data_nets import (
    data_layer,
    datum,
    encoded,
    random_pictures,
    save_picture,
    source_of,
    write_hdf5,
    write_lmdb,
)
from reference.solver_cases import SOLVERS
from support import needs_shared

from caffe64.caffe.data.mean import mean_picture, write_mean
from caffe64.caffe.data.samples import Choices, open_samples
from caffe64.caffe.data.writing import write_hdf5 as make_hdf5
from caffe64.caffe.data.writing import write_lmdb as make_lmdb
from caffe64.caffe.data.writing import write_npy
from caffe64.errors import InputError, OutputError, UsageError
from caffe64.formats.caffe import read_binaryproto

DATA = SOLVERS / "data"


def quiet(done):
    pass


def records_of(path):
    with lmdb.open(str(path), readonly=True, lock=False) as environment, environment.begin() as transaction:
        return [*transaction.cursor()]


@needs_shared
@pytest.mark.parametrize(
    ("name", "choices"),
    [
        ("pictures_lmdb", {}),
        ("pictures_gray_lmdb", {"size": (12, 10), "gray": True}),
        ("pictures_png_lmdb", {"encoded": True}),
    ],
)
def test_records_are_those_of_convert_imageset_to_the_byte(tmp_path, name, choices):
    samples = open_samples(DATA / "pictures.txt", Choices(root=f"{DATA}/pictures/", **choices))
    make_lmdb(tmp_path / "db", samples, quiet)
    assert records_of(tmp_path / "db") == records_of(DATA / name)
    assert sorted(os.listdir(tmp_path / "db")) == ["data.mdb"]


@needs_shared
@pytest.mark.parametrize("name", ["digits_test_lmdb", "float_lmdb"])
def test_arrays_of_a_database_give_its_records_again(tmp_path, name):
    write_npy(tmp_path / "X.npy", tmp_path / "Y.npy", open_samples(DATA / name), quiet)
    samples = open_samples(tmp_path / "X.npy", Choices(labels=tmp_path / "Y.npy"))
    make_lmdb(tmp_path / "db", samples, quiet)
    expected = [value for _, value in records_of(DATA / name)]
    assert [value for _, value in records_of(tmp_path / "db")] == expected
    assert [key for key, _ in records_of(tmp_path / "db")] == [b"%08d" % number for number in range(len(expected))]
    make_lmdb(tmp_path / "again", open_samples(DATA / name), quiet)
    assert records_of(tmp_path / "again") == records_of(DATA / name)


@needs_shared
def test_a_mean_is_that_of_compute_image_mean_to_the_byte(tmp_path):
    mean = mean_picture(DATA, open_samples(DATA / "pictures_lmdb"), quiet)
    for name in ("mean.binaryproto", "mean.npy"):
        write_mean(tmp_path / name, mean)
    assert (tmp_path / "mean.binaryproto").read_bytes() == (DATA / "pictures_mean.binaryproto").read_bytes()
    np.testing.assert_array_equal(np.load(tmp_path / "mean.npy"), read_binaryproto(DATA / "pictures_mean.binaryproto"))


def test_a_mean_of_many_pictures_is_exact(tmp_path):
    """float32 sums would stop at 2 ** 24."""
    pictures = np.full((80_000, 1, 1, 1), 255, np.uint8)
    pictures[::2] = 254
    np.save(tmp_path / "X.npy", pictures)
    assert mean_picture(tmp_path, open_samples(tmp_path / "X.npy"), quiet).item() == 254.5
    path = write_lmdb(tmp_path / "db", [datum(random_pictures(1, (3, 4, 4))[0]), datum(random_pictures(1)[0])])
    with pytest.raises(InputError, match=r"sample 1 is \[3, 8, 10\], expected \[3, 4, 4\]"):
        mean_picture(path, open_samples(path), quiet)
    np.save(tmp_path / "rows.npy", np.ones((3, 4)))
    with pytest.raises(InputError, match="expected pictures"):
        mean_picture(path, open_samples(tmp_path / "rows.npy"), quiet)


@pytest.fixture
def classes(tmp_path):
    """A folder with a folder of pictures for each of two classes."""
    for number, picture in enumerate(random_pictures(5)):
        save_picture(tmp_path / "photos" / ("dogs" if number % 2 else "cats") / f"{number}.png", picture)
    (tmp_path / "photos" / "cats" / "notes.txt").write_text("not a picture")
    return tmp_path / "photos"


def test_a_folder_for_each_class(tmp_path, classes):
    samples = open_samples(classes)
    assert samples.notices == ["label 0 is cats", "label 1 is dogs"]
    make_lmdb(tmp_path / "db", samples, quiet)
    keys = [key.decode() for key, _ in records_of(tmp_path / "db")]
    names = ["cats/0.png", "cats/2.png", "cats/4.png", "dogs/1.png", "dogs/3.png"]
    assert keys == [f"{number:08d}_{name}" for number, name in enumerate(names)]
    pictures = random_pictures(5)
    data, labels = source_of(data_layer(tmp_path / "db", 5)).take(0)
    assert labels.tolist() == [0, 0, 0, 1, 1]
    np.testing.assert_array_equal(data, np.stack([pictures[number] for number in (0, 2, 4, 1, 3)]))
    (classes / "empty").mkdir()
    with pytest.raises(InputError, match="empty: holds no pictures"):
        open_samples(classes)
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match="without a database or folders of pictures"):
        open_samples(tmp_path / "none")


def test_shuffled_samples_are_a_permutation_by_the_seed(tmp_path, classes):
    def labels(**choices):
        return [row.label for row in open_samples(tmp_path / "X.npy", Choices(tmp_path / "Y.npy", **choices)).rows()]

    np.save(tmp_path / "X.npy", np.arange(20).reshape(20, 1, 1, 1))
    np.save(tmp_path / "Y.npy", np.arange(20))
    shuffled = labels(shuffle=True, seed=3)
    assert labels() == [*range(20)] == sorted(shuffled) != shuffled
    assert shuffled == labels(shuffle=True, seed=3) != labels(shuffle=True, seed=4)
    rows = [*open_samples(tmp_path / "X.npy", Choices(tmp_path / "Y.npy", shuffle=True)).rows()]
    assert all(row.values.item() == row.label for row in rows)
    names = [key for key, _ in open_samples(classes, Choices(shuffle=True)).records()]
    assert [name[:8] for name in names] == [b"%08d" % number for number in range(5)]


def test_encoded_pictures_of_another_size_are_files_without_loss(tmp_path, classes):
    plain = [row.values for row in open_samples(classes, Choices(size=(5, 6))).rows()]
    make_lmdb(tmp_path / "db", open_samples(classes, Choices(size=(5, 6), encoded=True)), quiet)
    np.testing.assert_array_equal(source_of(data_layer(tmp_path / "db", 5)).take(0)[0], np.stack(plain))
    assert b"PNG" in records_of(tmp_path / "db")[0][1]


def test_rows_for_hdf5_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draws = np.random.default_rng(0)
    X, Y = draws.integers(0, 256, (700, 4, 5), np.uint8), draws.normal(size=(700, 2))
    np.save("X.npy", X)
    np.save("Y.npy", Y)
    listed = make_hdf5(
        tmp_path / "train.h5", open_samples(tmp_path / "X.npy", Choices(tmp_path / "Y.npy")), quiet, -3, 0.5
    )
    assert listed == tmp_path / "train.h5.txt"
    with h5py.File("train.h5") as file:
        np.testing.assert_array_equal(file["data"][...], ((X[:, np.newaxis] - 3.0) * 0.5).astype("f4"))
        np.testing.assert_array_equal(file["label"][...], Y.astype("f4"))
        assert file["data"].dtype == file["label"].dtype == np.float32
    layer = f"type: 'HDF5Data' top: 'data' top: 'label' hdf5_data_param {{ source: '{listed}' batch_size: 3 }}"
    assert [array.shape for array in source_of(layer).take(0)] == [(3, 1, 4, 5), (3, 2)]
    write_npy(tmp_path / "X2.npy", tmp_path / "Y2.npy", open_samples(tmp_path / "train.h5"), quiet)
    np.testing.assert_array_equal(np.load("Y2.npy"), Y.astype("f4"))
    assert np.load("X2.npy").shape == (700, 1, 4, 5)
    make_hdf5(tmp_path / "rows.h5", open_samples(write(tmp_path / "r.npy", np.ones((3, 7)))), quiet)
    with h5py.File("rows.h5") as file:
        assert [*file] == ["data"]
        assert file["data"].shape == (3, 7)


def write(path, array):
    np.save(path, array)
    return path


def test_arrays_are_pictures_or_rows(tmp_path):
    def first(array):
        return next(open_samples(write(tmp_path / "X.npy", array)).rows()).values

    assert first(np.zeros((2, 3, 4), np.int64)).shape == (1, 3, 4)
    assert first(np.zeros((2, 3, 4), np.int64)).dtype == np.uint8
    assert first(np.full((2, 3, 4), 256)).dtype == first(np.zeros((2, 5))).dtype == np.float32
    for shape in ((3,), (2, 3, 4, 5, 6), (0, 3), ()):
        with pytest.raises(InputError, match="holds an array"):
            open_samples(write(tmp_path / "X.npy", np.zeros(shape)))
    samples = open_samples(write(tmp_path / "X.npy", np.zeros((2, 5))))
    make_lmdb(tmp_path / "db", samples, quiet)
    assert source_of(data_layer(tmp_path / "db", 2)).take(0)[0].shape == (2, 5, 1, 1)


def test_labels_must_fit(tmp_path):
    write(tmp_path / "X.npy", np.zeros((3, 2, 2), np.uint8))
    for array, message in ((np.zeros(4), "expected 3 labels"), (np.zeros(()), "expected 3 labels")):
        with pytest.raises(InputError, match=message):
            open_samples(tmp_path / "X.npy", Choices(write(tmp_path / "Y.npy", array)))
    for array in (np.array([0, 1.5, 2]), np.zeros((3, 2)), np.array([0, 1, 2**31]), np.array([0, 1, np.nan])):
        samples = open_samples(tmp_path / "X.npy", Choices(write(tmp_path / "Y.npy", array)))
        with pytest.raises(InputError, match="expected a whole number"):
            make_lmdb(tmp_path / "db", samples, quiet)
        assert not (tmp_path / "db").exists()
    (tmp_path / "Y.txt").write_text("1\n2\n3\n")
    with pytest.raises(InputError, match="is text, expected labels"):
        open_samples(tmp_path / "X.npy", Choices(tmp_path / "Y.txt"))


def test_choices_of_other_sources_are_refused(tmp_path, classes):
    path = write_lmdb(tmp_path / "db", [datum(random_pictures(1)[0])])
    for choices, name in (
        (Choices(gray=True), "gray"),
        (Choices(size=(2, 2)), "size"),
        (Choices(shuffle=True), "shuffle"),
    ):
        with pytest.raises(UsageError, match=f"is a database, for which there is no '{name}'"):
            open_samples(path, choices)
    write(tmp_path / "X.npy", np.zeros((3, 2, 2)))
    with pytest.raises(UsageError, match="is an array, for which there is no 'encoded'"):
        open_samples(tmp_path / "X.npy", Choices(encoded=True))
    with pytest.raises(UsageError, match="no other file of labels"):
        open_samples(classes, Choices(labels=tmp_path / "X.npy"))
    with pytest.raises(UsageError, match="no labels"):
        write_npy(tmp_path / "A.npy", tmp_path / "B.npy", open_samples(tmp_path / "X.npy"), quiet)
    assert not (tmp_path / "A.npy").exists()


def test_what_is_there_stays_without_force(tmp_path):
    samples = open_samples(write(tmp_path / "X.npy", np.arange(8).reshape(2, 1, 2, 2)))
    path = write_lmdb(tmp_path / "db", [datum(random_pictures(1)[0])])
    before = records_of(path)
    with pytest.raises(OutputError, match="there is an LMDB already"):
        make_lmdb(path, samples, quiet)
    (path / "notes").write_text("mine")
    with pytest.raises(OutputError, match="is a folder with 'notes'"):
        make_lmdb(path, samples, quiet, force=True)
    assert records_of(path) == before
    (path / "notes").unlink()
    make_lmdb(path, samples, quiet, force=True)
    assert len(records_of(path)) == 2
    with pytest.raises(OutputError, match="there is a file of this name"):
        make_lmdb(tmp_path / "X.npy", samples, quiet, force=True)
    with pytest.raises(OutputError, match="there is no directory"):
        make_lmdb(tmp_path / "none" / "db", samples, quiet)
    make_hdf5(tmp_path / "a.h5", samples, quiet)
    assert sorted(os.listdir(tmp_path)) == ["X.npy", "a.h5", "a.h5.txt", "db"]


def test_a_database_grows_beyond_its_first_map(tmp_path, monkeypatch):
    monkeypatch.setattr("caffe64.caffe.data.writing.FIRST_MAP", 1 << 14)
    np.save(tmp_path / "X.npy", np.random.default_rng(0).integers(0, 256, (300, 3, 40, 40), np.uint8))
    done = []
    make_lmdb(tmp_path / "db", open_samples(tmp_path / "X.npy"), done.append)
    assert len(records_of(tmp_path / "db")) == 300
    assert done == [256, 300]


def test_long_names_keep_their_numbers(tmp_path):
    save_picture(tmp_path / ("d" * 200) / ("e" * 200) / ("f" * 150 + ".png"), random_pictures(1)[0])
    (tmp_path / "list.txt").write_text(f"{'d' * 200}/{'e' * 200}/{'f' * 150}.png 3\n" * 2)
    make_lmdb(tmp_path / "db", open_samples(tmp_path / "list.txt", Choices(root=f"{tmp_path}/")), quiet)
    assert [key[:10] for key, _ in records_of(tmp_path / "db")] == [b"00000000_d", b"00000001_d"]


def test_pictures_of_several_sizes_are_not_an_array(tmp_path):
    files = [np.zeros((1, 4, 4), np.uint8), np.zeros((1, 4, 5), np.uint8)]
    path = write_lmdb(tmp_path / "db", [datum(picture) for picture in files])
    with pytest.raises(InputError, match=r"sample 1 is uint8 \[1, 4, 5\], expected uint8 \[1, 4, 4\]"):
        write_npy(tmp_path / "X.npy", None, open_samples(path), quiet)
    assert sorted(os.listdir(tmp_path)) == ["db"]


def test_encoded_records_become_arrays(tmp_path, classes):
    make_lmdb(tmp_path / "db", open_samples(classes, Choices(encoded=True)), quiet)
    write_npy(tmp_path / "X.npy", None, open_samples(tmp_path / "db"), quiet)
    write_npy(tmp_path / "Y.npy", None, open_samples(classes), quiet)
    np.testing.assert_array_equal(np.load(tmp_path / "X.npy"), np.load(tmp_path / "Y.npy"))
    bad = write_lmdb(tmp_path / "bad", [encoded(b"no picture")])
    with pytest.raises(InputError, match=r"record 0 of .*bad"):
        write_npy(tmp_path / "Z.npy", None, open_samples(bad), quiet)


WRITER = """
import sys
from pathlib import Path
from caffe64.caffe.data.samples import open_samples
from caffe64.caffe.data.writing import write_lmdb
def wait(done):
    print(done, flush=True)
    sys.stdin.readline()
write_lmdb(Path(sys.argv[2]), open_samples(Path(sys.argv[1])), wait)
"""


def test_a_killed_conversion_leaves_no_database(tmp_path):
    np.save(tmp_path / "X.npy", np.zeros((1000, 1, 8, 8), np.uint8))
    command = [sys.executable, "-c", WRITER, str(tmp_path / "X.npy"), str(tmp_path / "db")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "256\n"
        process.send_signal(signal.SIGKILL)
    time.sleep(0.1)
    assert not (tmp_path / "db" / "data.mdb").exists()
    make_lmdb(tmp_path / "db", open_samples(tmp_path / "X.npy"), quiet)
    assert os.listdir(tmp_path / "db") == ["data.mdb"]
    assert len(records_of(tmp_path / "db")) == 1000


def test_rows_of_hdf5_are_floats_again(tmp_path):
    path = write_hdf5(tmp_path / "a.h5", data=np.full((2, 1, 2, 2), 0.5), label=np.array([3, 4]))
    make_lmdb(tmp_path / "db", open_samples(path), quiet)
    data, labels = source_of(data_layer(tmp_path / "db", 2)).take(0)
    assert (data == 0.5).all()
    assert labels.tolist() == [3, 4]
