"""Shapes as far as they are known, and the memory of layers that work in place."""

from __future__ import annotations

import pytest
from reference.caffe_graphs import conv, data, layer

from caffe64.engine.graph.analysis.aliasing import exclusive_blobs
from caffe64.engine.graph.analysis.cost import added_blobs, cost_of
from caffe64.engine.graph.analysis.shapes import infer_shapes, known_shapes
from caffe64.engine.graph.frontends.caffe.build import build_graph
from caffe64.engine.graph.ir.op import count
from caffe64.errors import InputError
from caffe64.formats.caffe import parse_prototxt


def graph_of(*layers: str):
    return build_graph(parse_prototxt("".join(layers)).message)


def named(graph, shapes) -> dict:
    return {blob.name: shape for blob, shape in shapes.items()}


def test_where_all_is_known_both_say_the_same():
    graph = graph_of(data(), conv("c", "data"), layer("r", "ReLU", "c", "c"), layer("p", "Softmax", "c"))
    assert known_shapes(graph) == infer_shapes(graph)
    assert known_shapes(graph, {"data": (1, 3, 9, 9)}) == infer_shapes(graph, {"data": (1, 3, 9, 9)})


def test_behind_a_layer_of_an_unknown_type_nothing_is_known():
    graph = graph_of(data("2 3 7 6"), conv("c", "data"), layer("u", "Strange", "c"), conv("d", "u"), conv("e", "c"))
    assert named(graph, known_shapes(graph)) == {"data": (2, 3, 7, 6), "c": (2, 4, 5, 4), "e": (2, 4, 3, 2)}
    with pytest.raises(InputError, match="'u' \\(Strange\\)"):
        infer_shapes(graph)


def test_a_source_that_does_not_say_its_shape_may_be_given_one():
    graph = graph_of(layer("h", "HDF5Data", "", "x y"), layer("i", "Input", "", "z"), conv("c", "x"), conv("d", "z"))
    assert named(graph, known_shapes(graph)) == {}
    found = named(graph, known_shapes(graph, {"x": (1, 3, 8, 8), "z": (1, 1, 5, 5)}))
    assert found == {"x": (1, 3, 8, 8), "c": (1, 4, 6, 6), "z": (1, 1, 5, 5), "d": (1, 4, 3, 3)}


def test_what_does_not_fit_is_an_error_all_the_same():
    graph = graph_of(data("1 3 2 2"), conv("c", "data"), layer("u", "Strange", "c"), layer("e", "Eltwise", "data c"))
    with pytest.raises(InputError, match="has a kernel that reaches over"):
        known_shapes(graph)
    with pytest.raises(InputError, match="has no input 'picture'"):
        known_shapes(graph, {"picture": (1,)})


def test_a_layer_adds_its_tops_unless_it_overwrites_a_blob_that_is_its_own():
    graph = graph_of(data(), layer("r", "ReLU", "data", "data"), conv("c", "data"), layer("s", "ReLU", "c", "c"))
    shapes, exclusive = infer_shapes(graph), exclusive_blobs(graph)
    added = [len(added_blobs(node, exclusive)) for node in graph.nodes]
    assert added == [1, 1, 1, 0]  # an input is the caller's
    floats = sum(count(shapes[top]) for node in graph.nodes for top in added_blobs(node, exclusive))
    assert cost_of(graph, shapes).activation_bytes == 4 * floats


def test_the_memory_that_a_layer_of_an_unknown_type_gives_may_be_that_of_an_input():
    graph = graph_of(data(), layer("u", "Strange", "data"), layer("r", "ReLU", "u", "u"))
    assert graph.nodes[1].tops[0] not in exclusive_blobs(graph)
