"""The layers of R-CNN and R-FCN: ROIPooling is MaxRoiPool; PSROIPooling reads sums of parts of pictures; Proposal is
TopK and NonMaxSuppression.

Of a region of a picture that is not there, or with a number that is not finite, MaxRoiPool is undefined: it is given
zeros for that, and what it makes of them is replaced.
"""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from ....ir.op import NO_ROW, count
from ....ops.part_pooling import LEAST_SIZE
from ....ops.proposal import SIDES, all_anchors
from ....ops.region_pooling import REGION
from .builder import Builder, ExportedLayer

PASSES = 0.5  # between the ranks of candidates, from 1 on, and 0


def roi_pooling(builder: Builder, layer: ExportedLayer) -> None:
    attributes = layer.attributes
    there, rois = _regions(builder, layer)
    shape = [attributes.pooled_h, attributes.pooled_w]
    scale = attributes.spatial_scale
    pooled = builder.add("MaxRoiPool", [layer.inputs[0], rois], pooled_shape=shape, spatial_scale=scale)
    _where_there(builder, layer, there, pooled)


def _regions(builder: Builder, layer: ExportedLayer) -> tuple[str, str]:
    """Which regions there are, bool [R, 1], and their numbers, 0 of others, [R, 5]."""
    add = builder.add
    rois = builder.reshape(layer.inputs[1], [-1, REGION])
    picture = add("Gather", [rois, builder.indices([0])], axis=1)
    sizes = add("Cast", [add("Shape", [layer.inputs[0]])], to=TensorProto.FLOAT)
    pictures = add("Gather", [sizes, builder.indices([0])], axis=0)
    finite = builder.reduce("ReduceSum", add("Sub", [rois, rois]), [1])
    there = add("And", [add("Greater", [picture, builder.constant(-1)]), add("Less", [picture, pictures])])
    there = add("And", [there, add("Equal", [finite, builder.constant(0)])])
    return there, add("Where", [there, rois, builder.constant(0)])


def _where_there(builder: Builder, layer: ExportedLayer, there: str, value: str) -> None:
    there = builder.reshape(there, [-1, 1, 1, 1])
    builder.add("Where", [there, value, builder.constant(0)], layer.outputs)


# --------------------------------------------------------------------------------------------------- PSROIPooling
def part_pooling(builder: Builder, layer: ExportedLayer) -> None:
    """The sum of a cell is that of four corners of the sums from the first pixel on, in float64."""
    attributes, (_, channels, height, width), add = layer.attributes, layer.bottoms[0], builder.add
    cells, outputs = attributes.group_size, attributes.output_dim
    there, rois = _regions(builder, layer)
    numbers = [builder.fresh(f"number{number}") for number in range(REGION)]
    add("Split", [rois, builder.indices([1] * REGION)], numbers, axis=1)
    top, bottom = _cells(builder, numbers[2], numbers[4], attributes, height, [-1, 1, cells, 1])
    left, right = _cells(builder, numbers[1], numbers[3], attributes, width, [-1, 1, 1, cells])
    picture = builder.reshape(add("Cast", [numbers[0]], to=TensorProto.INT64), [-1, 1, 1, 1])
    channel = builder.constant(np.arange(channels).reshape(1, outputs, cells, cells), np.int64)
    plane = add("Add", [add("Mul", [picture, builder.constant(channels, np.int64)]), channel])
    plane = add("Mul", [plane, builder.constant(height + 1, np.int64)])
    sums = _sums(builder, layer.inputs[0])

    def up_to(row: str, column: str) -> str:
        place = add("Mul", [add("Add", [plane, row]), builder.constant(width + 1, np.int64)])
        return add("Gather", [sums, add("Add", [place, column])], axis=0)

    lower = add("Sub", [up_to(bottom, right), up_to(bottom, left)])
    total = add("Sub", [lower, add("Sub", [up_to(top, right), up_to(top, left)])])
    pixels = add("Mul", [add("Sub", [bottom, top]), add("Sub", [right, left])])
    pixels = add("Cast", [add("Max", [pixels, builder.constant(1, np.int64)])], to=TensorProto.DOUBLE)
    mean = add("Cast", [add("Div", [total, pixels])], to=TensorProto.FLOAT)
    _where_there(builder, layer, there, mean)


def _sums(builder: Builder, x: str) -> str:
    """Of all pixels above and to the left: float64 [N * C * (H + 1) * (W + 1)]."""
    value = builder.add("Cast", [x], to=TensorProto.DOUBLE)
    for axis in (2, 3):
        value = builder.add("CumSum", [value, builder.constant(axis, np.int64)])
    return builder.reshape(builder.add("Pad", [value, builder.indices([0, 0, 1, 1, 0, 0, 0, 0])]), [-1])


def _cells(builder: Builder, first: str, last: str, attributes, size: int, dims: list[int]) -> list[str]:
    """The first pixels of the cells along one axis, and those behind their last ones: int64 of the shape `dims`."""
    add, scale, cells = builder.add, builder.constant(attributes.spatial_scale), attributes.group_size
    start = add("Mul", [_rounded(builder, first), scale])
    stop = add("Mul", [builder.plus(_rounded(builder, last), 1), scale])
    whole = add("Max", [add("Sub", [stop, start]), builder.constant(LEAST_SIZE)])
    step = add("Div", [whole, builder.constant(cells)])
    sides = []
    for kind, numbers in (("Floor", np.arange(cells)), ("Ceil", np.arange(1, cells + 1))):
        side = add(kind, [add("Add", [add("Mul", [step, builder.constant(numbers)]), start])])
        side = add("Clip", [side, builder.constant(0), builder.constant(size)])
        sides.append(builder.reshape(add("Cast", [side], to=TensorProto.INT64), dims))
    return sides


def _rounded(builder: Builder, value: str) -> str:
    """The nearest whole number, halves away from zero; Round has even ones."""
    size = builder.add("Abs", [value])
    whole = builder.add("Floor", [size])
    more = builder.add("GreaterOrEqual", [builder.add("Sub", [size, whole]), builder.constant(0.5)])
    whole = builder.add("Add", [whole, builder.add("Cast", [more], to=TensorProto.FLOAT)])
    return builder.add("Mul", [builder.add("Sign", [value]), whole])


# ------------------------------------------------------------------------------------------------------- Proposal
def proposal(builder: Builder, layer: ExportedLayer) -> None:
    """As many rows as there may be, as in caffe64: layers behind read them. The candidates, by score, have ranks for
    scores, since NonMaxSuppression's order of equal ones is nowhere said."""
    attributes, add, rows = layer.attributes, builder.add, layer.tops[0][0]
    if not rows:
        raise layer.node.error("has no pixels", "a feature map with some")
    boxes, scores = _all_boxes(builder, layer)
    candidates = min(attributes.pre_nms_topn, layer.bottoms[1][1] // SIDES * np.prod(layer.bottoms[0][2:]))
    best, place = (builder.fresh(name) for name in ("best", "place"))
    add("TopK", [scores, builder.indices([candidates])], [best, place], axis=0)
    boxes = add("Gather", [boxes, place], axis=0)
    ranks = builder.constant(np.arange(candidates, 0, -1))
    ranks = add("Where", [add("Greater", [best, builder.constant(-np.inf)]), ranks, builder.constant(0)])
    behind = add("Add", [boxes, builder.constant([0, 0, 1, 1])])  # the last pixels
    parts = builder.reshape(behind, [1, -1, SIDES]), builder.reshape(ranks, [1, 1, -1]), builder.indices([rows])
    threshold, least = builder.constant([min(attributes.nms_thresh, 1)]), builder.constant([PASSES])
    found = add("NonMaxSuppression", [*parts, threshold, least])
    found = builder.reshape(add("Gather", [found, builder.indices([2])], axis=1), [-1])
    corners = add("Pad", [add("Gather", [boxes, found], axis=0), builder.indices([0, 1, 0, 0])])  # of picture 0
    _filled_up(builder, layer, 0, corners)
    if len(layer.outputs) > 1:
        of_found = add("Gather", [best, found], axis=0)
        _filled_up(builder, layer, 1, builder.reshape(of_found, [-1, *layer.tops[1][1:]]))


def _filled_up(builder: Builder, layer: ExportedLayer, number: int, value: str) -> None:
    """A top: the rows of `value`, and then NO_ROW."""
    shape = layer.tops[number]
    whole = builder.add("Concat", [value, builder.constant(np.full(shape, NO_ROW))], axis=0)
    ends = builder.indices([0]), builder.indices([shape[0]]), builder.indices([0])
    builder.add("Slice", [whole, *ends], layer.outputs[number])


def _all_boxes(builder: Builder, layer: ExportedLayer) -> tuple[str, str]:
    """All boxes [P, 4], and their scores [P], -inf of those that cannot be proposals."""
    attributes, (_, channels, height, width), add = layer.attributes, layer.bottoms[0], builder.add
    number, python = channels // 2, layer.attributes.form == "python"
    scores = builder.reshape(layer.inputs[0], [2, number, -1])
    scores = add("Gather", [scores, builder.constant(1, np.int64)], axis=0)
    scores = builder.reshape(add("Transpose", [scores], perm=[1, 0]), [-1])
    info = builder.reshape(layer.inputs[2], [-1])
    boxes = _moved(builder, layer, all_anchors(attributes, height, width), info)
    across = 2 if python else min(3, count(layer.bottoms[2]) - 1)
    scales = add("Gather", [info, builder.indices([across, 2])], axis=0)
    first, second = _corners(builder, boxes)
    sizes = builder.plus(add("Sub", [second, first]), 1)
    small = add("Less", [sizes, builder.times(scales, attributes.min_size)])
    small = builder.reduce("ReduceMax", add("Cast", [small], to=TensorProto.FLOAT), [1], keepdims=0)
    small = add("Cast", [small], to=TensorProto.BOOL)
    odd = add("IsNaN", [add("Add", [builder.reduce("ReduceSum", boxes, [1], keepdims=0), scores])])
    scores = add("Where", [small, builder.constant(-np.inf if python else 0), scores])
    return boxes, add("Where", [odd, builder.constant(-np.inf), scores])


def _moved(builder: Builder, layer: ExportedLayer, anchors: np.ndarray, info: str) -> str:
    add = builder.add
    offsets = builder.reshape(layer.inputs[1], [layer.bottoms[1][1] // SIDES, SIDES, -1])
    offsets = builder.reshape(add("Transpose", [offsets], perm=[2, 0, 1]), [-1, SIDES])
    sizes = anchors[:, 2:] - anchors[:, :2] + 1
    middle, wide = builder.constant(anchors[:, :2] + sizes / 2), builder.constant(sizes)
    shift, logarithm = _corners(builder, offsets)
    centers = add("Add", [add("Mul", [shift, wide]), middle])
    half = builder.times(add("Mul", [add("Exp", [logarithm]), wide]), 0.5)
    boxes = add("Concat", [add("Sub", [centers, half]), add("Add", [centers, half])], axis=1)
    limits = builder.plus(add("Gather", [info, builder.indices([1, 0, 1, 0])], axis=0), -1)
    return add("Max", [add("Min", [boxes, limits]), builder.constant(0)])


def _corners(builder: Builder, values: str) -> list[str]:
    names = [builder.fresh(name) for name in ("first", "second")]
    builder.add("Split", [values, builder.indices([2, 2])], names, axis=1)
    return names


EXPORTS = {"ROIPooling": roi_pooling, "PSROIPooling": part_pooling, "Proposal": proposal}
