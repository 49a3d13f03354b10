"""Where the files are that a net names."""

from __future__ import annotations

import os

import numpy as np
import pytest
from reference.data_nets import data_layer, datum, random_pictures, save_picture, source_of, write_hdf5, write_lmdb

from caffe64.errors import InputError


def test_names_count_from_the_working_directory_and_then_from_the_file(tmp_path, monkeypatch):
    """The notice comes once for each file."""
    net = tmp_path / "model" / "net.prototxt"
    net.parent.mkdir()
    pictures = random_pictures(2)
    write_lmdb(net.parent / "db", [datum(pictures[0])])
    monkeypatch.chdir(tmp_path)
    notices: list[str] = []
    for _ in range(2):
        found = source_of(data_layer("db", 1), path=str(net), notices=notices).take(0)[0][0]
        np.testing.assert_array_equal(found, pictures[0])
    assert notices == [
        f"db is not in the working directory: {net.parent / 'db'} is taken, beside the file that names it"
    ]
    write_lmdb(tmp_path / "db", [datum(pictures[1])])
    notices.clear()
    found = source_of(data_layer("db", 1), path=str(net), notices=notices).take(0)[0][0]
    np.testing.assert_array_equal(found, pictures[1])
    assert notices == []


def test_files_of_lists_are_found_beside_the_list(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    lists = tmp_path / "lists"
    for number, picture in enumerate(random_pictures(3)):
        save_picture(lists / "all" / f"{number}.png", picture)
        write_hdf5(lists / f"{number}.h5", data=np.full((1, 2), number), label=np.zeros(1))
    (lists / "pictures.txt").write_text("0.png 0\n1.png 1\n./2.png 2\n")
    (lists / "rows.txt").write_text("0.h5\n1.h5\n2.h5\n")
    notices: list[str] = []
    tops = "top: 'data' top: 'label'"
    pictures = f"type: 'ImageData' {tops} image_data_param {{ source: '../lists/pictures.txt' root_folder: 'all/' }}"
    assert source_of(f"{pictures} ", notices=notices).take(2)[1].tolist() == [2]
    assert len(notices) == 1
    rows = f"type: 'HDF5Data' {tops} hdf5_data_param {{ source: '../lists/rows.txt' batch_size: 3 }}"
    assert source_of(rows, notices=notices).take(0)[0][:, 0].tolist() == [0, 1, 2]
    assert len(notices) == 4


def test_what_is_in_neither_place_is_named_with_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    message = f"net: names 'data/db', which does not exist (names count from the working directory, {os.getcwd()})"
    with pytest.raises(InputError) as caught:
        source_of(data_layer("data/db", 1))
    assert str(caught.value) == message
    with pytest.raises(InputError, match=r"exist$"):
        source_of(data_layer("/none/db", 1))
