"""Functions that a model defines itself are replaced by their nodes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...errors import InputError

MOST_NODES = 1 << 17  # of a model: each costs some 50 microseconds and a few KB; large nets have some thousands


def inline_functions(path: str, message: Any) -> Any:
    """The model without functions of its own. Raises InputError for too many nodes, functions that call themselves,
    and those that onnx cannot replace."""
    if not message.functions:
        return message
    from onnx import inliner

    _check_expansion(path, message)
    try:
        return inliner.inline_local_functions(message)
    except Exception as error:  # what onnx's checks of a function raise has no common type
        text = str(error).strip().partition("\n")[0]
        raise InputError(path, f"has functions that cannot be inlined: {text}") from None


def all_nodes(nodes: Any) -> Iterator[Any]:
    """The nodes and those of their subgraphs."""
    for node in nodes:
        yield node
        for graph in subgraphs(node):
            yield from all_nodes(graph.node)


def subgraphs(node: Any) -> list[Any]:
    """The graphs that a node has as attributes."""
    found = []
    for attribute in node.attribute:
        if attribute.HasField("g"):
            found.append(attribute.g)
        found += attribute.graphs
    return found


def check_count(path: str, count: int) -> None:
    if count > MOST_NODES:
        raise InputError(path, f"has {count:,} nodes", f"at most {MOST_NODES:,}")


def _check_expansion(path: str, message: Any) -> None:
    """Counts the nodes that inlining makes, before it makes them: doubling functions grow exponentially."""
    calls = {
        _key(each.domain, each.name, each.overload): [_key_of(node) for node in all_nodes(each.node)]
        for each in message.functions
    }
    if len(calls) < len(message.functions):
        raise InputError(path, "defines a function twice")
    counts: dict[tuple[str, str, str], int] = {}
    for name in calls:
        _count(path, name, calls, counts)
    check_count(path, sum(counts.get(_key_of(node), 1) for node in all_nodes(message.graph.node)))


def _count(
    path: str, start: tuple[str, str, str], calls: dict[Any, list[Any]], counts: dict[tuple[str, str, str], int]
) -> None:
    """Adds to `counts` the nodes of a function and of those that it calls; without recursion, which has an end."""
    stack, open_ones = [start], set()
    while stack:
        name = stack[-1]
        missing = [each for each in dict.fromkeys(calls[name]) if each in calls and each not in counts]
        if name in counts or not missing:
            counts.setdefault(name, sum(counts.get(each, 1) for each in calls[name]))
            check_count(path, counts[name])
            open_ones.discard(name)
            stack.pop()
            continue
        open_ones.add(name)
        for each in missing:
            if each in open_ones:
                raise InputError(path, f"the function {each[1]!r} calls itself", "functions without circles")
        stack.append(missing[0])


def _key(domain: str, name: str, overload: str) -> tuple[str, str, str]:
    return "" if domain == "ai.onnx" else domain, name, overload


def _key_of(node: Any) -> tuple[str, str, str]:
    return _key(node.domain, node.op_type, node.overload)
