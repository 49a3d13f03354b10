"""A .prototxt and its .caffemodel -> the graph of a net with its weights, and notices about both files."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..arguments import by_name, file_or_content, flag, names, whole_number
from ..engine.graph.analysis.fillers import fill
from ..engine.graph.analysis.shapes import known_shapes, known_weight_shapes
from ..engine.graph.frontends.caffe.build import build_graph, weights_graph
from ..engine.graph.frontends.caffe.write import unique_names
from ..engine.graph.ir.graph import Graph, Shape
from ..engine.graph.ir.ownership import assign_weights
from ..engine.graph.ops import caffe_types
from ..errors import InputError
from ..formats.caffe import (
    CaffeModel,
    ParsedNet,
    decide_bns,
    deploy_net,
    dropped_inputs,
    filter_net,
    is_for_training,
    match_weights,
    read_caffemodel,
    read_prototxt,
    split_batch_norms,
)
from ..formats.caffe.schema import Message
from .beside import read_beside
from .blob import checked_shape
from .pycaffe_words import phase_name


def read_graph(
    prototxt: str | os.PathLike[str] | bytes,
    phase: str | int,
    input_shapes: Mapping[str, Shape] | Shape,
    *,
    level: int = 0,
    stages: Sequence[str] = (),
    deploy: bool | None = False,
    allow_unknown: bool = False,
    model: CaffeModel | None = None,
) -> tuple[Graph, dict[str, Shape], list[str]]:
    """The graph of a .prototxt, without weights; the given shapes of its inputs; notices.

    Arguments as of `load_caffe`; `deploy` None: of a net with layers for training, whose inputs then need no shapes.
    A BatchNorm with a scale of its own becomes two layers, and so do its blobs in `model`; a BN of no fields is what
    its blobs there show. Raises InputError, UsageError for a wrong argument.
    """
    allow_unknown = flag("allow_unknown", allow_unknown)
    read = read_net(prototxt, allow_unknown=allow_unknown)
    return graph_of(read, phase, input_shapes, level=level, stages=stages, deploy=deploy, model=model)


def read_net(prototxt: str | os.PathLike[str] | bytes, *, allow_unknown: bool = False) -> ParsedNet:
    """The message of a .prototxt, or of its content. Raises InputError."""
    return read_prototxt(file_or_content(prototxt), allow_unknown=allow_unknown, types=caffe_types())


def graph_of(
    read: ParsedNet,
    phase: str | int,
    input_shapes: Mapping[str, Shape] | Shape,
    *,
    level: int = 0,
    stages: Sequence[str] = (),
    deploy: bool | None = False,
    model: CaffeModel | None = None,
    fed: bool = False,
) -> tuple[Graph, dict[str, Shape], list[str]]:
    """`read_graph` of a net that was read; `fed`: its data layers are going to read their data."""
    path, phase = read.path, phase_name(phase)
    level, stages = whole_number("level", level, -(2**31), 2**31 - 1), names("stages", stages, "names of stages")
    message = filter_net(read.message, phase, level, stages, path=path)
    shapes, notices = (
        _named(message, input_shapes),
        [*read.notices, *([] if fed else _preparations(message)), *_crops(message)],
    )
    if is_for_training(message, read.message.layer) if deploy is None else flag("deploy", deploy):
        left_out, whole = read.message.layer, message
        message = deploy_net(message, shapes, path=path, left_out=left_out, need_shapes=deploy is not None)
        gone = dropped_inputs(whole, message)
        notices += [f"{path}: the input {name!r} is left out: nothing reads it" for name in gone]
        shapes = {name: shape for name, shape in shapes.items() if name not in gone}
    notices += split_batch_norms(message, model, path) + decide_bns(message, model, path)
    graph = build_graph(message, phase, path=path, left_out=read.message.layer)
    return graph, shapes, notices + read_beside(graph)


def _named(message: Message, shapes: Mapping[str, Shape] | Shape) -> dict[str, Shape]:
    """Shapes by name: a single one is that of the first blob that a layer without bottoms gives."""
    if not isinstance(shapes, Mapping):
        shapes = {next((top for layer in message.layer if not layer.bottom for top in layer.top), "data"): shapes}
    by_name("input_shapes", shapes, "shapes by the names of inputs")
    return {name: checked_shape(name, shape) for name, shape in shapes.items()}


def load_weights(
    graph: Graph,
    expected: Sequence[Sequence[Shape]],
    model: CaffeModel,
    source: np.random.Generator,
    *,
    fill_missing: bool = False,
) -> list[str]:
    """Give the nodes the weights of a .caffemodel; returns notices about those that do not match.

    As in Caffe, all weights of a name go to the first layer of that name, the last ones remaining. The others of
    that name are filled from `source` by their fillers; so do layers that the model does not have, if `fill_missing`
    and it has some, with a warning; else they are an InputError.
    """
    shared = [[spec.name for spec in node.blob_specs] for node in graph.nodes]
    matched, path = match_weights([node.name for node in graph.nodes], expected, model, shared), model.path
    notices = [f"{path} has weights for {name!r}, which the net does not have" for name in matched.unused]
    names, fill_missing = unique_names(graph), fill_missing and any(matched.arrays.values())
    for number in matched.missing:
        node = graph.nodes[number]
        if any(other.name == node.name for other in graph.nodes[:number]):
            notices.append(
                f"{graph.path}: two layers are called {node.name!r}: as in Caffe, the first has the last weights of "
                f"that name in {path}, the other what its fillers give (it is written as {names[node]!r})"
            )
        elif fill_missing:
            warnings.warn(f"{path} has no weights for {node.name!r}: its fillers drew them", stacklevel=4)
        else:
            raise _without_weights(graph, matched.missing, model)
        matched.arrays[number] = fill(node, expected[number], source)
    assign_weights(graph, [matched.arrays.get(number, []) for number in range(len(graph.nodes))])
    return notices


def _without_weights(graph: Graph, missing: Sequence[int], model: CaffeModel) -> InputError:
    node, more = graph.nodes[missing[0]], len(missing) - 1
    found = f"has no weights for the layer {node.name!r} ({node.type}){f' and {more} more' if more else ''}"
    has = [repr(name) for name, _, arrays in model.blobs if arrays]
    named = ", ".join(has[:5]) + (f" and {len(has) - 5} more" if len(has) > 5 else "")
    hint = f"it has some for {named}: are the layers named alike?" if has else "it holds no weights at all"
    return InputError(model.path, found, "a model of this net", hint)


def read_weights(
    prototxt: str | os.PathLike[str],
    caffemodel: str | os.PathLike[str],
    phase: str | int,
    input_shapes: Mapping[str, Shape] | Shape,
    **options: Any,
) -> tuple[Graph, list[str]]:
    """The graph of both files with its weights, layers of any type: of the shapes that the layers need, where these
    are known, else of those in the file. Arguments as for `read_graph`; returns the graph and notices."""
    model = read_caffemodel(caffemodel)
    graph, shapes, notices = read_graph(prototxt, phase, input_shapes, model=model, **options)
    there = {name: [array.shape for array in arrays if array is not None] for name, _, arrays in model.blobs}
    expected = [
        there.get(node.name, []) if known is None else known
        for node, known in zip(graph.nodes, known_weight_shapes(graph, known_shapes(graph, shapes)), strict=True)
    ]
    return graph, notices + load_weights(graph, expected, model, np.random.default_rng(0))


def weights_alone(caffemodel: str | os.PathLike[str]) -> tuple[Graph, list[str]]:
    """The layers of a .caffemodel that have weights, with these, not joined; and notices. Raises
    InputError if there are none."""
    model = read_caffemodel(caffemodel)
    if not any(arrays for _, _, arrays in model.blobs):
        raise InputError(model.path, "holds no weights", "those of a net")
    graph = weights_graph(model.message, model.path)
    for node, (_, _, arrays) in zip(graph.nodes, model.blobs, strict=True):
        node.weights = [np.array(array, np.float32) for array in arrays if array is not None]
    graph.remove([node for node, (_, _, arrays) in zip(graph.nodes, model.blobs, strict=True) if not arrays])
    return graph, model.notices


def _crops(message: Message) -> list[str]:
    """A notice about crops that do not say from where, behind padding that is more than a frame for the kernels: the
    Caffe that HED was made for found the offsets by itself, and OpenCV's sample takes the middle."""
    crops = [layer.name for layer in message.layer if layer.type == "Crop" and not layer.HasField("crop_param")]
    windows = [layer.convolution_param for layer in message.layer if layer.convolution_param.kernel_size]
    if not crops or not any(max(each.pad, default=0) >= max(each.kernel_size) for each in windows):
        return []
    said = f"{crops[0]!r}{f' and {len(crops) - 1} more' if crops[1:] else ''}"
    return [
        f"the Crop layers {said} keep the upper left corner, as in Caffe; if the net means the middle, as HED does, "
        "give each a crop_param { axis: 2 offset: N }"
    ]


def _preparations(message: Message) -> list[str]:
    """Notices about the preparation of inputs by the net's data layers."""
    notices = []
    for layer in message.layer:
        transform = layer.transform_param
        if not layer.bottom and (transform.mean_value or transform.HasField("scale") or transform.mean_file):
            means = ", ".join(f"{value:g}" for value in transform.mean_value) or transform.mean_file or "0"
            done = f"(x - ({means})) * {transform.scale:.6g}"
            notices.append(f"its data layer {layer.name!r} gives the net {done} of the pixels x")
    return notices
