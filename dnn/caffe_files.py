"""A net of Caffe and its weights -> a graph, in which layers may have none as yet."""

from __future__ import annotations

import os
from dataclasses import replace

from ..caffe.reading import read_graph
from ..engine.graph.analysis.shapes import check_supported, known_shapes, known_weight_shapes
from ..engine.graph.ir.graph import Graph
from ..engine.graph.ir.ownership import assign_weights
from ..formats.caffe import CaffeModel, match_weights, read_caffemodel
from .layers import numbered

Source = str | os.PathLike[str] | bytes


def read_caffe(prototxt: Source, caffemodel: Source | None) -> Graph:
    """The graph of the phase TEST without the layers of training, with the weights of the model. Raises InputError."""
    model = None if caffemodel is None else read_caffemodel(caffemodel)
    graph, _, _ = read_graph(prototxt, "TEST", {}, deploy=None, model=model)
    check_supported(graph)
    if model is not None:
        _give_weights(graph, model)
    return graph


def _give_weights(graph: Graph, model: CaffeModel) -> None:
    """Shapes of weights are those that the layers need, where these are known, else those of the model. A layer may be
    in the model without any. As in OpenCV, the second layer of a name has the second weights of that name."""
    names = numbered([node.name for node in graph.nodes])
    blobs = [each for each in model.blobs if each.arrays]
    renamed = dict(zip(map(id, blobs), numbered([each.name for each in blobs]), strict=True))
    there = {renamed[id(each)]: [array.shape for array in each.arrays if array is not None] for each in blobs}
    bare = {each.name for each in model.blobs} - {each.name for each in blobs}
    known = known_weight_shapes(graph, known_shapes(graph))
    expected = [
        there.get(name, []) if shapes is None or name in bare else shapes
        for name, shapes in zip(names, known, strict=True)
    ]
    distinct = [each._replace(name=renamed.get(id(each), each.name)) for each in model.blobs]
    shared = [[spec.name for spec in node.blob_specs] for node in graph.nodes]
    matched = match_weights(names, expected, replace(model, blobs=distinct), shared)
    assign_weights(graph, [matched.arrays.get(number, []) for number in range(len(names))])
