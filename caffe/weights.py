"""Weights of a Caffe net from files, from another net, and to files."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ..arguments import file_name
from ..engine.graph.analysis.halves import halves
from ..engine.graph.frontends.caffe.spell_out import spell_out
from ..engine.graph.frontends.caffe.write import graph_message
from ..engine.graph.ir.graph import Graph, Node
from ..engine.graph.ir.ownership import own_parameters
from ..errors import InputError, UsageError
from ..formats.caffe import match_weights, read_caffemodel, shape_bn_blobs, write_caffemodel, write_prototxt
from .blob import Array
from .gradients import NetGradients


@dataclass(frozen=True)
class Copied:
    """`kept` are the layers of the net that keep their weights, `layers` all that the file has."""

    kept: list[str]
    layers: list[str]


def copy_weights(graph: Graph, caffemodel: str | os.PathLike[str], *, needed: bool = True) -> Copied:
    """Overwrite the weights of the layers that a model has by name; others keep theirs.

    Raises InputError for a layer with blobs of other shapes, and if `needed` a file that has none of the layers.
    """
    nodes = [node for node in graph.nodes if node.weights]
    shapes = [[blob.shape for blob in node.weights] for node in nodes]
    shared = [[spec.name for spec in node.blob_specs] for node in nodes]
    model = read_caffemodel(caffemodel)
    shape_bn_blobs(model, {node.name for node in nodes if node.type == "BN"})
    matched = match_weights([node.name for node in nodes], shapes, model, shared)
    if needed and nodes and not matched.arrays:
        raise InputError(caffemodel, "has weights for no layer of the net", "a model with layers of the same names")
    for number, arrays in matched.arrays.items():
        node = nodes[number]
        for own, array in zip(node.weights, arrays, strict=True):
            own[...] = array
        if node.held:
            node.held.written()
    kept = [node.name for number, node in enumerate(nodes) if number not in matched.arrays]
    return Copied(kept, [layer.name for layer in model.blobs])


def weight_arrays(graph: Graph, gradients: NetGradients) -> dict[str, list[Array]]:
    """Name of a layer -> its weights, to read and to write, and their gradients."""
    own_parameters(graph)
    for node in graph.nodes:
        if node.held:
            node.held.expose()  # the caller may write to them
    return {
        node.name: [_weight_array(node, number, gradients) for number in range(len(node.weights))]
        for node in graph.nodes
        if node.weights
    }


def _weight_array(node: Node, number: int, gradients: NetGradients) -> Array:
    return Array(
        f"{node.name}[{number}]",
        shape=lambda: node.weights[number].shape,
        data=lambda: node.weights[number],
        diff=lambda: gradients.weights[node][number],
    )


def share_weights(graph: Graph, other: Graph) -> None:
    """Use the weights of `other`, the same memory, in the layers that it has by name; others keep theirs.

    Raises UsageError for weights of other shapes, before anything is changed.
    """
    theirs = {node.name: node for node in reversed(other.nodes) if node.weights}
    pairs = [(node, theirs[node.name]) for node in graph.nodes if node.weights and node.name in theirs]
    for node, source in pairs:
        own, given = ([blob.shape for blob in each.weights] for each in (node, source))
        if own != given:
            raise UsageError(f"{node.name!r} has weights of the shapes {own}, those of the other net are {given}")
    own_parameters(other)
    for node, source in pairs:
        node.weights, node.held = list(source.weights), source.held


def check_sayable(graph: Graph) -> None:
    """Raises InputError that names what Caffe's format does not have, before anything is run or written."""
    graph_message(spell_out(graph))


def save_net(
    graph: Graph, path: str | os.PathLike[str], caffemodel: str | os.PathLike[str] | None, *, half: bool = False
) -> None:
    """Write the net, the weights, or both, as `CaffeNet.save` says. Raises UsageError, InputError, OutputError."""
    suffix = os.path.splitext(file_name(path))[1].lower()
    other = "" if caffemodel is None else os.path.splitext(file_name(caffemodel))[1].lower()
    if caffemodel is None and suffix not in (".caffemodel", ".prototxt"):
        raise UsageError(f"cannot tell what {os.fspath(path)} is to hold: name it .caffemodel (weights) or .prototxt")
    if caffemodel is None and suffix == ".prototxt" and half:
        raise UsageError(f"half is True, expected False for {os.fspath(path)}, which holds no weights")
    if caffemodel is not None and (suffix == ".caffemodel" or other == ".prototxt"):
        raise UsageError(f"save({os.fspath(path)}, {os.fspath(caffemodel)}): the net comes first, then the weights")
    if caffemodel is not None and os.path.abspath(path) == os.path.abspath(caffemodel):
        raise UsageError(f"the net and the weights cannot both go to {os.fspath(path)}")
    graph = spell_out(graph)
    message = graph_message(graph)
    weights = {number: halves(node) if half else node.weights for number, node in enumerate(graph.nodes)}
    if suffix != ".caffemodel":
        write_prototxt(path, message)
    if suffix == ".caffemodel" or caffemodel is not None:
        write_caffemodel(path if caffemodel is None else caffemodel, message, weights)
