"""caffe64 convert and mean with data for Caffe nets."""

from __future__ import annotations

import os
import subprocess
import sys

import h5py
import lmdb
import numpy as np
import pytest
from reference.child import PACKAGES
from reference.data_nets import random_pictures, save_picture

from caffe64.formats.caffe import read_binaryproto
from caffe64.formats.idx import write_idx


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Arrays of ten digits and folders of pictures, in the working directory."""
    monkeypatch.chdir(tmp_path)
    draws = np.random.default_rng(0)
    write_idx("images-idx3-ubyte", draws.integers(0, 256, (10, 5, 4), np.uint8))
    write_idx("labels-idx1-ubyte", np.arange(10, dtype=np.uint8))
    for number, picture in enumerate(random_pictures(4)):
        save_picture(tmp_path / "photos" / ("dogs" if number % 2 else "cats") / f"{number}.png", picture)
    (tmp_path / "list.txt").write_text("cats/0.png 5\ndogs/1.png 6\n")
    return tmp_path


def records_of(path):
    with lmdb.open(str(path), readonly=True, lock=False) as environment, environment.begin() as transaction:
        return [*transaction.cursor()]


def test_idx_to_lmdb_to_a_mean_and_back(cli, folder):
    done = cli("convert images-idx3-ubyte train_lmdb --labels labels-idx1-ubyte")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "caffe64: train_lmdb holds 10 records\n")
    done = cli("mean train_lmdb mean.binaryproto")
    mean = read_binaryproto("mean.binaryproto")
    assert done.stdout == f"mean_value channel [0]: {mean.mean(dtype='f8'):g}\n"
    assert done.stderr == "caffe64: mean.binaryproto is the mean of 10 pictures [1, 5, 4]\n"
    assert cli("mean train_lmdb mean.npy").exit_code == 0
    np.testing.assert_array_equal(np.load("mean.npy"), mean)
    done = cli("convert train_lmdb X.npy --labels Y.npy")
    assert done.stderr == "caffe64: X.npy holds 10 x 1 x 5 x 4 numbers\n"
    X, Y = np.load("X.npy"), np.load("Y.npy")
    assert (X.dtype, Y.tolist()) == (np.uint8, [*range(10)])
    np.testing.assert_allclose(X.mean(0), mean, rtol=1e-6)


def test_folders_and_lists_of_pictures(cli, folder):
    done = cli("convert photos train_lmdb --resize 6x7 --gray --encoded")
    assert done.stderr == "".join(
        f"caffe64: {line}\n" for line in ("label 0 is cats", "label 1 is dogs", "train_lmdb holds 4 records")
    )
    done = cli("convert list.txt train.h5 --root photos --resize 6x7 --scale 0.5")
    assert done.stderr == "caffe64: train.h5 holds 2 rows; train.h5.txt is the source of a layer HDF5Data\n"
    assert (folder / "train.h5.txt").read_text() == "train.h5\n"
    with h5py.File("train.h5") as file:
        assert file["data"].shape == (2, 3, 7, 6)
        assert file["data"][...].max() <= 127.5
        assert file["label"][...].tolist() == [5, 6]


def test_names_of_a_list_are_found_beside_it(cli, folder):
    (folder / "list.txt").rename(folder / "photos" / "list.txt")
    done = cli("convert photos/list.txt a_lmdb")
    assert done.exit_code == 0
    assert "cats/0.png is not in the working directory: photos/cats/0.png is taken" in done.stderr
    assert [key for key, _ in records_of("a_lmdb")] == [b"00000000_cats/0.png", b"00000001_dogs/1.png"]


def test_an_array_without_labels_is_said(cli, folder):
    assert "a_lmdb gets no labels: --labels names their file" in cli("convert images-idx3-ubyte a_lmdb").stderr


def test_a_mean_picture_is_converted_and_back(cli, folder):
    assert cli("mean photos mean.binaryproto").exit_code == 0
    done = cli("convert mean.binaryproto mean.npy")
    assert (done.exit_code, done.stderr) == (0, "caffe64: mean.npy holds a mean picture [3, 8, 10]\n")
    assert cli("convert mean.npy again.binaryproto").exit_code == 0
    assert (folder / "again.binaryproto").read_bytes() == (folder / "mean.binaryproto").read_bytes()
    done = cli("convert mean.npy again.binaryproto --scale 2")
    assert (done.exit_code, "without options" in done.stderr) == (2, True)


def test_what_is_there_stays_without_force(cli, folder):
    assert cli("convert photos a_lmdb").exit_code == 0
    done = cli("convert images-idx3-ubyte a_lmdb")
    assert (done.exit_code, done.stderr) == (
        3, "caffe64: error: a_lmdb: there is an LMDB already (--force replaces it)\n"
    )  # fmt: skip
    assert len(records_of("a_lmdb")) == 4
    assert cli("convert images-idx3-ubyte a_lmdb --force").exit_code == 0
    assert len(records_of("a_lmdb")) == 10
    assert cli("convert images-idx3-ubyte photos/lmdb").exit_code == 0
    done = cli("convert images-idx3-ubyte list.txt/lmdb")
    assert done.exit_code == 3


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        ("convert photos out", 2, "out: the name of the data must end with lmdb, .h5, .hdf5 or .npy"),
        ("convert photos a_lmdb --scale 2", 2, "--add and --scale are mean_value and scale in the layer"),
        ("convert photos a.h5 --encoded", 2, "--encoded and --force are of an LMDB, not of a.h5"),
        ("convert photos a_lmdb --seed 3", 2, "--seed is of --shuffle"),
        ("convert photos a_lmdb --columns 3", 2, "--columns is of text"),
        ("convert photos a_lmdb --labels labels-idx1-ubyte", 2, "no other file of labels is read"),
        ("convert photos a_lmdb --resize 6", 2, "'6' is not a size such as 224x224"),
        ("convert images-idx3-ubyte a_lmdb --gray", 2, "is an array, for which there is no 'gray'"),
        ("convert images-idx3-ubyte a_lmdb --labels none", 3, "Couldn't find file none"),
        ("convert none a_lmdb", 3, "Couldn't find file none"),
        ("convert list.txt a_lmdb", 3, "list.txt: names 'cats/0.png', which does not exist"),
        ("convert photos a_lmdb/b_lmdb", 3, "there is no directory a_lmdb"),
        ("convert photos list.txt.h5 --labels list.txt", 2, "no other file of labels"),
        ("mean photos mean.txt", 2, "the name must end with .binaryproto or .npy"),
        ("mean none mean.npy", 3, "Couldn't find file none"),
        ("convert mean.binaryproto mean.npy", 3, "Couldn't find file mean.binaryproto"),
        ("convert images-idx3-ubyte mean.binaryproto", 2, "IN images-idx3-ubyte: the name must end with .binaryproto"),
        ("convert images-idx3-ubyte images-idx3-ubyte.npy --labels images-idx3-ubyte", 2, "would be overwritten"),
    ],
)
def test_wrong_commands_say_why_and_write_nothing(cli, folder, command, code, message):
    before = sorted(os.listdir())
    done = cli(command)
    assert done.exit_code == code
    assert message in " ".join(done.stderr.split())
    assert sorted(os.listdir()) == before


def test_the_list_of_rows_does_not_replace_the_list_of_pictures(cli, folder):
    (folder / "list.txt").rename(folder / "a.h5.txt")
    before = (folder / "a.h5.txt").read_text()
    done = cli("convert a.h5.txt a.h5 --root photos")
    assert done.exit_code == 2
    assert "would be overwritten" in done.stderr
    assert (folder / "a.h5.txt").read_text() == before


def test_numbers_are_converted_as_before(cli, folder):
    np.savetxt("X.txt", np.arange(6).reshape(2, 3))
    assert cli("convert X.txt X.npy").stderr.endswith("X.npy holds 2 x 3 numbers\n")
    assert cli("convert images-idx3-ubyte Y.npy").stderr == "caffe64: Y.npy holds 10 x 5 x 4 numbers\n"


def test_missing_packages_are_named(folder):
    code = "import sys; sys.modules[sys.argv.pop(1)] = None; import caffe64.__main__ as m; m.main()"
    for package, extra, target in (("lmdb", "train", "a_lmdb"), ("h5py", "hdf5", "a.h5")):
        command = [sys.executable, "-c", code, package, "convert", "photos", target]
        settings = {**os.environ, "PYTHONPATH": str(PACKAGES)}
        done = subprocess.run(command, capture_output=True, text=True, env=settings, check=False)
        assert done.returncode == 2
        assert f"{package}: pip install 'caffe64[{extra}]', or pip install {package}" in done.stderr
        assert not (folder / target).exists()


LIMITED = """
import resource, signal, sys
from caffe64.cli.app import main
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # writing fails, as on a disk that is full
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
sys.argv[0] = "caffe64"
main()
"""


@pytest.mark.parametrize("target", ["a_lmdb", "a.h5", "a.npy"])
def test_a_full_disk_is_one_line_and_leaves_nothing(cli, folder, target):
    np.save("X.npy", np.zeros((100, 1, 30, 30), np.uint8))
    np.save("Y.npy", np.zeros(100, np.int32))
    assert (
        subprocess.run([sys.executable, "-m", "caffe64", "convert", "X.npy", "x_lmdb", "--labels", "Y.npy"]).returncode
        == 0
    )
    before = sorted(folder.rglob("*"))
    source = ["X.npy", target, "--labels", "Y.npy"] if target != "a.npy" else ["x_lmdb", target]
    command = [sys.executable, "-c", LIMITED, "convert", *source]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(PACKAGES)})
    assert done.returncode == 3, done.stderr
    assert done.stderr.splitlines() == [done.stderr.rstrip("\n")]
    assert f"error: {target}: cannot be written: " in done.stderr
    assert done.stderr.endswith(("File too large\n", "Input/output error\n"))  # as LMDB's library says it
    assert sorted(folder.rglob("*")) == before
