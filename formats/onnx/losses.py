"""What a model that is written in place of another one does not say any more."""

from __future__ import annotations

import os
from typing import Any

from .inputs import read_value
from .message import parse_model


def losses(old: str | os.PathLike[str], new: str | os.PathLike[str]) -> list[str]:
    """Sentences about two files of one net: the opset, texts, free dimensions, types and names that only the old one
    has. Raises InputError, UsageError as `read_onnx`."""
    first, second = parse_model(old), parse_model(new)
    before, after = first.model.graph, second.model.graph
    found = [f"opset {first.opset}, which is {second.opset} now"] if first.opset != second.opset else []
    ends = [*before.input, *before.output]
    counts = {
        "names of nodes that went into others or did nothing": len(_names(before) - _names(after)),
        "doc_strings of nodes": sum(1 for each in before.node if each.doc_string),
        "doc_strings of the graph, inputs and outputs": sum(1 for each in (before, *ends) if each.doc_string),
    }
    return found + [f"{what}: {count}" for what, count in counts.items() if count] + _of_ends(before, after)


def _names(graph: Any) -> set[str]:
    return {each.name for each in graph.node if each.name}


def _of_ends(before: Any, after: Any) -> list[str]:
    """About inputs and outputs."""
    found = []
    constants = {each.name for each in before.initializer}
    for what, old, new in (("input", before.input, after.input), ("output", before.output, after.output)):
        values = {each.name: read_value(each) for each in new}
        for each in map(read_value, old):
            if each.name in constants:
                continue
            if (now := values.get(each.name)) is None:
                found.append(f"{what} {each.name!r}, which nothing reads")
                continue
            if each.type != now.type:
                found.append(f"{what} {each.name!r} of type {each.type}, which is {now.type} now")
            pairs = zip(each.shape or (), now.shape or (), strict=False)
            if what == "input" and any(not isinstance(a, int) and isinstance(b, int) for a, b in pairs):
                found.append(f"free dimensions of {what} {each.name!r}, which is {list(now.shape or ())} now")
    return found
