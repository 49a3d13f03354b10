"""ImageData and HDF5Data: lists of files, shuffled or not."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
from reference.data_nets import (
    data_layer,
    encoded,
    random_pictures,
    save_picture,
    source_of,
    write_hdf5,
    write_lmdb,
)

from caffe64.errors import InputError

COUNT = 12


@pytest.fixture(scope="module")
def pictures():
    return random_pictures(COUNT)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, pictures):
    """Pictures whose label is their number, and a list; names with blanks, in folders."""
    folder = tmp_path_factory.mktemp("pictures")
    names = [f"{'sub dir/' if n % 3 else ''}p {n}.png" for n in range(COUNT)]
    for name, picture in zip(names, pictures, strict=True):
        save_picture(folder / name, picture)
    (folder / "list.txt").write_text("".join(f"{name} {n}\n" for n, name in enumerate(names)))
    return folder


def image_data(folder, batch, more="", transform=""):
    return (
        f"type: 'ImageData' top: 'data' top: 'label' transform_param {{ {transform} }} "
        f"image_data_param {{ source: '{folder}/list.txt' batch_size: {batch} root_folder: '{folder}/' {more} }}"
    )


def labels_of(source, batches):
    return [label for number in range(batches) for label in source.take(number)[1].astype(int).tolist()]


def test_pictures_of_a_list(folder, pictures):
    source = source_of(image_data(folder, 5))
    assert source.count == COUNT
    for number in range(5):
        data, labels = source.take(number)
        expected = np.resize(np.arange(COUNT), 25)[number * 5 : number * 5 + 5]
        assert labels.tolist() == expected.tolist()
        np.testing.assert_array_equal(data, np.stack([pictures[at] for at in expected]))


@pytest.mark.parametrize("more", ["", "is_color: false"])
def test_pictures_are_stretched_as_by_opencv(folder, more):
    data, _ = source_of(image_data(folder, COUNT, f"new_height: 13 new_width: 5 {more}")).take(0)
    for found, line in zip(data, (folder / "list.txt").read_text().splitlines(), strict=True):
        read = cv2.IMREAD_GRAYSCALE if more else cv2.IMREAD_COLOR
        expected = np.atleast_3d(cv2.resize(cv2.imread(f"{folder}/{line.rpartition(' ')[0]}", read), (5, 13)))
        np.testing.assert_array_equal(found, expected.transpose(2, 0, 1))


def test_each_epoch_of_a_shuffled_list_is_another_permutation(folder):
    source = source_of(image_data(folder, 4, "shuffle: true"), seed=4)
    epochs = [labels_of(source, 9)[at : at + COUNT] for at in (0, COUNT, 2 * COUNT)]
    assert all(sorted(epoch) == [*range(COUNT)] for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs} | {tuple(range(COUNT))}) == 4
    other = source_of(image_data(folder, 4, "shuffle: true"), seed=4)
    assert other.take(7)[1].tolist() == epochs[2][4:8]  # without the batches before
    assert labels_of(source_of(image_data(folder, 4, "shuffle: true"), seed=5), 3) != labels_of(other, 3)


def test_rand_skip_begins_at_a_random_line_below_it(folder):
    starts = {labels_of(source_of(image_data(folder, 1, "rand_skip: 5"), seed=seed), 1)[0] for seed in range(60)}
    assert starts == {0, 1, 2, 3, 4}
    found = labels_of(source_of(image_data(folder, 1, "rand_skip: 5"), seed=1), COUNT)
    assert sorted(found) == [*range(COUNT)]


def test_mirrors_and_crops_of_listed_pictures(folder, pictures):
    data, _ = source_of(image_data(folder, COUNT, transform="mirror: true"), seed=2).take(0)
    mirrored = [np.array_equal(found, picture[:, :, ::-1]) for found, picture in zip(data, pictures, strict=True)]
    plain = [np.array_equal(found, picture) for found, picture in zip(data, pictures, strict=True)]
    assert 0 < sum(mirrored) < COUNT
    assert sum(mirrored) + sum(plain) == COUNT


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a.png 1\nb.png\n", 2, "found 'b.png', expected a file, a blank and a label"),
        ("a.png 1.5\n", 1, "a.png 1.5"),
        ("a.png\t1\n", 1, r"a.png\\t1"),
        ("\n 3\n", 2, "' 3'"),
        ("a.png 99999999999\n", 1, "99999999999"),
        ("", None, "is empty"),
        ("\n \n", None, "is empty"),
        ("none.png 1\n", None, "names 'none.png', which does not exist"),
        ("\0.png 1\n", 1, "expected a file"),
    ],
)
def test_lists_with_bad_lines_are_refused(tmp_path, text, line, message):
    (tmp_path / "list.txt").write_text(text)
    layer = image_data(tmp_path, 1).replace(f"root_folder: '{tmp_path}/'", "")
    with pytest.raises(InputError, match=message) as caught:
        source_of(layer)
    assert caught.value.line == line


def test_a_listed_file_that_is_missing_or_damaged_is_named(tmp_path, pictures):
    save_picture(tmp_path / "a.png", pictures[0])
    (tmp_path / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (tmp_path / "list.txt").write_text("a.png 0\nc.png 1\nb.png 2\n")
    source = source_of(image_data(tmp_path, 1))
    source.take(0)
    with pytest.raises(InputError, match=r"list.txt: names '.*c.png', which does not exist"):
        source.take(1)
    with pytest.raises(InputError, match=r"b.png: "):
        source.take(2)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("new_height: 3", "expected both, or none"),
        ("new_height: 100000 new_width: 100000", "expected 67108864 pixels"),
        ("rand_skip: 1000", "rand_skip 1000 and a list of 12"),
    ],
)
def test_what_caffe_dies_of(folder, more, message):
    with pytest.raises(InputError, match=message):
        source_of(image_data(folder, 1, more))


def test_pictures_in_a_database_are_decoded(tmp_path):
    colour, gray = random_pictures(1)[0].transpose(1, 2, 0), random_pictures(1, (1, 8, 10), 9)[0][0]
    deep = np.random.default_rng(1).integers(0, 1 << 16, (8, 10, 3), np.uint16)
    clear = np.random.default_rng(2).integers(0, 256, (8, 10, 4), np.uint8)
    arrays = [colour, gray, deep, clear]
    files = [cv2.imencode(".png", array)[1].tobytes() for array in arrays]
    path = write_lmdb(tmp_path / "db", [encoded(file, n) for n, file in enumerate(files)])
    for force, flag in (("force_color", cv2.IMREAD_COLOR), ("force_gray", cv2.IMREAD_GRAYSCALE)):
        source = source_of(data_layer(path, 1, f"{force}: true"))
        for number, file in enumerate(files):
            expected = np.atleast_3d(cv2.imdecode(np.frombuffer(file, np.uint8), flag)).transpose(2, 0, 1)
            found = source.take(number)[0][0]
            deep_gray = number == 2 and force == "force_gray"  # 16 bits are weighed before 8 are taken
            np.testing.assert_allclose(found, expected, rtol=0, atol=int(deep_gray))
    as_they_are = source_of(data_layer(path, 1))
    assert [as_they_are.take(number)[0].shape[1] for number in range(4)] == [3, 1, 3, 3]
    with pytest.raises(InputError, match="expected that of the batch's first"):
        source_of(data_layer(path, 2)).take(0)


ROWS = (7, 5, 9)


@pytest.fixture(scope="module")
def hdf5(tmp_path_factory):
    """Three files; row r of all has the label r, as int32 in the last file."""
    folder, start = tmp_path_factory.mktemp("hdf5"), 0
    for number, rows in enumerate(ROWS):
        labels = np.arange(start, start + rows, dtype="i4" if number == 2 else "f8")
        data = labels[:, np.newaxis, np.newaxis] * np.ones((1, 2, 3))
        write_hdf5(folder / f"{number}.h5", data=data.astype("u1" if number == 1 else "f4"), label=labels)
        start += rows
    (folder / "list.txt").write_text("0.h5 1.h5\n  2.h5\n")
    return folder


def hdf5_data(folder, batch, more=""):
    parameters = f"source: '{folder}/list.txt' batch_size: {batch} {more}"
    return f"type: 'HDF5Data' top: 'data' top: 'label' hdf5_data_param {{ {parameters} }}"


def test_rows_run_on_from_file_to_file(hdf5):
    source = source_of(hdf5_data(hdf5, 4))
    assert source.count == 21
    for number in (0, 1, 2, 3, 4, 5, 30, 2):
        data, labels = source.take(number)
        assert labels.tolist() == [at % 21 for at in range(number * 4, number * 4 + 4)]
        np.testing.assert_array_equal(data, labels[:, np.newaxis, np.newaxis] * np.ones((1, 2, 3)))
        assert data.dtype == labels.dtype == np.float32
    assert source_of(hdf5_data(hdf5, 50)).take(0)[1].tolist() == [at % 21 for at in range(50)]


def test_shuffled_rows_are_permutations_of_files_and_of_their_rows(hdf5):
    source = source_of(hdf5_data(hdf5, 21, "shuffle: true"), seed=1)
    epochs = [source.take(number)[1].astype(int).tolist() for number in range(6)]
    assert all(sorted(epoch) == [*range(21)] for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 6
    for epoch in epochs:  # files in one piece each
        files = [np.searchsorted(np.cumsum(ROWS), row, "right") for row in epoch]
        assert sum(one != other for one, other in itertools.pairwise(files)) == 2
    fours = source_of(hdf5_data(hdf5, 4, "shuffle: true"), seed=1)
    assert labels_of(fours, 6)[:21] == epochs[0]
    np.testing.assert_array_equal(fours.take(5)[1][1:], epochs[1][:3])


def test_hdf5_files_that_do_not_fit_are_refused(tmp_path, hdf5):
    def refused(message, layer=None, **arrays):
        write_hdf5(tmp_path / "a.h5", **arrays)
        (tmp_path / "list.txt").write_text(f"{hdf5}/0.h5 a.h5")
        with pytest.raises(InputError, match=message):
            source_of(layer or hdf5_data(tmp_path, 4))

    rows = {"data": np.zeros((3, 2, 3), "f4"), "label": np.zeros(3, "f4")}
    refused("has no dataset 'label'", data=rows["data"])
    refused(r"has datasets of \[2, 3\] rows", data=rows["data"], label=np.zeros(2))
    refused("has rows of the shapes", data=np.zeros((3, 2, 2)), label=rows["label"])
    refused("expected rows of numbers", data=rows["data"], label=np.zeros(3, "S4"))
    refused("expected rows of numbers", data=np.zeros((0, 2, 3)), label=np.zeros(0))
    refused("expected rows of numbers", data=rows["data"], label=np.float32(1))
    refused("transform_param", hdf5_data(hdf5, 4) + " transform_param { scale: 2 }", **rows)
    (tmp_path / "list.txt").write_text("\n")
    with pytest.raises(InputError, match="names no file"):
        source_of(hdf5_data(tmp_path, 4))
    (tmp_path / "list.txt").write_text("none.h5")
    with pytest.raises(InputError, match=r"list.txt: names 'none.h5', which does not exist"):
        source_of(hdf5_data(tmp_path, 4))
