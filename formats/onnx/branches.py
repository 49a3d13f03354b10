"""An `If` whose condition is constant is one of its branches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .functions import subgraphs


def branch_nodes(node: Any, condition: bool, is_taken: Callable[[str], bool]) -> tuple[list[Any], list[Any]]:
    """The nodes of the branch of an If node, and its initialisers, with other names where `is_taken`; the last nodes
    are Identities that give the If's outputs."""
    from onnx import helper

    wanted = "then_branch" if condition else "else_branch"
    graph = next(each.g for each in node.attribute if each.name == wanted)
    names: dict[str, str] = {}
    for name in [each.name for each in graph.initializer] + [name for each in graph.node for name in each.output]:
        if name and is_taken(name):
            number = 2
            while is_taken(f"{name}_{number}"):
                number += 1
            names[name] = f"{name}_{number}"
    nodes = [_renamed(each, names) for each in graph.node] if names else list(graph.node)
    ends = [
        helper.make_node("Identity", [names.get(inner.name, inner.name)], [outer])
        for inner, outer in zip(graph.output, node.output, strict=False)
        if outer
    ]
    return nodes + ends, [_renamed_tensor(each, names) for each in graph.initializer]


def _renamed_tensor(tensor: Any, names: Mapping[str, str]) -> Any:
    if tensor.name not in names:
        return tensor
    import onnx

    copy = onnx.TensorProto()
    copy.CopyFrom(tensor)
    copy.name = names[tensor.name]
    return copy


def _renamed(node: Any, names: Mapping[str, str]) -> Any:
    import onnx

    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    _rename(copy, names)
    return copy


def _rename(node: Any, names: Mapping[str, str]) -> None:
    for values in (node.input, node.output):
        for number, name in enumerate(values):
            values[number] = names.get(name, name)
    for graph in subgraphs(node):
        for inner in graph.node:
            _rename(inner, names)
        for each in graph.output:
            each.name = names.get(each.name, each.name)
