"""A NetParameter message -> Graph, and back. The message is upgraded and filtered before (`formats/caffe/`)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .graph import Blob, Graph, Node, copy_message

PERMISSIVE = 1  # ParamSpec.share_mode


def build_graph(message, phase: str = "TEST") -> Graph:
    """The graph of a net's layers, without weights.

    Raises InputError where Caffe would refuse it: a bottom that no earlier layer gives, a blob that two layers give, an
    in-place layer on a blob that someone else reads too.
    """
    current: dict[str, Blob] = {}
    read: dict[Blob, Node] = {}
    nodes = []
    for layer in message.layer:
        node = Node(layer.name, layer.type, [], [], copy_message(layer), phase=_phase(layer, phase))
        node.message.ClearField("blobs")
        for name in layer.bottom:
            if name not in current:
                raise node.error(f"reads the blob {name!r}", "one that an earlier layer gives", _givers(message, name))
            node.bottoms.append(current[name])
        node.tops = [_new_top(node, number, name, current, read) for number, name in enumerate(layer.top)]
        for bottom in node.bottoms:
            read[bottom] = node
        nodes.append(node)
    net = copy_message(message)
    net.ClearField("layer")
    return Graph(nodes, net, phase)


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


def _givers(message, name: str) -> str:
    later = next((layer.name for layer in message.layer if name in layer.top), None)
    return f"{later!r} gives it, but stands later in the file" if later else "no layer gives it"


def graph_message(graph: Graph):
    """The NetParameter of a graph, without weights. A blob keeps its name unless that would be ambiguous."""
    net = copy_message(graph.message)
    names = _legal_names(graph)
    for node in graph.nodes:
        layer = net.layer.add()
        layer.CopyFrom(node.message)
        layer.name, layer.type = node.name, node.type
        del layer.bottom[:], layer.top[:]
        layer.bottom.extend(names[blob] for blob in node.bottoms)
        layer.top.extend(names[blob] for blob in node.tops)
    return net


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


def assign_weights(graph: Graph, weights: Sequence[Sequence[np.ndarray]]) -> None:
    """Give each node its blobs, float32 C-contiguous, and let layers share those that have the same name in `param`.

    Raises InputError where shared blobs differ in shape, or with share_mode PERMISSIVE in the number of values.
    """
    for node, blobs in zip(graph.nodes, weights, strict=True):
        # asarray, since ascontiguousarray gives scalars an axis
        node.weights = [np.asarray(blob, np.float32, order="C") for blob in blobs]
    _share_weights(graph)


def _share_weights(graph: Graph) -> None:
    owners: dict[str, tuple[Node, np.ndarray]] = {}
    for node in graph.nodes:
        for number, (blob, parameter) in enumerate(zip(node.weights, node.message.param, strict=False)):
            if not parameter.name:
                continue
            owner, values = owners.setdefault(parameter.name, (node, blob))
            if values.shape != blob.shape and not (parameter.share_mode == PERMISSIVE and values.size == blob.size):
                raise node.error(
                    f"shares {parameter.name!r} {list(values.shape)} of {owner.name!r}", f"{list(blob.shape)}"
                )
            node.weights[number] = values.reshape(blob.shape)
