"""What an ONNX file says beside its graph of layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ...ir.graph import Blob, Graph

BATCH = "N"  # the name of the batch, unless the file has another


@dataclass(frozen=True)
class OnnxOrigin:
    """The `origin` of a graph that was read from ONNX: its opset, and what is written back: the names of the outputs in
    the file's order, the name of its batch, its doc_string and metadata_props."""

    outputs: tuple[str, ...]
    opset: int
    batch: str = BATCH
    doc: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


def is_from_onnx(graph: Graph) -> bool:
    return isinstance(graph.origin, OnnxOrigin)


def origin_of(graph: Graph) -> OnnxOrigin:
    """The origin of a graph; of a net of Caffe one without anything."""
    return graph.origin if isinstance(graph.origin, OnnxOrigin) else OnnxOrigin((), 0)


def model_outputs(graph: Graph) -> list[Blob]:
    """The outputs of the graph as an ONNX model: in the file's order, then others by name, without unread inputs."""
    order = {name: number for number, name in enumerate(origin_of(graph).outputs)}
    found = [blob for blob in graph.outputs if blob not in graph.inputs]
    return sorted(found, key=lambda blob: order.get(blob.name, len(order)))
