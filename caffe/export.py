"""Caffe nets for other programs: ONNX models, checked against onnxruntime, and safetensors files of the weights.

net = caffe64.load_caffe("deploy.prototxt", "net.caffemodel")
caffe64.export_onnx(net, "net.onnx")
caffe64.export_safetensors(net, "net.safetensors")
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping, Sequence

import numpy as np

from .. import __version__
from ..arguments import RUNTIME_FLOOR, TOLERANCE, by_name, file_name, flag, instance, names, not_negative
from ..engine.compiler.support import obstacle
from ..engine.graph.analysis.halves import halves, rounded
from ..engine.graph.analysis.shapes import infer_shapes
from ..engine.graph.frontends.caffe.write import graph_message, unique_names
from ..engine.graph.frontends.onnx.origin import is_from_onnx
from ..engine.graph.ir.graph import Graph, Node
from ..engine.graph.passes.drop_dead_layers import drop_dead_layers
from ..engine.graph.verification.difference import Difference, check_close
from ..errors import InputError, UsageError
from ..formats.atomic import write_atomically
from ..formats.caffe import format_prototxt
from .net import NET, CaffeNet

EXTRA = ("onnx", "safetensors")  # packages of the extra `export`
BLOBS = {  # of other types: weight, bias
    "BN": ("weight", "bias", "mean", "variance"),
    "BatchNorm": ("mean", "variance", "factor"),
    "Bias": ("bias",),
}


def export_onnx(
    net: CaffeNet,
    path: str | os.PathLike[str],
    *,
    outputs: Sequence[str] | None = None,
    metadata: Mapping[str, str] | None = None,
    tolerance: float = TOLERANCE,
    floor: float = RUNTIME_FLOOR,
    seed: int = 0,
    half: bool = False,
) -> list[Difference] | None:
    """Write the net as ONNX, shaped as it is now; the batch is free if every layer allows it.

    `outputs` are the blobs that are wanted, if not all unread ones; layers and inputs that none of them needs are left
    out.
    `metadata` is added to the model's properties. `half`: filters and matrices are stored as float16, and computed with
    as float32; the model is then that of the net with weights rounded so.
    Before it is written, the model runs in onnxruntime on random inputs: returns the difference of each output from the
    net's own, None if onnxruntime is not installed, and where kernels do not run, so that the net gives none: there it
    is only seen that the model runs, and gives finite values.
    Raises UsageError for a wrong argument and without the package onnx, InputError that names layers which ONNX cannot
    express, or with weights beyond float16 for `half`, CheckFailed where an output differs by more than `tolerance` and
    `floor` allow (as in verify) or is not finite; OutputError.
    """
    instance("net", net, CaffeNet, NET)
    tolerance, floor = not_negative("tolerance", tolerance), not_negative("floor", floor)
    path, metadata, half = file_name(path), metadata_texts(metadata), flag("half", half)
    if outputs is not None:
        names("outputs", outputs, "names of blobs", least=1)
    require("onnx")
    from ..engine.graph.frontends.onnx.compare import compare_with_onnxruntime, try_in_onnxruntime
    from ..engine.graph.frontends.onnx.write.model import onnx_model

    graph = rounded(_graph_of(net, outputs)) if half else _graph_of(net, outputs)
    left = {blob.name for blob in graph.inputs}
    shapes = infer_shapes(graph, {blob.name: net.shapes[blob] for blob in net.graph.inputs if blob.name in left})
    model = onnx_model(graph, shapes, __version__, metadata, half=half)
    differences = None
    if importlib.util.find_spec("onnxruntime") and obstacle():
        try_in_onnxruntime(model, graph, shapes, seed)
    elif importlib.util.find_spec("onnxruntime"):
        differences = compare_with_onnxruntime(model, graph, shapes, seed, floor=floor)
        check_close(differences, tolerance, floor, "onnxruntime differs")
    with write_atomically(path) as file:
        file.write(model.SerializeToString())
    return differences


def not_in_onnx(net: CaffeNet, outputs: Sequence[str] | None = None) -> list[str]:
    """What the ONNX model of a net does not keep, a text each."""
    from ..engine.graph.frontends.onnx.write.recurrent import carried_over

    nodes = [node for node in _graph_of(net, outputs).nodes if carried_over(node)]
    return [f"the state of {node.name!r} ({node.type}), which begins with zeros in each run" for node in nodes]


def export_safetensors(
    net: CaffeNet, path: str | os.PathLike[str], *, metadata: Mapping[str, str] | None = None, half: bool = False
) -> list[str]:
    """Write the weights, float32 in Caffe's shapes, as LAYER.weight, LAYER.bias, of BatchNorm .mean, .variance and
    .factor, the sums and their factor as Caffe keeps them, of BN also .mean and .variance; returns these names. `half`:
    filters and matrices as float16. `load_safetensors`, and all that takes a .caffemodel, reads them back.

    The file's metadata holds the net as prototxt, so that the file is complete, unless Caffe does not have its layers,
    and `metadata`.
    Raises UsageError for a wrong argument and without the package safetensors; InputError for weights beyond float16;
    OutputError.
    """
    instance("net", net, CaffeNet, NET)
    path, metadata, half = file_name(path), metadata_texts(metadata), flag("half", half)
    require("safetensors")
    from safetensors.numpy import save

    tensors = named_weights(net.graph, half=half)
    texts = {"caffe64": __version__, **_prototxt(net.graph), **metadata}
    with write_atomically(path) as file:
        file.write(save(tensors, texts))
    return list(tensors)


def _prototxt(graph: Graph) -> dict[str, str]:
    try:
        return {"prototxt": format_prototxt(graph_message(graph))}
    except InputError:
        if is_from_onnx(graph):
            return {}
        raise


def named_weights(graph: Graph, *, half: bool = False) -> dict[str, np.ndarray]:
    unique = unique_names(graph)
    return {
        f"{unique[node]}.{name}": blob
        for node in graph.nodes
        for name, blob in zip(_blob_names(node), halves(node) if half else node.weights, strict=True)
    }


def metadata_texts(metadata: Mapping[str, str] | None) -> dict[str, str]:
    """Raises UsageError for anything but texts by texts."""
    found = dict(by_name("metadata", {} if metadata is None else metadata, "texts by their names"))
    for key, value in found.items():
        instance(f"metadata[{key!r}]", value, str, "a text")
    return found


def require(package: str, what: str = "this") -> None:
    """Raises UsageError with what to install."""
    if importlib.util.find_spec(package) is None:
        extra = "pip install 'caffe64[export]', or " if package in EXTRA else ""
        raise UsageError(f"{what} needs the package {package}: {extra}pip install {package}")


def _blob_names(node: Node) -> list[str]:
    known = BLOBS.get(node.type, ("weight", "bias"))
    if node.type == "Scale" and len(node.bottoms) == 2:
        known = ("bias",)
    return [known[number] if number < len(known) else f"blob{number}" for number in range(len(node.weights))]


def _graph_of(net: CaffeNet, outputs: Sequence[str] | None) -> Graph:
    graph = net.graph.copy()
    drop_dead_layers(graph, outputs)
    for name in outputs or ():
        if name not in [blob.name for blob in graph.outputs]:
            raise UsageError(f"the blob {name!r} is not an output: other outputs depend on it")
    return graph
