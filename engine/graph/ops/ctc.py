"""CTCGreedyDecoder: the best class of each time step as a line of labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..ir.graph import Node, Shape
from ..ir.op import Op, Run

NO_LABEL = -1  # after the last one of a line


@dataclass(frozen=True)
class CTCGreedyDecoder:
    """`blank_index`: the class that stands for no label, -1 for the last one. `ctc_merge_repeated`: one label for the
    same class in several steps."""

    blank_index: int = 0
    ctc_merge_repeated: bool = True


def ctc_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    shape, blank = bottoms[0], node.attributes.blank_index
    if len(shape) != 3 or not shape[2]:
        raise node.error(f"a bottom of shape {list(shape)}", "[steps, lines, classes]")
    if not -1 <= blank < shape[2]:
        raise node.error(f"blank_index {blank} of {shape[2]} classes", f"-1 to {shape[2] - 1}")
    return [(shape[1], shape[0], 1, 1)]


def prepare_ctc(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    """The first of equal classes is the best; NaN never is, unless all are."""
    steps, lines, classes = bottoms[0]
    blank, merges = node.attributes.blank_index % classes, node.attributes.ctc_merge_repeated

    def run(inputs, outputs):
        best = np.where(np.isnan(inputs[0]), -np.inf, inputs[0]).argmax(axis=2)
        stays = best != blank
        if merges:
            stays[1:] &= best[1:] != best[:-1]
        top = outputs[0].reshape(lines, steps)
        top.fill(NO_LABEL)
        step, line = np.nonzero(stays)
        top[line, (np.cumsum(stays, axis=0) - 1)[step, line]] = best[step, line]

    return run


OPS = (Op("CTCGreedyDecoder", ctc_shapes, prepare_ctc),)
