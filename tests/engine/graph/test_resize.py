"""Resize against onnxruntime and onnx's own reference, in all modes; its gradient; what is refused."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.one_layer import gradient_of, one_layer, outputs_of

from caffe64.engine.graph.analysis.shapes import infer_shapes
from caffe64.engine.graph.ops.resize import COORDINATES, ROUNDINGS, Resize
from caffe64.errors import InputError

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper  # noqa: E402
from onnx.reference import ReferenceEvaluator  # noqa: E402

from caffe64.engine.graph.frontends.onnx.compare import compare_with_onnxruntime, run_model  # noqa: E402
from caffe64.engine.graph.frontends.onnx.write.model import onnx_model  # noqa: E402

F = np.float32
MODES = [("nearest", rounding) for rounding in ROUNDINGS] + [("linear", "floor")]
OPSETS = {"tf_half_pixel_for_nn": 11, "half_pixel_symmetric": 19}


def model_of(attributes, shape):
    """An ONNX model of one Resize."""
    opset = OPSETS.get(attributes.coordinates, 13)
    numbers = (
        np.array([1, 1, *attributes.scales], F) if attributes.scales else np.array([*shape[:2], *attributes.sizes])
    )
    empty = np.zeros(0, F)
    weights = {"roi": empty, "scales": numbers if attributes.scales else empty, "sizes": numbers}
    names = ["roi", "scales"] if attributes.scales else ["roi", "scales", "sizes"]
    node = helper.make_node(
        "Resize", ["x0", *names], ["y"], mode=attributes.mode, nearest_mode=attributes.rounding,
        coordinate_transformation_mode=attributes.coordinates,
    )  # fmt: skip
    graph = helper.make_graph(
        [node], "g",
        [helper.make_tensor_value_info("x0", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * len(shape))],
        [onnx.numpy_helper.from_array(weights[name], name) for name in names],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def picture(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape, F)


@pytest.mark.parametrize("coordinates", COORDINATES)
@pytest.mark.parametrize(("mode", "rounding"), MODES)
def test_all_sizes_give_onnxruntimes_pixels(coordinates, mode, rounding):
    """n and m from 1 to 9, by sizes and by scales of which some belong to no whole size; rows and columns differ."""
    for n, m in itertools.product(range(1, 10), repeat=2):
        x = picture(1, 2, n, n + 1)
        scales = float(F(m / n)), float(F((m + 0.3) / n))
        ways = [{"sizes": (m, 10 - m)}, {"scales": scales}] if n * F(scales[0]) >= 1 else [{"sizes": (m, 10 - m)}]
        for way in ways:
            attributes = Resize(mode, coordinates=coordinates, rounding=rounding, **way)
            graph = one_layer("Resize", attributes, x.shape)
            shape = infer_shapes(graph)[graph.outputs[0]]
            if shape == x.shape:
                continue  # a copy in onnxruntime, whatever the scale
            (expected,) = run_model(model_of(attributes, x.shape), {"x0": x})[0].values()
            assert shape == expected.shape
            np.testing.assert_allclose(outputs_of(graph, x), expected, atol=2e-6, err_msg=f"{attributes} of {x.shape}")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_it_gives_the_reference_of_onnx_where_no_tie_decides(data):
    """Which computes coordinates in float64."""
    coordinates = data.draw(st.sampled_from([name for name in COORDINATES if name != "tf_half_pixel_for_nn"]))
    n, m = data.draw(st.integers(2, 9)), data.draw(st.integers(2, 9))
    attributes = Resize("linear", sizes=(m, 3), coordinates=coordinates)
    x = picture(1, 1, n, 5)
    (expected,) = ReferenceEvaluator(model_of(attributes, x.shape)).run(None, {"x0": x})
    np.testing.assert_allclose(outputs_of(one_layer("Resize", attributes, x.shape), x), expected, atol=1e-5)


def test_the_given_scale_is_used_and_not_the_quotient_of_sizes():
    x = np.arange(4, dtype=F).reshape(1, 1, 1, 4)
    by_scale = outputs_of(one_layer("Resize", Resize("linear", scales=(1.0, 0.6)), x.shape), x)
    np.testing.assert_allclose(by_scale.reshape(-1), [0.5 / 0.6 - 0.5, 1.5 / 0.6 - 0.5], rtol=1e-6)
    both = Resize("linear", scales=(1.0, 0.5), sizes=(1, 3), coordinates="asymmetric")
    np.testing.assert_array_equal(outputs_of(one_layer("Resize", both, x.shape), x).reshape(-1), [0, 2, 3])


@pytest.mark.parametrize("shape", [(2, 3, 4), (1, 2, 3, 2, 4)])
def test_one_and_three_axes_are_resized_too(shape):
    attributes = Resize("linear", scales=(2.0,) * (len(shape) - 2))
    x = picture(*shape)
    found = outputs_of(one_layer("Resize", attributes, shape), x)
    (expected,) = ReferenceEvaluator(model_of(attributes, shape)).run(None, {"x0": x})
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(
    "attributes",
    [
        Resize("nearest", scales=(2.0, 2.0), coordinates="asymmetric", rounding="floor"),
        Resize("nearest", sizes=(7, 2)),
        Resize("linear", scales=(2.0, 0.6)),
        Resize("linear", scales=(2.0, 3.0), coordinates="half_pixel_symmetric"),
        Resize("linear", sizes=(9, 9), coordinates="align_corners"),
        Resize("linear", sizes=(1, 1), coordinates="pytorch_half_pixel"),
        Resize("linear", scales=(2.0, 1.3), coordinates="tf_half_pixel_for_nn"),
        Resize("nearest", scales=(2.0, 1.3), coordinates="tf_half_pixel_for_nn", rounding="ceil"),
        Resize("linear", scales=(1.5, 1.5), sizes=(8, 7)),
        Resize("linear", scales=(1.1, 1.1)),
    ],
)
@pytest.mark.parametrize("side", [5, 41])
def test_it_is_exported_for_any_batch(attributes, side):
    graph = one_layer("Resize", attributes, (2, 3, 5, side))
    model = onnx_model(graph, infer_shapes(graph), "1")
    assert model.opset_import[0].version == (19 if attributes.coordinates == "half_pixel_symmetric" else 13)
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "N"
    assert max(each.relative for each in compare_with_onnxruntime(model, graph, infer_shapes(graph))) < 1e-5


def test_sizes_whose_quotient_is_too_small_in_float32_are_exported():
    """m / n rounds down, so that floor(n * scale) is m - 1: 47 / 61 is the first such one."""
    pairs = [(n, m) for n in range(1, 99) for m in range(1, 99) if int(F(n) * (F(m) / F(n))) < m]
    assert pairs
    for n, m in pairs[:4]:
        graph = one_layer("Resize", Resize("linear", sizes=(m, 2)), (2, 1, n, 3))
        model = onnx_model(graph, infer_shapes(graph), "1")
        assert max(each.relative for each in compare_with_onnxruntime(model, graph, infer_shapes(graph))) < 1e-5


@pytest.mark.parametrize(
    "attributes",
    [Resize("nearest", scales=(2.0, 0.7)), Resize("linear", scales=(1.7, 0.7)), Resize("linear", sizes=(1, 9))],
)
def test_its_gradient_is_the_adjoint(attributes):
    x = picture(2, 2, 4, 5)
    graph = one_layer("Resize", attributes, x.shape)
    y = outputs_of(graph, x)
    dy = picture(*y.shape, seed=1)
    (dx,) = gradient_of(graph, dy, x)
    assert np.vdot(dy.astype(float), y) == pytest.approx(np.vdot(dx.astype(float), x), rel=1e-4)


@pytest.mark.parametrize(
    ("attributes", "shape", "message"),
    [
        (
            Resize(scales=(2.0,)),
            (1, 3, 4, 4),
            "has 1 scales and 0 sizes for 2 spatial axes, expected a scale or a size",
        ),
        (Resize(), (1, 3, 4, 4), "has 0 scales and 0 sizes for 2 spatial axes"),
        (Resize(scales=(2.0, 2.0)), (3, 4), r"has a bottom of shape \[3, 4\], expected 1 to 3 axes behind"),
        (Resize(scales=(0.1, 2.0)), (1, 3, 4, 4), r"resizes \[4, 4\] pixels to \[0, 8\], expected at least 1"),
        (Resize(scales=(-1.0, 2.0)), (1, 3, 4, 4), r"has scales \[-1.0, 2.0\]"),
        (Resize(scales=(float("nan"), 2.0)), (1, 3, 4, 4), "has scales"),
        (Resize(sizes=(2**40, 2)), (1, 3, 4, 4), "resizes"),
        (Resize(scales=(1e30, 2.0)), (1, 3, 4, 4), "resizes"),
        (Resize(sizes=(2**20, 2**20)), (1, 3, 4, 4), "numbers, expected at most 2147483647"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(attributes, shape, message):
    with pytest.raises(InputError, match=rf"layer 'y' \(Resize\): .*{message}"):
        infer_shapes(one_layer("Resize", attributes, shape))
