"""The cost of a graph: layers, parameters, multiply-accumulates, memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..ir.graph import Blob, Graph, Node, Shape
from ..ir.op import count
from .aliasing import exclusive_blobs
from .shapes import macs


@dataclass(frozen=True)
class Cost:
    """The cost of one run. `parameters` counts shared weights once; `activation_bytes` is the memory of all blobs;
    layers that work in place take none."""

    layers: int
    parameters: int
    macs: int
    activation_bytes: int


def cost_of(graph: Graph, shapes: Mapping[Blob, Shape]) -> Cost:
    """The cost of a graph whose blobs have these shapes."""
    arrays = {id(blob): blob.size for node in graph.nodes for blob in node.weights}
    exclusive = exclusive_blobs(graph)
    activations = sum(4 * count(shapes[top]) for node in graph.nodes for top in added_blobs(node, exclusive))
    return Cost(len(graph.nodes), sum(arrays.values()), sum(macs(node, shapes) for node in graph.nodes), activations)


def added_blobs(node: Node, exclusive: set[Blob]) -> list[Blob]:
    """The tops of a layer that take memory: not those that overwrite a blob of `exclusive_blobs`."""
    in_place = node.bottoms and node.bottoms[0] in exclusive
    return [top for top in node.tops if not (in_place and node.bottoms[0].name == top.name)]
