"""ONNX -> graph -> ONNX -> graph is the same graph; Caffe -> ONNX -> graph gives the same outputs."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.caffe_cases import CASES, read_case
from reference.caffe_graphs import data, graph_of
from reference.caffe_layers import built
from reference.random_nets import MORE, OTHERS, net_of, steps
from support import SHARED, assert_close, needs_shared

import caffe64
from caffe64.engine.graph.analysis.shapes import infer_shapes
from caffe64.engine.graph.ir.graph import Graph
from caffe64.engine.graph.verification.verify import run_graph

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from caffe64.engine.graph.frontends.onnx.compare import run_model  # noqa: E402
from caffe64.engine.graph.frontends.onnx.write.model import EXPORTS, onnx_model  # noqa: E402
from caffe64.perf.suites.onnx_nets import NETS  # noqa: E402

TOLERANCE = 1e-5  # of the largest magnitude
COMPUTED = {  # cases whose ONNX operators are not of CNNs: TopK, Gather by computed values, Greater
    "argmax", "argmax_axis", "argmax_topk_val", "embed", "embed_nobias", "threshold",
}  # fmt: skip

NOT_READ = {  # into other operators than those that are read, or, the last ones, of one batch only
    "Pooling and Upsample", "PSROIPooling", "ROIPooling", "Filter", "LSTM", "RNN", "Lstm", "BatchReindex",
}  # fmt: skip


def assert_near(found: np.ndarray, expected: np.ndarray, tolerance: float = TOLERANCE) -> None:
    assert_close("output", found, expected, tolerance * np.abs(expected).max(initial=1e-6))


def written(graph: Graph) -> bytes:
    return onnx_model(graph, infer_shapes(graph), "1.2.3").SerializeToString()


def read_again(graph: Graph) -> Graph:
    return caffe64.load_onnx(written(graph)).graph


def content(graph: Graph) -> list:
    """What a graph computes: layers by name, with the layers and tops that they read, attributes and weights."""
    places = {top: (number, at) for number, node in enumerate(graph.nodes) for at, top in enumerate(node.tops)}
    return [
        (
            re.sub(r"(/[a-z]+)_\d+$", r"\1", node.name),  # a number where the file has a node of the name
            node.type,
            [places[blob] for blob in node.bottoms],
            [blob.name for blob in node.tops if blob in graph.outputs],
            node.attributes,
            [(blob.shape, blob.tobytes()) for blob in node.weights],
        )
        for node in graph.nodes
    ]


@pytest.mark.parametrize("name", NETS)
def test_a_model_that_is_written_back_is_the_same_graph(name):
    net = caffe64.load_onnx(NETS[name].model(32, 0.25).SerializeToString())
    again = read_again(net.graph)
    assert content(again) == content(net.graph)
    assert content(read_again(again)) == content(again)


@pytest.mark.parametrize("name", NETS)
def test_a_model_gives_onnxruntimes_outputs_also_optimised(name):
    model = NETS[name].model(32, 0.25)
    net = caffe64.load_onnx(model.SerializeToString())
    x = np.random.default_rng(0).standard_normal((2, 3, 32, 32), np.float32)
    expected = run_model(model, {"x": x})[0]
    smaller, _ = caffe64.optimize(net)
    for each in (net, smaller, caffe64.load_onnx(written(smaller.graph))):
        found = each.forward(x=x)
        assert list(found) == sorted(expected)
        for output, values in expected.items():
            assert_near(found[output], values, 1e-4)


@pytest.mark.parametrize("name", [name for name in CASES if name not in COMPUTED])
def test_a_layer_of_caffe_gives_real_caffes_tops_by_way_of_onnx(name):
    text, phase, arrays = read_case(name)
    graph = built(text, phase)
    if any(node.type not in EXPORTS for node in graph.nodes) or phase == "TRAIN":
        pytest.skip("is not written as ONNX")
    graph.nodes[-1].weights = arrays.get("param", [])
    bottoms = {blob.name: values for blob, values in zip(graph.inputs, arrays["bottom"], strict=True)}
    model = caffe64.load_onnx(written(graph))
    found = model.forward(**{name: bottoms[name] for name in model.inputs})
    in_place = set(bottoms) & {blob.name for blob in graph.nodes[-1].tops}  # then the output has another name
    names = list(found) if in_place else [blob.name for blob in graph.nodes[-1].tops]
    for output, top in zip(names, arrays["top"], strict=True):
        assert_near(found[output], top)


@settings(max_examples=25, deadline=None)
@given(chosen=steps({**OTHERS, **MORE}.keys() - NOT_READ), seed=st.integers(0, 99))
def test_random_nets_stay_equal(chosen, seed):
    """The graph, the graph that is read from its model, and both models in onnxruntime; for another batch as well."""
    graph = graph_of(data("2 3 4 5"), *net_of(chosen), seed=seed)
    first = written(graph)
    net = caffe64.load_onnx(first)
    models = [onnx.ModelProto.FromString(each) for each in (first, written(net.graph))]
    for batch in (2, 3):
        x = np.random.default_rng(seed).standard_normal((batch, 3, 4, 5), np.float32)
        expected = run_graph(graph, {"data": x}, reference=True)
        for found in (net.forward(data=x), *(run_model(model, {"data": x})[0] for model in models)):
            assert {name: values.shape for name, values in found.items()} == {
                name: values.shape for name, values in expected.items()
            }
            for name, values in expected.items():
                assert_near(found[name], values, 1e-4)


@needs_shared
@pytest.mark.parametrize("name", ["cifar10", "face68"])
def test_a_net_of_caffe_gives_the_same_outputs_by_way_of_onnx(name):
    files = {
        "cifar10": ("train_val.prototxt", "cifar10.caffemodel", {"data": (2, 3, 32, 32)}),
        "face68": ("deploy_68_new.prototxt", "vgg_68_new.caffemodel", None),
    }
    net_file, model_file, shapes = files[name]
    folder = SHARED / "caffe" / name
    net = caffe64.load_caffe(folder / net_file, folder / model_file, deploy=name == "cifar10", input_shapes=shapes)
    again = caffe64.load_onnx(written(net.graph))
    x = np.random.default_rng(0).standard_normal(next(iter(again.shapes.values())), np.float32)
    expected, found = (each.forward(**{each.inputs[0]: x}) for each in (net, again))
    for output in expected:
        assert_near(found[output], expected[output])
