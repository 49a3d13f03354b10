"""CTCGreedyDecoder: the best class of each step goes to its place in the line, others to a place behind it."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, numpy_helper

from ....ops.ctc import NO_LABEL
from .builder import Builder, ExportedLayer

NO_CLASS = -2  # before the first step


def greedy_decoder(builder: Builder, layer: ExportedLayer) -> None:
    """[lines, steps, 1, 1] of scores [steps, lines, classes], any number of both."""
    add, (x,) = builder.add, layer.inputs
    scores = add("Where", [add("IsNaN", [x]), builder.constant(-np.inf), x])
    best = add("ArgMax", [scores], axis=2, keepdims=0)  # [steps, lines]
    stays = add("Not", [add("Equal", [best, _whole(builder, layer.attributes.blank_index % layer.bottoms[0][2])])])
    if layer.attributes.ctc_merge_repeated:
        before = _but_last(builder, add("Pad", [best, builder.indices([1, 0, 0, 0]), _whole(builder, NO_CLASS)]))
        stays = add("And", [stays, add("Not", [add("Equal", [best, before])])])
    number = add("CumSum", [add("Cast", [stays], to=TensorProto.INT64), _whole(builder, 0)])
    steps = add("Gather", [add("Shape", [x]), _whole(builder, 0)], axis=0)
    place = add("Where", [stays, add("Sub", [number, _whole(builder, 1)]), steps])
    longer = add("Pad", [best, builder.indices([0, 0, 1, 0])])
    filling = numpy_helper.from_array(np.array([NO_LABEL], np.float32))
    lines = add("ConstantOfShape", [add("Shape", [longer])], value=filling)
    lines = add("ScatterElements", [lines, place, add("Cast", [best], to=TensorProto.FLOAT)], axis=0)
    lines = add("Transpose", [_but_last(builder, lines)], perm=[1, 0])
    add("Unsqueeze", [lines, builder.indices([2, 3])], layer.outputs)


def _whole(builder: Builder, number: int) -> str:
    return builder.constant(number, np.int64)


def _but_last(builder: Builder, rows: str) -> str:
    return builder.add("Slice", [rows, *(builder.indices([number]) for number in (0, -1, 0))])


EXPORTS = {"CTCGreedyDecoder": greedy_decoder}
