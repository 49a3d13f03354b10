"""Nodes of an ONNX graph in an order that runs, and names that are each used once."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from ...errors import InputError
from .functions import subgraphs

MOST_NAMED = 5  # members of a circle


def title(node: Any) -> str:
    """A node's name for messages: its own, else its first output's, and its type."""
    name = node.name or next(filter(None, node.output), "")
    return f"node {name!r} ({node.op_type})"


def reads(node: Any) -> list[str]:
    """Names of all values that a node needs, also within its subgraphs; those have no values of the same names."""
    found = [name for name in node.input if name]
    for graph in subgraphs(node):
        own = {each.name for each in (*graph.input, *graph.initializer)}
        own.update(name for inner in graph.node for name in inner.output)
        found += [name for inner in graph.node for name in reads(inner) if name not in own]
        found += [each.name for each in graph.output if each.name not in own]
    return found


def in_order(path: str, nodes: Sequence[Any], given: Iterable[str]) -> list[Any]:
    """The nodes, each after those whose outputs it reads, else in the order of the file; `given` are names of values
    that no node makes. Raises InputError for circles, and for values that are made twice or never."""
    made = _makers(path, nodes, set(given))
    waiting: list[int] = []
    readers: list[list[int]] = [[] for _ in nodes]
    for number, node in enumerate(nodes):
        needed = {made[name] for name in reads(node) if _is_made(path, node, name, made)} - {-1}
        waiting.append(len(needed))
        for each in needed:
            readers[each].append(number)
    ready = [number for number, count in enumerate(waiting) if not count]
    order: list[int] = []
    while ready:
        number = heapq.heappop(ready)
        order.append(number)
        for each in readers[number]:
            waiting[each] -= 1
            if not waiting[each]:
                heapq.heappush(ready, each)
    if len(order) < len(nodes):
        raise InputError(path, f"has a circle of nodes: {_circle(nodes, waiting, made)}", "a graph without circles")
    return [nodes[number] for number in order]


def _makers(path: str, nodes: Sequence[Any], given: set[str]) -> dict[str, int]:
    """The number of the node that makes each value, -1 for those that are given."""
    made = dict.fromkeys(given, -1)
    for number, node in enumerate(nodes):
        for name in filter(None, node.output):
            if name in made:
                other = title(nodes[made[name]]) if made[name] >= 0 else "an input or initialiser"
                raise InputError(path, f"the value {name!r} is made twice: by {other} and by {title(node)}", "once")
            made[name] = number
    return made


def _is_made(path: str, node: Any, name: str, made: dict[str, int]) -> bool:
    if name not in made:
        raise InputError(path, f"{title(node)} reads {name!r}", "a value that an input, initialiser or node gives")
    return True


def _circle(nodes: Sequence[Any], waiting: Sequence[int], made: dict[str, int]) -> str:
    """The names of a circle's members, some of them if there are many."""
    number = next(number for number, count in enumerate(waiting) if count)
    way: dict[int, int] = {}
    while number not in way:
        way[number] = len(way)
        number = next(made[name] for name in reads(nodes[number]) if made[name] >= 0 and waiting[made[name]])
    members = list(way)[way[number] :]
    more = f" and {len(members) - MOST_NAMED} more" if len(members) > MOST_NAMED else ""
    return ", ".join(title(nodes[each]) for each in reversed(members[-MOST_NAMED:])) + more


def unique_node_names(nodes: Sequence[Any]) -> list[str]:
    """A name for each node: its own; where that is empty or also another's, its first output's."""
    count = Counter(node.name for node in nodes)
    taken = {node.name for node in nodes if node.name and count[node.name] == 1}
    repeats: Counter[str] = Counter()
    names = []
    for node in nodes:
        name = node.name
        if not name or count[name] > 1:
            base = name = next(filter(None, node.output), "") or node.name or node.op_type
            while name in taken:
                repeats[base] += 1
                name = f"{base}_{repeats[base] + 1}"
            taken.add(name)
        names.append(name)
    return names
