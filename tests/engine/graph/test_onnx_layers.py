"""LogSoftmax, GroupNorm, HardSigmoid, Eltwise's MIN, and Scale by a prefix of the axes: against float64,
with gradients, in ONNX; and what Caffe's writer says of layers that it does not have."""

from __future__ import annotations

import numpy as np
import pytest
from reference.caffe_graphs import data, layer
from reference.one_layer import gradient_of, one_layer, outputs_of, slope_of

from caffe64.engine.compiler.cpu import LANES
from caffe64.engine.graph.analysis.shapes import infer_shapes, known_shapes
from caffe64.engine.graph.frontends.caffe.build import build_graph
from caffe64.engine.graph.frontends.caffe.write import graph_message
from caffe64.engine.graph.ir.graph import Blob, Node
from caffe64.engine.graph.ops import OPS, op_of
from caffe64.engine.graph.ops.eltwise import ELTWISE_MIN, Eltwise
from caffe64.engine.graph.ops.group_norm import GroupNorm
from caffe64.engine.graph.ops.padding import Pad
from caffe64.engine.graph.ops.piecewise import Clip, HardSigmoid
from caffe64.engine.graph.ops.scale import Bias, Scale
from caffe64.engine.graph.ops.softmax import LogSoftmax
from caffe64.errors import InputError
from caffe64.formats.caffe import parse_prototxt

SIZES = [1, LANES - 1, LANES, LANES + 1]


def log_softmax(axis):
    def compute(x):
        shifted = x - x.max(axis, keepdims=True)
        return shifted - np.log(np.exp(shifted).sum(axis, keepdims=True))

    return compute


def hard_sigmoid(alpha, beta):
    return lambda x: np.clip(alpha * x + beta, 0, 1)


def group_norm(groups, eps):
    def compute(x):
        parts = x.reshape(x.shape[0], x.shape[1] if groups is None else groups, -1)
        deviation = np.sqrt(parts.var(2, keepdims=True) + eps)
        return ((parts - parts.mean(2, keepdims=True)) / deviation).reshape(x.shape)

    return compute


CASES = [
    ("LogSoftmax", LogSoftmax(1), (2, 5, 3), log_softmax(1)),
    ("LogSoftmax", LogSoftmax(-1), (2, 5, 3), log_softmax(-1)),
    ("LogSoftmax", LogSoftmax(0), (3, 4), log_softmax(0)),
    *(("HardSigmoid", HardSigmoid(), (2, size), hard_sigmoid(0.2, 0.5)) for size in SIZES),
    ("HardSigmoid", HardSigmoid(1 / 6, 0.25), (3, 7), hard_sigmoid(1 / 6, 0.25)),
    *(("HardSwish", None, (2, size), lambda x: x * np.clip(x / 6 + 0.5, 0, 1)) for size in SIZES),
    ("GroupNorm", GroupNorm(), (2, 3, 4, 5), group_norm(None, 1e-5)),
    ("GroupNorm", GroupNorm(2, 0.1), (2, 6, 3), group_norm(2, 0.1)),
    ("GroupNorm", GroupNorm(3), (2, 6), group_norm(3, 1e-5)),
    *(("GroupNorm", GroupNorm(1), (1, 1, size + 1), group_norm(1, 1e-5)) for size in SIZES),
]


@pytest.mark.parametrize(("kind", "attributes", "shape", "function"), CASES)
def test_a_layer_is_its_definition_and_its_gradient_the_slope(kind, attributes, shape, function):
    source = np.random.default_rng(0)
    x = (3 * source.standard_normal(shape)).astype(np.float32)
    graph = one_layer(kind, attributes, shape)
    np.testing.assert_allclose(outputs_of(graph, x), function(x.astype(float)), atol=2e-6, rtol=1e-5)
    dy = source.standard_normal(shape)
    np.testing.assert_allclose(gradient_of(graph, dy, x)[0], slope_of(function, dy, x), atol=1e-4)


@pytest.mark.parametrize(("kind", "attributes", "shape", "function"), CASES)
def test_a_layer_is_exported(kind, attributes, shape, function):
    export(one_layer(kind, attributes, shape))


def export(graph):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from caffe64.engine.graph.frontends.onnx.compare import compare_with_onnxruntime
    from caffe64.engine.graph.frontends.onnx.write.model import onnx_model

    model = onnx_model(graph, infer_shapes(graph), "1")
    assert model.opset_import[0].version == (14 if graph.nodes[-1].type == "HardSwish" else 13)
    assert max(each.relative for each in compare_with_onnxruntime(model, graph, infer_shapes(graph))) < 1e-5
    return model


def test_log_softmax_keeps_what_the_logarithm_of_softmax_loses():
    x = np.array([[0, 1000, -1000]], np.float32)
    np.testing.assert_array_equal(outputs_of(one_layer("LogSoftmax", LogSoftmax(), x.shape), x), [[-1000, 0, -2000]])


def test_the_hard_curves_keep_nan_and_bound_infinities():
    x = np.array([[np.nan, np.inf, -np.inf, 3, -3, 2.5, -2.5]], np.float32)
    found = outputs_of(one_layer("HardSigmoid", HardSigmoid(), x.shape), x)
    np.testing.assert_allclose(found, [[np.nan, 1, 0, 1, 0, 1, 0]], atol=1e-7)
    found = outputs_of(one_layer("HardSwish", None, x.shape), x)
    np.testing.assert_allclose(found, [[np.nan, np.inf, np.nan, 3, 0, 2.5 * 11 / 12, -2.5 / 12]], rtol=1e-6, atol=1e-6)


def test_sigmoid_is_exact_where_it_is_small():
    """A detector's scores lie there; a form by tanh has a relative error of 0.1 below -12."""
    x = np.linspace(-87, 20, 4001, dtype=np.float32).reshape(1, -1)
    expected = 1 / (1 + np.exp(-x.astype(float)))
    np.testing.assert_allclose(outputs_of(one_layer("Sigmoid", None, x.shape), x), expected, rtol=1e-6)


@pytest.mark.parametrize("shape", [(2, LANES), (1, 1, 1, 1), (2, LANES + 1, 3, 2), (5,)])
def test_the_minimum_of_blobs(shape):
    source = np.random.default_rng(0)
    arrays = [np.round(2 * source.standard_normal(shape)).astype(np.float32) for _ in range(3)]
    graph = one_layer("Eltwise", Eltwise(ELTWISE_MIN), *[shape] * 3)
    lowest = np.minimum.reduce(arrays)
    np.testing.assert_array_equal(outputs_of(graph, *arrays), lowest)
    dy = source.standard_normal(shape).astype(np.float32)
    gradients = gradient_of(graph, dy, *arrays)
    np.testing.assert_array_equal(sum(gradients), dy)
    for array, gradient in zip(arrays, gradients, strict=True):
        assert not gradient[array != lowest].any()
    export(graph)


@pytest.mark.parametrize("shape", [(), (2,), (2, 3), (2, 3, 4), (2, 3, 4, 5)])
@pytest.mark.parametrize("kind", ["Scale", "Bias"])
def test_a_second_bottom_of_the_first_axes_is_broadcast(kind, shape):
    source = np.random.default_rng(0)
    x, other = (source.standard_normal(size).astype(np.float32) for size in ((2, 3, 4, 5), shape))
    graph = one_layer(kind, (Scale if kind == "Scale" else Bias)(axis=0), x.shape, shape)
    whole = other.reshape(*shape, *[1] * (4 - len(shape)))
    found = outputs_of(graph, x, other)
    np.testing.assert_allclose(found, x * whole if kind == "Scale" else x + whole, rtol=1e-6)


def test_a_clip_of_one_side_is_exported_with_one_bound():
    for bounds, inputs in (((0.0, np.inf), ["x0", "least"]), ((-np.inf, 6.0), ["x0", "", "most"])):
        model = export(one_layer("Clip", Clip(*bounds), (2, 3)))
        (node,) = model.graph.node
        assert [bool(name) for name in node.input][: len(inputs)] == list(map(bool, inputs))
        assert len(model.graph.initializer) == 1


# ------------------------------------------------------------------------------------------------------ and Caffe
FOREIGN = ["GroupNorm", "LogSoftmax", "Pad", "Resize", "StridedSlice"]


def test_types_that_caffe_does_not_have():
    assert sorted(kind for kind, op in OPS.items() if op.attributes) == FOREIGN


@pytest.mark.parametrize("kind", FOREIGN)
def test_in_a_prototxt_they_are_unknown_types(kind):
    text = 'name: "net"' + data() + layer("l", kind, "data")
    graph = build_graph(parse_prototxt(text, "net.prototxt").message)
    assert op_of(graph.nodes[1]) is None
    assert list(known_shapes(graph)) == graph.inputs
    with pytest.raises(InputError, match=rf"not supported: 'l' \({kind}\)"):
        infer_shapes(graph)


def test_caffes_writer_names_all_that_it_does_not_have():
    graph = one_layer("LogSoftmax", LogSoftmax(), (1, 2, 3, 4))
    top = Blob("z")
    graph.nodes.append(Node("p", "Pad", list(graph.nodes[-1].tops), [top], Pad((0,) * 4, (1,) * 4)))
    message = r"made: layers that Caffe does not have: 'y' \(LogSoftmax\), 'p' \(Pad\) \(an .onnx file has them\)"
    with pytest.raises(InputError, match=message):
        graph_message(graph)


def test_caffes_writer_refuses_a_minimum():
    graph = one_layer("Eltwise", Eltwise(ELTWISE_MIN), (1, 2), (1, 2))
    with pytest.raises(InputError, match=r"'y' \(Eltwise\): has operation 3, which Caffe's format has no field for"):
        graph_message(graph)
