"""A Graph -> NetParameter message. Unchanged parts are written as they were read."""

from __future__ import annotations

from .....errors import InputError
from .....formats.caffe.schema import MESSAGES
from ...ir.graph import Blob, Graph, Node
from ...ops import op_of
from .attributes import write_attributes
from .fields import copy_message, is_message
from .python_layers import type_in_file


def graph_message(graph: Graph):
    """The NetParameter of a graph, without weights. A blob or layer keeps its name unless that would be ambiguous.

    Raises InputError that names the layers which Caffe's format does not have, or the first with an attribute for which
    it has no field."""
    _check(graph)
    net = copy_message(graph.origin) if is_message(graph.origin, "NetParameter") else MESSAGES["NetParameter"]()
    for name in ("name", "force_backward"):
        if getattr(net, name) != getattr(graph, name):
            setattr(net, name, getattr(graph, name))
    names, layer_names = _legal_names(graph), unique_names(graph)
    for node in graph.nodes:
        layer = net.layer.add()
        if is_message(node.origin, "LayerParameter"):
            layer.CopyFrom(node.origin)
        layer.name, layer.type = layer_names[node], type_in_file(layer, node.type)
        del layer.bottom[:], layer.top[:]
        layer.bottom.extend(names[blob] for blob in node.bottoms)
        layer.top.extend(names[blob] for blob in node.tops)
        if node.attributes is not None:
            write_attributes(node, layer)
    return net


def _check(graph: Graph) -> None:
    foreign = [node for node in graph.nodes if (op := op_of(node)) and op.attributes]
    if foreign:
        named = ", ".join(f"{node.name!r} ({node.type})" for node in foreign)
        raise InputError(graph.path, f"layers that Caffe does not have: {named}", "", "an .onnx file has them")


def unique_names(graph: Graph) -> dict[Node, str]:
    """Each layer's name; a number is added where an earlier layer has it, since weights are matched by name."""
    taken = {node.name for node in graph.nodes} | {top.name for node in graph.nodes for top in node.tops}
    names: dict[Node, str] = {}
    used: set[str] = set()
    for node in graph.nodes:
        name, serial = node.name, 1
        while name in used or (serial > 1 and name in taken):
            serial += 1
            name = f"{node.name or node.type}_{serial}"
        used.add(name)
        names[node] = name
    return names


def _legal_names(graph: Graph) -> dict[Blob, str]:
    """Each blob's name; with a number where it is taken, unless its only reader overwrites it in place."""
    names: dict[Blob, str] = {}
    holder: dict[str, Blob] = {}
    for node in graph.nodes:
        for number, top in enumerate(node.tops):
            name, serial = top.name, 1
            while name in holder and not _overwrites(graph, node, number, holder[name]):
                serial += 1
                name = f"{top.name}_{serial}"
            names[top], holder[name] = name, top
    return names


def _overwrites(graph: Graph, node: Node, number: int, blob: Blob) -> bool:
    return number < len(node.bottoms) and node.bottoms[number] is blob and len(graph.readers(blob)) == 1
