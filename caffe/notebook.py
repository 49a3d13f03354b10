"""A Caffe net as HTML for notebooks: its picture, and its layers as a table that opens."""

from __future__ import annotations

from collections.abc import Mapping

from ..drawing.inline import inline_picture
from ..drawing.picture import make_picture
from ..engine.graph.ir.graph import Blob, Graph, Shape
from ..markup import escaped
from .drawn import drawn_graph
from .summary import summarise


def net_html(path: str, graph: Graph, shapes: Mapping[Blob, Shape]) -> str:
    """HTML of a graph whose blobs have these shapes; `path` is its file. Texts from files are escaped."""
    summary = summarise(path, graph, shapes)
    weights = [[blob.shape for blob in node.weights] for node in graph.nodes]
    picture = make_picture(drawn_graph(graph, shapes, weights))
    return (
        f"<div><b>{escaped(path)}</b>: {escaped(summary.total_text)}</div>{inline_picture(picture)}"
        f"<details><summary>layers</summary>{summary.table.html}</details>"
    )
