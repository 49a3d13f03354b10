"""The transform_param of a data layer, by NumPy in float64: means at the uncropped place, crops, mirrors, scale."""

from __future__ import annotations

import numpy as np
import pytest
from reference.data_nets import data_layer, datum, random_pictures, source_of, write_lmdb

from caffe64.errors import InputError
from caffe64.proto import caffe_pb2

SHAPE = (3, 8, 10)


@pytest.fixture(scope="module")
def pictures():
    return random_pictures(7, SHAPE)


@pytest.fixture(scope="module")
def database(tmp_path_factory, pictures):
    folder = tmp_path_factory.mktemp("data")
    return write_lmdb(folder / "db", [datum(picture, label) for label, picture in enumerate(pictures)])


@pytest.fixture(scope="module")
def mean(tmp_path_factory):
    return write_mean(tmp_path_factory.mktemp("mean") / "m.binaryproto", SHAPE)


def write_mean(path, shape):
    numbers = np.random.default_rng(5).uniform(0, 255, shape).astype(np.float32)
    size = dict(zip(("num", "channels", "height", "width"), (1, *shape), strict=True))
    path.write_bytes(caffe_pb2.BlobProto(**size, data=numbers.ravel()).SerializeToString())
    np.save(path.with_suffix(".npy"), numbers)
    return path, numbers


def assert_is(found, picture, mean, scale):
    """Two roundings of float32 from the exact (picture - mean) * scale."""
    exact = (picture.astype(np.float64) - mean) * np.float64(np.float32(scale))
    size = (np.abs(picture) + np.abs(mean)) * abs(scale)
    np.testing.assert_array_less(np.abs(found - exact), 2.0**-23 * size + 1e-30)


@pytest.mark.parametrize("values", [(), (100.5,), (10.0, 20.25, 30.0)])
def test_means_of_channels_come_before_the_scale(database, pictures, values):
    means = " ".join(f"mean_value: {value}" for value in values)
    data, labels = source_of(data_layer(database, 7, f"{means} scale: 0.017")).take(0)
    assert labels.tolist() == [*range(7)]
    for found, picture in zip(data, pictures, strict=True):
        assert_is(found, picture, np.reshape(values or (0.0,), (-1, 1, 1)), 0.017)


@pytest.mark.parametrize("suffix", [".binaryproto", ".npy"])
def test_a_mean_picture_counts_at_the_uncropped_place(database, pictures, mean, suffix):
    path, numbers = mean
    transform = f"mean_file: '{path.with_suffix(suffix)}' crop_size: 5 scale: 2"
    data, _ = source_of(data_layer(database, 7, transform), phase="TEST").take(0)
    rows, columns = slice(1, 6), slice(2, 7)  # (8 - 5) // 2, (10 - 5) // 2
    for found, picture in zip(data, pictures, strict=True):
        assert_is(found, picture[:, rows, columns], numbers[:, rows, columns], 2)


def place_in(picture, crop):
    """Row, column and whether it is mirrored, of a crop whose place is known by its numbers."""
    size = crop.shape[-1]
    for row in range(picture.shape[1] - size + 1):
        for column in range(picture.shape[2] - size + 1):
            part = picture[:, row : row + size, column : column + size]
            for mirrored in (False, True):
                if np.array_equal(part[:, :, ::-1] if mirrored else part, crop):
                    return row, column, mirrored
    raise AssertionError("not a crop of the picture")


def test_crops_and_mirrors_are_drawn_evenly_in_training(database, pictures):
    source = source_of(data_layer(database, 70, "crop_size: 6 mirror: true"), seed=3)
    seen = np.zeros((3, 5, 2))
    for number in range(30):
        for index, crop in enumerate(source.take(number)[0]):
            seen[place_in(pictures[(number * 70 + index) % 7], crop)] += 1
    expected = 2100 / 30
    assert ((seen - expected) ** 2 / expected).sum() < 66  # chi squared of 29 degrees: once in 10,000


def test_in_tests_crops_are_from_the_centre_and_mirrors_drawn(database, pictures):
    source = source_of(data_layer(database, 7, "crop_size: 6 mirror: true"), phase="TEST")
    places = [place_in(pictures[i], crop) for n in range(20) for i, crop in enumerate(source.take(n)[0])]
    assert {place[:2] for place in places} == {(1, 2)}
    assert 40 < sum(place[2] for place in places) < 100


def test_choices_depend_on_seed_layer_phase_and_batch_alone(database):
    layer = data_layer(database, 5, "crop_size: 6 mirror: true")
    first = [source_of(layer, seed=1).take(number) for number in range(6)]
    again = source_of(layer, seed=1)
    for number in (5, 2, 0, 3, 3):  # in any order
        for one, other in zip(again.take(number), first[number], strict=True):
            np.testing.assert_array_equal(one, other)
    for other in (source_of(layer, seed=2), source_of(layer.replace("top: 'label'", ""), seed=1, phase="TEST")):
        assert not np.array_equal(other.take(1)[0], first[1][0])


def test_records_go_on_from_the_last_to_the_first_within_a_batch(database):
    source = source_of(data_layer(database, 5))
    labels = [source.take(number)[1].tolist() for number in range(5)]
    assert labels == np.resize(np.arange(7), 25).reshape(5, 5).tolist()
    assert [source.wraps(number) for number in range(5)] == [False, True, True, False, True]
    assert source_of(data_layer(database, 15)).take(0)[1].tolist() == np.resize(np.arange(7), 15).tolist()


def test_one_top_gives_pictures_alone(database):
    assert len(source_of(data_layer(database, 5).replace("top: 'label'", "")).take(0)) == 1


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        ("crop_size: 9", "has crop_size 9 and pictures of 8x10, expected a crop that fits"),
        ("mean_value: 1 mean_value: 2", "has 2 mean_value and a picture of 3 channels"),
        ("force_color: true force_gray: true", "has force_color and force_gray, expected one of them"),
        ("force_color: true", "records that are not files of pictures"),
        ("mean_file: 'none.binaryproto'", "names 'none.binaryproto', which does not exist"),
    ],
)
def test_what_caffe_dies_of(database, transform, message):
    with pytest.raises(InputError, match=message):
        source_of(data_layer(database, 2, transform)).take(0)


def test_means_of_another_size_or_two_kinds_are_refused(database, mean, tmp_path):
    small, _ = write_mean(tmp_path / "small.binaryproto", (3, 6, 6))
    with pytest.raises(InputError, match=r"has a mean_file of \[3, 6, 6\] and a picture of \[3, 8, 10\]"):
        source_of(data_layer(database, 2, f"mean_file: '{small}' crop_size: 6")).take(0)
    with pytest.raises(InputError, match="has both mean_file and mean_value"):
        source_of(data_layer(database, 2, f"mean_file: '{mean[0]}' mean_value: 3"))
    np.save(tmp_path / "flat.npy", np.ones(3))
    with pytest.raises(InputError, match="expected a mean picture"):
        source_of(data_layer(database, 2, f"mean_file: '{tmp_path / 'flat.npy'}'"))


def test_pictures_of_other_sizes_need_a_crop_or_a_batch_of_one(tmp_path):
    pictures = [*random_pictures(2, (3, 8, 10)), *random_pictures(2, (3, 9, 7))]
    path = write_lmdb(tmp_path / "db", [datum(picture) for picture in pictures])
    assert source_of(data_layer(path, 4, "crop_size: 7")).take(0)[0].shape == (4, 3, 7, 7)
    one = source_of(data_layer(path, 1))
    assert [one.take(number)[0].shape[1:] for number in range(4)] == [picture.shape for picture in pictures]
    with pytest.raises(InputError, match=r"record 2 of .* has the shape \[3, 9, 7\], expected that of the batch"):
        source_of(data_layer(path, 4)).take(0)


def test_numbers_that_are_not_bytes(tmp_path):
    pictures = [np.random.default_rng(n).normal(0, 100, (2, 3, 4)).astype(np.float32) for n in range(3)]
    path = write_lmdb(tmp_path / "db", [datum(picture, -n) for n, picture in enumerate(pictures)])
    data, labels = source_of(data_layer(path, 3, "mean_value: 1.5 scale: 0.1")).take(0)
    assert labels.tolist() == [0, -1, -2]
    for found, picture in zip(data, pictures, strict=True):
        assert_is(found, picture, np.float64(1.5), 0.1)
