"""Pad and StridedSlice against NumPy and onnxruntime; their gradients; what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.one_layer import gradient_of, one_layer, outputs_of

from caffe64.engine.graph.analysis.shapes import infer_shapes
from caffe64.engine.graph.ops.padding import Pad
from caffe64.engine.graph.ops.strided_slice import StridedSlice
from caffe64.errors import InputError


def numbered(shape):
    return np.arange(1, np.prod(shape) + 1, dtype=np.float32).reshape(shape)


def padded(x, attributes):
    """Cut, then padded by NumPy."""
    before, after = attributes.pads_before, attributes.pads_after
    cut = x[tuple(slice(max(0, -b), n + min(0, a)) for n, b, a in zip(x.shape, before, after, strict=True))]
    pads = [(max(0, b), max(0, a)) for b, a in zip(before, after, strict=True)]
    more = {"constant_values": attributes.value} if attributes.mode == "constant" else {}
    return np.pad(cut, pads, attributes.mode, **more)


def export(graph):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from caffe64.engine.graph.frontends.onnx.compare import compare_with_onnxruntime
    from caffe64.engine.graph.frontends.onnx.write.model import onnx_model

    model = onnx_model(graph, infer_shapes(graph), "1")
    assert max(each.relative for each in compare_with_onnxruntime(model, graph, infer_shapes(graph))) == 0
    return model


@st.composite
def pads(draw):
    shape = draw(st.lists(st.integers(1, 6), min_size=1, max_size=4))
    mode, before, after = draw(st.sampled_from(["constant", "edge", "reflect"])), [], []
    for size in shape:
        cut = [draw(st.integers(0, (size - 1) // 2)) for _ in range(2)]
        kept = size - sum(cut)
        added = [draw(st.integers(0, kept - 1 if mode == "reflect" else 3)) for _ in range(2)]
        # negative where it cuts, else what it adds
        both = [-c if c else a for c, a in zip(cut, added, strict=True)]
        before.append(both[0])
        after.append(both[1])
    return tuple(shape), Pad(tuple(before), tuple(after), mode, draw(st.sampled_from([0.0, -2.5, float("-inf")])))


@settings(max_examples=150, deadline=None)
@given(pads())
def test_pad_is_numpys(case):
    shape, attributes = case
    x = numbered(shape)
    graph = one_layer("Pad", attributes, shape)
    np.testing.assert_array_equal(outputs_of(graph, x), padded(x, attributes))
    dy = np.random.default_rng(0).standard_normal(infer_shapes(graph)[graph.outputs[0]])
    (dx,) = gradient_of(graph, dy, x)
    linear = Pad(attributes.pads_before, attributes.pads_after, attributes.mode, 0.0)
    assert np.vdot(dx.astype(float), x) == pytest.approx(np.vdot(dy, padded(x, linear)), rel=1e-4, abs=1e-3)


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect"])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((0, 0, 1, 2), (0, 0, 0, 3)),
        ((0, 1, 0, 0), (0, -1, 1, 1)),
        ((0, 0, -1, -2), (0, 0, -1, 0)),
        ((0, 0, 0, -2), (0, 0, 2, 2)),
    ],
)
def test_pad_is_exported(mode, before, after):
    model = export(one_layer("Pad", Pad(before, after, mode, 1.5), (2, 3, 4, 5)))
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "N"


@st.composite
def slices(draw):
    shape = draw(st.lists(st.integers(1, 7), min_size=1, max_size=4))
    axes = draw(st.lists(st.sampled_from(range(len(shape))), unique=True))
    bounds = st.one_of(st.integers(-9, 9), st.sampled_from([-(2**63), -(2**31), 2**31 - 1, 2**63 - 1]))
    numbers = [tuple(draw(bounds) for _ in axes) for _ in range(2)]
    steps = tuple(draw(st.sampled_from([1, 2, 3, -1, -2, -5, 2**40])) for _ in axes)
    return tuple(shape), StridedSlice(
        tuple(axis - draw(st.sampled_from([0, len(shape)])) for axis in axes), *numbers, steps
    )


@settings(max_examples=200, deadline=None)
@given(slices())
def test_strided_slice_is_onnxs(case):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from onnx import helper

    from caffe64.engine.graph.frontends.onnx.compare import run_model

    shape, attributes = case
    x, graph = numbered(shape), one_layer("StridedSlice", attributes, shape)
    names = ("starts", "ends", "axes", "steps")
    model = helper.make_model(
        helper.make_graph(
            [helper.make_node("Slice", ["x0", *names], ["y"])], "g",
            [helper.make_tensor_value_info("x0", 1, shape)],
            [helper.make_tensor_value_info("y", 1, [None] * len(shape))],
            [onnx.numpy_helper.from_array(np.array(getattr(attributes, name), np.int64), name) for name in names],
        ),
        opset_imports=[helper.make_opsetid("", 13)], ir_version=7,
    )  # fmt: skip
    (expected,) = run_model(model, {"x0": x})[0].values()
    # backwards, onnxruntime takes an end of INT_MAX for "through the first", which the specification writes as INT_MIN
    odd = any(step < 0 and end >= 2**31 - 1 for step, end in zip(attributes.steps, attributes.ends, strict=True))
    if not expected.size or odd:
        with pytest.raises(InputError, match=r"layer 'y' \(StridedSlice\): takes nothing of axis \d"):
            infer_shapes(graph)
        return
    np.testing.assert_array_equal(outputs_of(graph, x), expected)
    (dx,) = gradient_of(graph, expected, x)
    np.testing.assert_array_equal(dx, np.where(np.isin(x, expected), x, 0))


@pytest.mark.parametrize(
    "attributes",
    [
        StridedSlice((1, 3), (0, -1), (3, -9), (2, -2)),
        StridedSlice((-1,), (1,), (2**63 - 1,), (1,)),
        StridedSlice((2,), (-1,), (-(2**63),), (-1,)),
    ],
)
def test_strided_slice_is_exported(attributes):
    model = export(one_layer("StridedSlice", attributes, (2, 3, 4, 5)))
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "N"


def test_a_part_of_the_batch_is_exported_for_any_batch():
    """Counted from the end, it grows with the batch."""
    export(one_layer("StridedSlice", StridedSlice((0,), (1,), (2**31,), (1,)), (3, 2)))


@pytest.mark.parametrize(
    ("kind", "attributes", "message"),
    [
        ("Pad", Pad((1, 1), (1, 1)), "has 2 pads before and 2 after for 3 axes, expected as many of both as axes"),
        ("Pad", Pad((0, 0, -3), (0, 0, -3)), r"cuts \[-3, -3\] off axis 2, which has 5, expected at least 1"),
        ("Pad", Pad((0, 0, 5), (0, 0, 0), "reflect"), "reflects 5 of the 5 values of axis 2, expected at most 4"),
        ("Pad", Pad((0, 0, 2**40), (0, 0, 0)), "numbers, expected at most 2147483647"),
        ("StridedSlice", StridedSlice((0,), (0,), (1,), (0,)), "has step 0 on axis 0"),
        ("StridedSlice", StridedSlice((3,), (0,), (1,), (1,)), "axis 3 of a blob with 3 axes"),
        ("StridedSlice", StridedSlice((0, -3), (0, 0), (1, 1), (1, 1)), "expected each axis once"),
        ("StridedSlice", StridedSlice((0,), (0,), (1,), ()), "has 1 axes, 1 starts, 1 ends and 0 steps"),
        ("StridedSlice", StridedSlice((2,), (5,), (9,), (1,)), "takes nothing of axis 2, which has 5"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(kind, attributes, message):
    with pytest.raises(InputError, match=rf"layer 'y' \({kind}\): .*{message}"):
        infer_shapes(one_layer(kind, attributes, (2, 3, 5)))
