"""Rows of arrays in place of data layers."""

from __future__ import annotations

import numpy as np
import pytest

from caffe64 import InputError, UsageError
from caffe64.caffe.data.feeds import Feed
from caffe64.caffe.data.places import Places
from caffe64.caffe.reading import graph_of
from caffe64.formats.caffe import parse_prototxt

INPUT = "layer { name: 'in' type: 'Input' top: 'data' top: 'label' input_param { shape { dim: 1 dim: 2 } } }"
CROPPED = """layer { name: 'in' type: 'Data' top: 'data' top: 'label' data_param { source: 'none' batch_size: 4 }
  transform_param { crop_size: 3 mirror: true scale: 2 mean_value: 1 } }"""
DUMMY = "layer { name: 'dummy' type: 'DummyData' top: 'noise' dummy_data_param { shape { dim: 2 } } }"


def rows(text, data, batch=None, *, trains=True, seed=0):
    graph, _, _ = graph_of(parse_prototxt(text), "TRAIN" if trains else "TEST", {})
    (((_, source),)) = Feed("data", data, batch, trains).sources(graph, seed, Places("net", [])).values()
    return source


def numbered(count, batch=None, **options):
    numbers = np.arange(count)
    return rows(INPUT, (np.stack([numbers, -numbers], axis=1), numbers), batch, **options)


def test_rows_of_a_test_come_in_order_and_once():
    source = numbered(10, 4, trains=False)
    assert source.batches == 3
    for number in (0, 1, 2, 3, 5, 1):
        data, labels = source.take(number)
        start = number % 3 * 4
        assert labels.tolist() == list(range(start, min(start + 4, 10)))
        assert data.dtype == labels.dtype == np.float32
        np.testing.assert_array_equal(data, np.stack([labels, -labels], axis=1))


def test_rows_of_a_training_are_a_permutation_in_each_epoch():
    def epochs(batch, seed):
        source = numbered(12, batch, seed=seed)
        labels = [label for number in range(36 // batch) for label in source.take(number)[1].astype(int).tolist()]
        return [labels[:12], labels[12:24], labels[24:]]

    found = epochs(4, 1)
    assert all(sorted(epoch) == [*range(12)] for epoch in found)
    assert found[0] != found[1] != found[2]
    assert epochs(9, 1) == epochs(18, 1) == found  # whatever the batch, within which an epoch may end
    assert epochs(4, 2) != found


def test_a_batch_depends_on_its_number_alone():
    source = numbered(7, 5)
    first = [source.take(number)[1].tolist() for number in range(6)]
    again = numbered(7, 5)
    assert [again.take(number)[1].tolist() for number in (5, 0, 3)] == [first[5], first[0], first[3]]


@pytest.mark.parametrize(("count", "batch", "found"), [(100, None, 64), (10, None, 10), (10, 30, 30)])
def test_an_input_takes_64_rows_or_what_is_asked_for(count, batch, found):
    assert len(numbered(count, batch).take(0)[1]) == found


def test_a_data_layers_batch_and_transform_are_its_own():
    draws = np.random.default_rng(0)
    pictures, labels = draws.integers(0, 256, (6, 2, 5, 4)), np.arange(6)
    source = rows(CROPPED, (pictures, labels))
    flips, places = set(), set()
    for number in range(30):
        data, found = source.take(number)
        assert data.shape == (4, 2, 3, 3)
        for picture, label in zip(data, found, strict=True):
            flip, place = which(picture, (pictures[int(label)] - 1) * 2)
            flips.add(flip)
            places.add(place)
    assert flips == {False, True}
    assert places == {(row, column) for row in range(3) for column in range(2)}
    data, _ = rows(CROPPED.replace("mirror: true", ""), (pictures, labels), trains=False).take(0)
    np.testing.assert_array_equal(data, (pictures[:4, :, 1:4, 0:3] - 1) * 2)


def which(found, picture):
    """The mirroring and the place of a crop of 3 x 3."""
    for flip in (False, True):
        for row in range(3):
            for column in range(2):
                crop = picture[:, row : row + 3, column : column + 3]
                if np.array_equal(found, crop[:, :, ::-1] if flip else crop):
                    return flip, (row, column)
    raise AssertionError("is no crop of its picture")


def test_layers_that_fill_themselves_are_not_asked_for():
    assert numbered(5).count == 5
    source = rows(DUMMY + INPUT, {"data": np.ones((5, 2)), "label": np.ones(5)})
    assert [array.shape for array in source.take(0)] == [(5, 2), (5,)]
    with pytest.raises(UsageError, match="an array for 'noise'"):
        rows(DUMMY + INPUT, {"noise": np.ones(5)})
    with pytest.raises(UsageError, match="a net without a data layer"):
        rows(DUMMY, [{"noise": 1}])


def test_pictures_that_do_not_fit_the_crop():
    with pytest.raises(InputError, match="crop_size 3 and pictures of 2x2"):
        rows(CROPPED, (np.ones((4, 1, 2, 2)), np.ones(4))).take(0)
