"""The summary of a Caffe net, layer by layer: shapes, parameters, multiply-accumulates, bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..engine.graph.analysis.cost import Cost, cost_of
from ..engine.graph.analysis.shapes import macs
from ..engine.graph.ir.graph import Blob, Graph, Shape
from ..engine.graph.ir.op import count
from ..results import Result, TextTable


@dataclass(frozen=True)
class LayerSummary:
    """A layer: names of the blobs that it reads and gives, `shapes` of those that it gives, numbers in its weights,
    multiply-accumulates of one run, and `bytes` of the blobs that it gives, as float32. None where not known, as of
    operators of an ONNX file that caffe64 does not have."""

    name: str
    type: str
    bottoms: list[str]
    tops: list[str]
    shapes: list[list[int] | None]
    parameters: int
    macs: int | None
    bytes: int | None


@dataclass(frozen=True, repr=False)
class Summary(Result):
    """A Caffe net. `net` is its file, `layers` are in the order in which they run, `total` is of the whole: `layers`,
    `parameters`, where shared ones count once, `macs`, and `activation_bytes`, where layers in place take none; what is
    not known is left out of them."""

    net: str
    layers: list[LayerSummary]
    total: Cost

    @property
    def parts(self) -> list[TextTable | str]:
        return [self.table, self.total_text]

    @property
    def table(self) -> TextTable:
        """A row per layer."""
        rows = [
            [layer.name, layer.type, *(_shape_text(shape) for shape in layer.shapes[:1] or [[]])]
            + [_number_text(number) for number in (layer.parameters, layer.macs, layer.bytes)]
            for layer in self.layers
        ]
        return TextTable(["layer", "type", "output", "parameters", "MACs", "bytes"], rows, 3)

    @property
    def total_text(self) -> str:
        """`total` as a line of text."""
        total = self.total
        known = all(layer.macs is not None and layer.bytes is not None for layer in self.layers)
        return (
            f"{total.layers} layers, {total.parameters:,} parameters, {'' if known else 'at least '}"
            f"{total.macs:,} MACs, {total.activation_bytes:,} bytes of blobs"
        )

    @property
    def data(self) -> dict[str, Any]:
        return {"net": self.net, **vars(self.total), "layers": [vars(layer) for layer in self.layers]}


def _shape_text(shape: list[int] | None) -> str:
    return "?" if shape is None else "x".join(map(str, shape)) or "1"


def _number_text(number: int | None) -> str:
    return "?" if number is None else f"{number:,}"


def summarise(path: str, graph: Graph, shapes: Mapping[Blob, Shape]) -> Summary:
    """The summary of a graph whose blobs have these shapes; `path` is its file."""
    layers = [
        LayerSummary(
            name=node.name,
            type=node.type,
            bottoms=[blob.name for blob in node.bottoms],
            tops=[blob.name for blob in node.tops],
            shapes=[list(shapes[blob]) for blob in node.tops],
            parameters=sum(blob.size for blob in node.weights),
            macs=macs(node, shapes),
            bytes=4 * sum(count(shapes[blob]) for blob in node.tops),
        )
        for node in graph.nodes
    ]
    return Summary(path, layers, cost_of(graph, shapes))
