"""The outline of ONNX files that caffe64 does not run: any opset, domain, function and subgraph."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper, numpy_helper
from reference.onnx_models import model, node, random, small_net, value
from support import SHARED, needs_shared

from caffe64.errors import InputError
from caffe64.formats.onnx import read_outline


def outline(made, shapes=None):
    return read_outline(made.SerializeToString(), shapes)


def test_nodes_are_those_of_the_file():
    found = outline(small_net())
    assert [each.type for each in found.nodes] == [
        "Conv",
        "Relu",
        "Shape",
        "Gather",
        "Unsqueeze",
        "Concat",
        "Reshape",
        "Gemm",
    ]
    assert (found.constants["w"].shape, found.constants["w"].type) == ((4, 3, 3, 3), "float")
    assert (found.constants["zero"].shape, found.constants["zero"].type) == ((), "int64")
    assert found.shapes["y"] == (1, 5)
    assert found.shapes["w"] == (4, 3, 3, 3)
    assert found.notices == ("model: its batch is free: shapes are those of a batch of 1",)
    assert outline(small_net(), (7, 3, 6, 6)).shapes["y"] == (7, 5)
    assert outline(small_net(2)).notices == ()


@pytest.mark.parametrize("opset", [1, 5, 99])
def test_opsets_that_are_not_known_have_no_shapes(opset):
    found = outline(small_net(opset=opset))
    assert found.opset == 0
    assert len(found.nodes) == 8
    assert "y" not in found.shapes
    assert "of an opset that the package onnx does not know" in found.notices[-1]


def test_attributes_are_values_or_texts():
    inner = helper.make_graph([node("Relu", "x", "b")], "g", [], [value("b", None)])
    tensor = numpy_helper.from_array(np.zeros((2, 3), np.float32))
    nodes = [
        node("If", "c", "a", then_branch=inner, else_branch=inner),
        node("Own", "a", "y", domain="own", table=tensor, numbers=[1, 2], word="w" * 500, share=0.5),
    ]
    found = outline(model(nodes, [value("x", [1, 2]), value("c", [], 9)], {"y": None}))
    assert found.nodes[0].attributes == {"then_branch": "a graph of 1 nodes", "else_branch": "a graph of 1 nodes"}
    assert found.nodes[0].inputs == ("c", "x"), "what its branches read"
    attributes = found.nodes[1].attributes
    assert (attributes["table"], attributes["numbers"], attributes["share"]) == ("float [2, 3]", (1, 2), 0.5)
    assert attributes["word"] == "w" * 200 + "..."


def test_shapes_that_the_file_says_where_none_can_be_inferred():
    nodes = [node("Own", "x", "a", domain="own"), node("Relu", "a", "y")]
    made = model(nodes, {"x": [1, 2]}, {"y": None})
    made.graph.value_info.append(value("a", [1, 7]))
    found = outline(made)
    assert (found.shapes["a"], found.shapes["y"]) == ((1, 7), (1, 7))


def test_functions_are_nodes():
    body = [node("Exp", "a", "b")]
    function = helper.make_function("own", "Twice", ["a"], ["b"], body, [helper.make_opsetid("", 13)])
    nodes = [node("Twice", "x", "y", domain="own")]
    found = outline(model(nodes, {"x": [1]}, {"y": None}, functions=[function], imports=[("own", 1)]))
    assert [(each.type, each.domain) for each in found.nodes] == [("Twice", "own")]


def test_a_node_that_does_not_fit_ends_the_shapes():
    nodes = [node("Relu", "x", "a"), node("Conv", "a w", "b", name="bad"), node("Relu", "b", "y")]
    found = outline(model(nodes, {"x": [1, 5, 8, 8]}, {"y": None}, {"w": random(4, 3, 3)}))
    assert found.shapes["a"] == (1, 5, 8, 8)
    assert "y" not in found.shapes
    assert "node 'bad' (Conv)" in found.notices[-1]
    assert "shapes behind it are not known" in found.notices[-1]


def test_circles_and_missing_values_are_refused():
    with pytest.raises(InputError, match="has a circle of nodes"):
        outline(model([node("Add", "x b", "a"), node("Relu", "a", "b")], {"x": [1]}, {"b": None}))
    with pytest.raises(InputError, match="reads 'z'"):
        outline(model([node("Relu", "z", "a")], {"x": [1]}, {"a": None}))


@needs_shared
@pytest.mark.parametrize("path", sorted((SHARED / "onnx").glob("*.onnx")), ids=lambda path: path.name)
def test_every_model_of_the_wild_is_drawn(path):
    import caffe64

    free = "has free dimensions" in "".join(read_outline(path).notices)
    drawing = caffe64.draw(path, input_shapes=(1, 3, 64, 96) if free else None)
    assert len(drawing.nets[0].layers) > 40
    assert all(shape is not None for layer in drawing.nets[0].layers for _, shape in layer.outputs)
    assert drawing.svg.startswith("<svg")
