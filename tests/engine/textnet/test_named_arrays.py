"""The arrays of a net's layers by name: against the bytes of the weights file."""

from __future__ import annotations

import copy
import pickle
from itertools import pairwise

import numpy as np
import pytest
from reference.clouds import OPTIMIZER, classes

import caffe64
from caffe64.engine.compiler.cpu import LANES

WIDTHS = (5, 1, LANES - 1, LANES, LANES + 1, 2 * LANES + 3)


def made(widths=WIDTHS):
    lines = " / ".join(f"lin {width} -1 / rel" for width in widths[1:])
    net = caffe64.Net(f"inp {widths[0]} 4 / {lines} / sce")
    net.initialise(3)
    return net


def in_file(path, widths):
    """W [F, K] and b [K] of each layer, as a weights file has them: P, W row by row, b."""
    content, at, arrays = path.read_bytes(), 8 + 8, []
    for F, K in pairwise(widths):
        count = int.from_bytes(content[at : at + 8], "little")
        values = np.frombuffer(content, "<f4", count, at + 8)
        arrays.append((values[: F * K].reshape(F, K), values[F * K :]))
        at += 8 + 4 * count + 8  # and the size of rel, 0
    return arrays


def test_arrays_are_those_of_the_weights_file(tmp_path):
    net = made()
    net.save(tmp_path / "w.bin")
    for index, (W, b) in enumerate(in_file(tmp_path / "w.bin", WIDTHS)):
        layer = net.layers[1 + 2 * index]
        assert layer.W.dtype == layer.b.dtype == np.float32
        np.testing.assert_array_equal(layer.W, W)
        np.testing.assert_array_equal(layer.b, b)


def test_assigning_changes_one_array_and_begins_the_training_anew(tmp_path):
    net = made((6, 9, 3))
    net.fit(*classes(40), OPTIMIZER)
    assert net.progress is not None
    before = net.parameters
    W, b, last = net.layers[1].W, net.layers[1].b, net.layers[3].W
    net.layers[3].W = np.arange(27).reshape(9, 3)
    assert net.progress is None
    assert net.parameters is not before
    np.testing.assert_array_equal(net.layers[3].W, np.arange(27, dtype=np.float32).reshape(9, 3))
    np.testing.assert_array_equal(net.layers[1].W, W)
    np.testing.assert_array_equal(net.layers[1].b, b)
    net.layers[3].W = last.tolist()
    np.testing.assert_array_equal(net.parameters, before)
    net.layers[1].b = b + 1
    net.save(tmp_path / "w.bin")
    np.testing.assert_array_equal(in_file(tmp_path / "w.bin", (6, 9, 3))[0][1], b + 1)


def test_a_write_that_would_be_lost_is_refused():
    layer = made().layers[1]
    with pytest.raises(ValueError, match="read-only"):
        layer.W[0, 0] = 1
    with pytest.raises(ValueError, match="read-only"):
        layer.b += 1


def test_layers_are_what_they_were():
    net = made((2, 3))
    layer = net.layers[1]
    assert isinstance(layer, caffe64.LayerInfo)
    assert (layer.word, layer.text, layer.inputs, layer.outputs, layer.parameters, layer.macs) == (
        *("lin", "lin 3 -1", 2, 3, 9, 6),
    )
    assert {"W", "b", "text"} <= set(dir(layer))
    assert "W" not in dir(net.layers[2])
    for other in (pickle.loads(pickle.dumps(layer)), copy.deepcopy(layer)):
        assert other == layer
        assert hash(other) == hash(layer)
        np.testing.assert_array_equal(other.W, layer.W)


def assign(name, value, index=1):
    setattr(made((2, 3)).layers[index], name, value)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: caffe64.Net("inp 2 4 / lin 3 -1 / sce").layers[1].W, caffe64.UsageError, "has no weights yet: fit"),
        (lambda: assign("W", np.ones((3, 2))), caffe64.UsageError, r"W has the shape \[2, 3\], not \[3, 2\]"),
        (lambda: assign("b", [1, 2]), caffe64.UsageError, r"layers\[1\].b has the shape \[3\], not \[2\]"),
        (lambda: assign("b", [1, np.nan, 1e39]), caffe64.UsageError, "2 of the values are not finite in float32"),
        (lambda: assign("b", ["x", "y", "z"]), caffe64.UsageError, r"layers\[1\].b has the type"),
        (lambda: assign("w", 1), AttributeError, "'lin 3 -1', has no 'w' to read or assign: its arrays are W, b"),
        (lambda: assign("parameters", 1), AttributeError, "its arrays are W, b"),
        (lambda: assign("W", 1, index=2), AttributeError, "layer 2, 'rel', has no 'W' .* it has no parameters"),
        (lambda: made().layers[0].p, AttributeError, "it has no parameters"),
    ],
)  # fmt: skip
def test_what_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
