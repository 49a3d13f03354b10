"""Pieces of a program: steps that run together, and what layers run between them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from .groups import LayerGroup


@dataclass(frozen=True)
class Segment:
    """Steps [first, last) of the program, or, between them, the `call` of a layer's own run. `owner`: the group that
    they belong to, None for steps of several groups or of none."""

    first: int
    last: int
    owner: LayerGroup | None = None
    call: Callable[[], None] | None = None


def joined(segments: Iterable[Segment]) -> list[Segment]:
    """The same with adjacent steps in one segment."""
    found: list[Segment] = []
    for segment in segments:
        if found and not found[-1].call and not segment.call and found[-1].last == segment.first:
            found[-1] = Segment(found[-1].first, segment.last)
        else:
            found.append(segment)
    return found
