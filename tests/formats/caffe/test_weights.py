"""Which blobs go to which layer, and when a shape fits."""

from __future__ import annotations

import numpy as np
import pytest
from reference.caffe_messages import blob, floats, layer

from caffe64.errors import InputError
from caffe64.formats.caffe import match_weights, read_caffemodel


@pytest.fixture
def model(write):
    return lambda *layers: read_caffemodel(write(b"".join(layers), "net.caffemodel"))


def ones(*shape):
    return blob(floats(5, np.ones(shape)), shape)


def test_layers_match_by_name_and_not_by_position_or_type(model):
    file = model(layer("b", ones(2)), layer("gone", ones(1)), layer("relu"), layer("a", ones(3, 1), ones(3)))
    matched = match_weights(["a", "new", "b", "relu"], [[(3, 1), (3,)], [(5,)], [(2,)], []], file)
    assert {i: [a.shape for a in arrays] for i, arrays in matched.arrays.items()} == {0: [(3, 1), (3,)], 2: [(2,)]}
    assert matched.missing == [1]
    assert matched.unused == ["gone"]


def test_arrays_are_the_callers_own(model):
    file = model(layer("a", ones(64, 64)))
    array = match_weights(["a"], [[(64, 64)]], file).arrays[0][0]
    assert array.flags.c_contiguous
    assert array.flags.aligned
    assert array.dtype == np.float32
    array[...] = 2
    assert file.blobs[0].arrays[0].max() == 1


def test_of_two_layers_with_one_name_the_first_gets_the_blobs_and_of_two_in_the_file_the_last_gives_them(model):
    file = model(layer("a", ones(1)), layer("a", blob(floats(5, [7]), [1])))
    matched = match_weights(["a", "a"], [[(1,)], [(1,)]], file)
    assert matched.arrays[0][0].tolist() == [7]
    assert matched.missing == [1]


@pytest.mark.parametrize(
    ("legacy", "shape", "fits"),
    [
        ((1, 1, 2, 3), (2, 3), True),
        ((2, 3, 1, 1), (2, 3), False),
        ((1, 1, 1, 6), (6,), True),
        ((6, 1, 1, 1), (6,), False),
        ((1, 2, 1, 3), (2, 1, 3), True),
        ((1, 2, 1, 3), (1, 2, 1, 3), True),
        ((1, 1, 2, 3), (1, 1, 1, 2, 3), False),
        (None, (6,), False),
        (None, (2, 3), True),
        (None, (1, 2, 3), False),
    ],
)
def test_legacy_shapes_are_filled_up_on_the_left_and_others_are_equal(model, legacy, shape, fits):
    shapes = {"legacy": legacy} if legacy else {"shape": (2, 3)}
    file = model(layer("a", blob(floats(5, range(6)), **shapes)))
    if fits:
        assert match_weights(["a"], [[shape]], file).arrays[0][0].shape == shape
    else:
        with pytest.raises(InputError, match="layer 'a' blob 0 has the shape"):
            match_weights(["a"], [[shape]], file)


def test_a_legacy_single_number_fits_a_scalar(model):
    assert match_weights(["a"], [[()]], model(layer("a", blob(floats(5, [3]), legacy=(1, 1, 1, 1))))).arrays[0][0] == 3


def test_errors_name_layer_and_shapes(model):
    file = model(layer("fc7", ones(3, 2), ones(3)))
    with pytest.raises(InputError) as caught:
        match_weights(["fc7"], [[(4, 2), (4,)]], file)
    assert str(caught.value).endswith(
        "net.caffemodel: layer 'fc7' blob 0 has the shape [3, 2], expected [4, 2] as in the net "
        "(weights of another net? a layer that shall not get them needs another name)"
    )
    for shapes in ([(3, 2)], []):
        with pytest.raises(InputError, match=r"layer 'fc7' has 2 blobs \[3, 2\] \[3\], expected"):
            match_weights(["fc7"], [shapes], file)
    with pytest.raises(InputError, match=r"layer 'relu' has no blobs, expected 1 blob \[1\] as in"):
        match_weights(["relu"], [[(1,)]], model(layer("relu")))
