"""Data from Python: arrays, MemoryData, iterables of batches in place of a data layer."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from reference.data_nets import source_of

import caffe64
from caffe64.caffe.data.feeds import Feed, make_inputs
from caffe64.caffe.data.own import DataSource, OwnBatches
from caffe64.caffe.data.places import Places
from caffe64.caffe.reading import graph_of
from caffe64.errors import InputError, UsageError
from caffe64.formats.caffe import parse_prototxt

PYTHON = "type: 'Python' top: 'data' top: 'label' python_param { module: 'roi.layer' layer: 'RoI' }"


def batch(number):
    return {"data": np.full((2, 3), number), "label": [number, number], "unused": "text"}


def generator():
    return (batch(number) for number in itertools.count())


def first(batches):
    return int(batches[0][0, 0])


def test_batches_of_a_generator():
    source = OwnBatches(generator(), ["data", "label"])
    data, labels = source.take(0)
    assert (data.dtype, labels.dtype, data.shape, labels.tolist()) == (np.float32, np.float32, (2, 3), [0, 0])
    assert [first(source.take(number)) for number in (1, 2, 7)] == [1, 2, 7]
    with pytest.raises(UsageError, match="a generator, which cannot begin again"):
        source.take(0)


def test_a_list_begins_again_after_its_end():
    source = OwnBatches([batch(number) for number in range(3)], ["data"])
    assert [first(source.take(number)) for number in (0, 1, 2, 3, 4, 10, 1)] == [0, 1, 2, 0, 1, 1, 1]


def test_seek_goes_to_a_batch():
    class Seeking:
        at, seeks = 0, []

        def seek(self, number):
            self.at = number
            self.seeks.append(number)

        def __iter__(self):
            return (batch(number) for number in itertools.count(self.at))

    source = OwnBatches(Seeking(), ["data"])
    assert isinstance(Seeking(), DataSource)
    assert [first(source.take(number)) for number in (0, 1, 100, 101, 3)] == [0, 1, 100, 101, 3]
    assert Seeking.seeks == [0, 100, 3]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ([], "has ended before batch 0"),
        (iter([batch(0)]), "has ended before batch 1"),
        ([{"label": 1}], "without 'data'"),
        ([[1, 2]], "gave a list, expected a dict"),
        (3, "of the type int"),
        ({"data": 1}, "of the type dict"),
        (np.ones(3), "of the type ndarray"),
        ([{"data": "text"}], "data"),
    ],
)
def test_what_is_not_a_source_of_batches(source, message):
    with pytest.raises(UsageError, match=message):
        take_two(source)


def take_two(source):
    batches = OwnBatches(source, ["data"])
    batches.take(0)
    batches.take(1)


def test_a_python_data_layer_is_refused_with_the_remedy_and_replaced():
    with pytest.raises(InputError, match=r"'d' \(roi.layer.RoI\).* Python code.*caffe64.DataSource"):
        source_of(PYTHON)
    graph, _, _ = graph_of(parse_prototxt(f"layer {{ name: 'd' {PYTHON} }}"), "TRAIN", {})
    (((tops, source),)) = Feed("data", generator()).sources(graph, 0, Places("net", [])).values()
    assert tops == ["data", "label"]
    make_inputs(graph, {top: array.shape for top, array in zip(tops, source.take(0), strict=True)})
    net = caffe64.CaffeNet(graph)
    assert net.blobs["data"].shape == (2, 3)
    assert net.blobs["label"].shape == (2,)


def test_window_data_is_refused_by_name():
    layer = "type: 'WindowData' top: 'data' top: 'label' window_data_param { source: 'w.txt' batch_size: 2 }"
    with pytest.raises(InputError, match=r"\(WindowData\): is not read.*ImageData"):
        source_of(layer)


def test_dummy_data_is_drawn_by_seed_and_batch():
    layer = (
        "type: 'DummyData' top: 'a' top: 'b' dummy_data_param { shape { dim: 200 dim: 2 } "
        "data_filler { type: 'constant' value: 3 } data_filler { type: 'gaussian' std: 2 } }"
    )
    source = source_of(layer, seed=1)
    assert not source.takes_long
    a, b = source.take(3)
    assert (a == 3).all()
    assert 1.5 < b.std() < 2.5
    np.testing.assert_array_equal(source_of(layer, seed=1).take(3)[1], b)
    assert not np.array_equal(source.take(4)[1], b)
    assert not np.array_equal(source_of(layer, seed=2).take(3)[1], b)
    with pytest.raises(InputError, match="2 data_filler for 1 tops"):
        source_of(layer.replace("top: 'b'", ""))
