"""A NetParameter message -> Graph, and back. The message is upgraded and filtered before (`formats/caffe/`)."""

from __future__ import annotations

from collections.abc import Iterable

from ....parameters.streams import Streams
from ...ir.graph import Blob, Graph, Node, copy_message


def build_graph(message, phase: str = "TEST", *, path: str = "<net>", left_out: Iterable = ()) -> Graph:
    """The graph of a net's layers, without weights. `path` is its file, `left_out` are layers of other phases, for
    messages.

    Raises InputError where Caffe would refuse it: a bottom that no earlier layer gives, a blob that two layers give, an
    in-place layer on a blob that someone else reads too.
    """
    current: dict[str, Blob] = {}
    read: dict[Blob, Node] = {}
    nodes = []
    for layer in message.layer:
        node = Node(layer.name, layer.type, [], [], copy_message(layer), phase=_phase(layer, phase))
        node.message.ClearField("blobs")
        _obey_scale_train(node)
        for name in layer.bottom:
            if name not in current:
                hint = _givers(message, name, left_out)
                raise node.error(f"reads the blob {name!r}", "one that an earlier layer gives", hint)
            node.bottoms.append(current[name])
        node.tops = [_new_top(node, number, name, current, read) for number, name in enumerate(layer.top)]
        for bottom in node.bottoms:
            read[bottom] = node
        nodes.append(node)
    net = copy_message(message)
    net.ClearField("layer")
    return Graph(nodes, net, phase, path, Streams())


def _obey_scale_train(node: Node) -> None:
    """A fork's Dropout with scale_train: false leaves what it does not drop as it is, and in TEST multiplies by the
    mean of that: then it is a Power layer, which every Caffe has."""
    dropout = node.message.dropout_param
    if node.type == "Dropout" and node.phase == "TEST" and not dropout.scale_train:
        node.type, node.message.power_param.scale = "Power", 1 - dropout.dropout_ratio
        node.message.ClearField("dropout_param")


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


def _givers(message, name: str, left_out: Iterable) -> str:
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


def graph_message(graph: Graph):
    """The NetParameter of a graph, without weights. A blob or layer keeps its name unless that would be ambiguous."""
    net = copy_message(graph.message)
    names, layer_names = _legal_names(graph), unique_names(graph)
    for node in graph.nodes:
        layer = net.layer.add()
        layer.CopyFrom(node.message)
        layer.name, layer.type = layer_names[node], node.type
        del layer.bottom[:], layer.top[:]
        layer.bottom.extend(names[blob] for blob in node.bottoms)
        layer.top.extend(names[blob] for blob in node.tops)
    return net


def unique_names(graph: Graph) -> dict[Node, str]:
    """Each layer's name; a number is added where an earlier layer has it, since weights go by the name."""
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
