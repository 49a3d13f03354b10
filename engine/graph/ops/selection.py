"""Layers that pick rows: Filter by a flag of each row, BatchReindex by row numbers."""

from __future__ import annotations

import numpy as np

from ..ir.graph import Node, Shape
from ..ir.op import MANY, Back, Gradient, Layers, Op, Run, count
from .checks import whole_numbers


# --------------------------------------------------------------------------------------------------- Filter
def filter_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    """Of the bottoms but the last, which is the selector: as many rows as there can be."""
    if len(node.tops) != len(bottoms) - 1:
        raise node.error(f"has {len(node.tops)} tops for {len(bottoms)} bottoms", "one less, the last is the selector")
    selector = bottoms[-1]
    if not selector or count(selector, 1) != 1:
        raise node.error(f"has a selector of shape {list(selector)}", "[rows], or [rows, 1, ...]")
    for blob, shape in zip(node.bottoms, bottoms, strict=True):
        if shape[:1] != selector[:1]:
            raise node.error(f"{blob.name!r} has the shape {list(shape)}", f"{selector[0]} rows like the selector")
    return bottoms[:-1]


def prepare_filter(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    """The rows whose selector is not 0, in their order. Rows after the last of them are 0 (in Caffe there are none)."""

    def run(inputs, outputs):
        kept = inputs[-1].reshape(-1) != 0
        number = int(kept.sum())
        for bottom, top in zip(inputs[:-1], outputs, strict=True):
            np.compress(kept, bottom, axis=0, out=top[:number])
            top[number:] = 0

    return run


def filter_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
    """Each row goes back to where it was; rows that were left out get 0."""

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        kept = inputs[-1].reshape(-1) != 0
        for dy, dx in zip(output_gradients, input_gradients[:-1], strict=True):
            if dx is not None:
                dx.fill(0)
                dx[kept] = dy[: int(kept.sum())]

    return back


# --------------------------------------------------------------------------------------------- BatchReindex
def reindex_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    rows, index = bottoms
    if not rows or len(index) != 1:
        raise node.error(f"bottoms of shapes {list(rows)} and {list(index)}", "[rows, ...] and [row numbers]")
    return [(index[0], *rows[1:])]


def prepare_reindex(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    """y[m] = x[index[m]], with the index truncated to a whole number."""
    rows = bottoms[0][0]

    def run(inputs, outputs):
        np.take(inputs[0], whole_numbers(node, 1, inputs[1], rows), axis=0, out=outputs[0], mode="clip")

    return run


def reindex_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
    """A row gets the sum of the gradients of its copies."""
    rows = bottoms[0][0]

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        input_gradients[0].fill(0)
        np.add.at(input_gradients[0], whole_numbers(node, 1, inputs[1], rows), output_gradients[0])

    return back


OPS = (
    Op(
        "Filter", filter_shapes, prepare_filter, bottoms=(2, MANY), tops=(1, MANY),
        gradient=Gradient(filter_back, labels=(-1,)),
    ),
    Op(
        "BatchReindex", reindex_shapes, prepare_reindex, bottoms=(2, 2),
        gradient=Gradient(reindex_back, labels=(1,)),
    ),
)  # fmt: skip
