"""A NetParameter message -> Graph. The message is upgraded and filtered beforehand (`formats/caffe/`)."""

from __future__ import annotations

from collections.abc import Iterable

from ....parameters.streams import Streams
from ...ir.graph import Blob, Graph, Node
from .attributes import read_attributes, read_blob_specs, read_fillers
from .fields import copy_message
from .fork_fields import refused_field
from .python_layers import type_of


def build_graph(message, phase: str = "TEST", *, path: str = "<net>", left_out: Iterable = ()) -> Graph:
    """The graph of a net's layers, without weights. `path` is its file, `left_out` are layers of other phases, for
    messages.

    Raises InputError where Caffe would refuse it: a bottom that no earlier layer gives, a blob that two layers give, an
    in-place layer on a blob that another layer reads too.
    """
    current: dict[str, Blob] = {}
    read: dict[Blob, Node] = {}
    nodes = []
    for layer in message.layer:
        node = _new_node(layer, phase)
        _apply_scale_train(node)
        for name in layer.bottom:
            if name not in current:
                hint = _why_missing(message, name, left_out)
                raise node.error(f"reads the blob {name!r}", "one that an earlier layer gives", hint)
            node.bottoms.append(current[name])
        node.tops = [_new_top(node, number, name, current, read) for number, name in enumerate(layer.top)]
        for bottom in node.bottoms:
            read[bottom] = node
        nodes.append(node)
    for node in nodes:
        _read_parameters(node, node.origin)
    return _new_graph(message, nodes, phase, path)


def weights_graph(message, path: str) -> Graph:
    """The layers of a net of weights, as in a .caffemodel: without bottoms, tops and attributes, which may be of any
    kind there."""
    nodes = [_new_node(layer, "TEST") for layer in message.layer]
    for node, layer in zip(nodes, message.layer, strict=True):
        node.blob_specs = read_blob_specs(layer)
    return _new_graph(message, nodes, "TEST", path)


def _new_node(layer, phase: str) -> Node:
    node = Node(layer.name, type_of(layer), [], [], phase=_phase(layer, phase), origin=copy_message(layer))
    node.origin.ClearField("blobs")
    return node


def _new_graph(message, nodes: list[Node], phase: str, path: str) -> Graph:
    net = copy_message(message)
    net.ClearField("layer")
    return Graph(nodes, phase, path, Streams(), net.name, net.force_backward, net)


def _read_parameters(node: Node, layer) -> None:
    """Give a node the contents of its LayerParameter except name and blobs."""
    node.attributes = read_attributes(node, layer)
    node.blob_specs, node.fillers = read_blob_specs(layer), read_fillers(node, layer)
    node.loss_weight, node.propagate_down = tuple(layer.loss_weight), tuple(layer.propagate_down)
    node.unsupported = refused_field(layer)


def _apply_scale_train(node: Node) -> None:
    """A fork's Dropout with scale_train: false leaves the values that it keeps unscaled, and in TEST multiplies by
    their mean: then it is a Power layer, which every Caffe has."""
    dropout = node.origin.dropout_param
    if node.type == "Dropout" and node.phase == "TEST" and not dropout.scale_train:
        node.type, node.origin.power_param.scale = "Power", 1 - dropout.dropout_ratio
        node.origin.ClearField("dropout_param")


def _phase(layer, phase: str) -> str:
    return ("TRAIN", "TEST")[layer.phase] if layer.HasField("phase") else phase


def _new_top(node: Node, number: int, name: str, current: dict[str, Blob], read: dict[Blob, Node]) -> Blob:
    in_place = number < len(node.bottoms) and node.bottoms[number].name == name
    if name in current and not in_place:
        raise node.error(f"gives the blob {name!r}, which another layer gives", "a name of its own")
    if in_place and (other := read.get(node.bottoms[number])):
        raise node.error(f"overwrites {name!r}, which {other.name!r} reads too", "a top of another name")
    current[name] = Blob(name)
    return current[name]


def _why_missing(message, name: str, left_out: Iterable) -> str:
    later = next((layer.name for layer in message.layer if name in layer.top), None)
    if later is not None:
        return f"{later!r} gives it, but stands later in the file"
    other = next((layer for layer in left_out if name in layer.top), None)
    if other is None:
        return "no layer gives it"
    phases = {rule.phase for rule in other.include if rule.HasField("phase")}
    phases = phases or {1 - rule.phase for rule in other.exclude if rule.HasField("phase")}
    if len(phases) != 1:
        return f"{other.name!r} gives it, but its rules leave it out"
    only = ("TRAIN", "TEST")[phases.pop()]
    hint = f"{other.name!r} gives it, but only in the {only} phase: --phase {only.lower()}"
    return hint if other.bottom else f"{hint}, or --deploy, for which it is an input"
