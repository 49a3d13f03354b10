"""Axpy: a number per picture and channel times x, plus z, against float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.caffe_graphs import data, graph_of, layer, optimised, types
from reference.caffe_layers import built, net_text, run_layer
from reference.caffe_slopes import apart, check_slopes

import caffe64
from caffe64.engine.compiler.cpu import LANES
from caffe64.engine.graph.analysis.shapes import infer_shapes
from caffe64.errors import InputError

few = settings(max_examples=20)
shapes = st.tuples(
    st.integers(1, 3),
    st.sampled_from([1, 2, LANES, LANES + 1]),
    st.lists(st.sampled_from([1, 2, LANES + 1]), max_size=3),
).map(lambda sizes: (*sizes[:2], *sizes[2]))


def axpy(a, x, z):
    return a.reshape(*x.shape[:2], *[1] * (x.ndim - 2)) * x + z


def operands(shape, axes):
    factor = shape[:2] + (1,) * axes
    return [apart(*each, seed=n) for n, each in enumerate((factor, shape, shape))]


@few
@given(shape=shapes, axes=st.integers(0, 2))
def test_values_and_gradients(shape, axes):
    arrays = operands(shape, axes)
    (found,) = run_layer("Axpy", arrays)
    np.testing.assert_allclose(found, axpy(*(array.astype(float) for array in arrays)), rtol=1e-5, atol=1e-5)
    check_slopes(axpy, 'type: "Axpy"', arrays)


@pytest.mark.parametrize(
    ("found", "wrong"),
    [
        (
            [(2, 4), (2, 3, 4, 5), (2, 3, 4, 5)],
            r"a scale of shape \[2, 4\], expected \[2, 3\], or with axes of 1",
        ),
        ([(2, 3, 1, 2), (2, 3, 4, 5), (2, 3, 4, 5)], r"a scale of shape \[2, 3, 1, 2\]"),
        ([(3,), (2, 3, 4, 5), (2, 3, 4, 5)], r"a scale of shape \[3\]"),
        ([(2, 3), (2, 3, 4, 5), (2, 3, 4, 1)], r"a third bottom of shape \[2, 3, 4, 1\], expected \[2, 3, 4, 5\]"),
        ([(2,), (2,), (2,)], r"a second bottom of shape \[2\], expected 2 axes or more"),
    ],
)
def test_shapes_that_do_not_fit(found, wrong):
    with pytest.raises(InputError, match=wrong):
        infer_shapes(built(net_text("Axpy", found)))


@pytest.mark.parametrize("top", ["a", "x", "z"])
def test_it_does_not_work_in_place(top):
    inputs = data("2 3", "a") + data("2 3 4 5", "x") + data("2 3 4 5", "z")
    with pytest.raises(
        InputError, match=f"works in place on '{top}'|gives the blob '{top}', which another layer gives"
    ):
        infer_shapes(built(inputs + layer("y", "Axpy", "a x z", top)))


def test_no_rows():
    (found,) = run_layer("Axpy", [array[:0] for array in operands((2, 3, 4), 1)])
    assert found.shape == (0, 3, 4)


def test_values_that_are_not_finite_stay_in_their_channel():
    a, x, z = (np.ones(shape, np.float32) for shape in ((1, 3), (1, 3, 2, 2), (1, 3, 2, 2)))
    a[0, 1], x[0, 2, 0, 0] = np.nan, np.inf
    (found,) = run_layer("Axpy", [a, x, z])
    assert np.isnan(found[0, 1]).all()
    np.testing.assert_array_equal(found[0, [0, 2]].ravel(), [2, 2, 2, 2, np.inf, 2, 2, 2])


@pytest.mark.parametrize("factor", ["2 3", "2 3 1 1"])
@pytest.mark.parametrize("shape", ["2 3 4 5", "2 3 4", "2 3"])
def test_it_is_exported_with_a_free_batch(factor, shape, tmp_path):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    net = caffe64.CaffeNet(graph_of(data(factor, "a"), data(shape, "x"), data(shape, "z"), layer("y", "Axpy", "a x z")))
    (difference,) = caffe64.export_onnx(net, tmp_path / "n.onnx")
    assert difference.relative < 1e-6
    (output,) = onnx.load(tmp_path / "n.onnx").graph.output
    assert output.type.tensor_type.shape.dim[0].dim_param == "N"


def test_passes_fold_what_is_in_front_of_it():
    layers = [
        layer("c", "Convolution", "data", more="convolution_param { num_output: 4 kernel_size: 1 }"),
        layer("n", "BatchNorm", "c", "c"),
        layer("m", "Pooling", "c", "m", "pooling_param { pool: AVE global_pooling: true }"),
        layer("y", "Axpy", "m c c", "y"),
    ]
    smaller, _ = optimised(graph_of(data("2 3 5 4"), *layers))
    assert types(smaller) == ["Input", "Convolution", "Pooling", "Axpy"]
