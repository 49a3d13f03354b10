"""YOLO's outputs: the best class of each box, and NonMaxSuppression of all boxes by ranks, as DetectionOutput's."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from ....ir.graph import Shape
from ....ir.op import count
from ....ops.yolo import CLASSES, ROW, grid_of, yolo_anchors, yolov3_anchors
from .builder import Builder, ExportedLayer
from .detection import LEAST_RANK, or_nothing


def yolo(builder: Builder, layer: ExportedLayer) -> None:
    anchors = [yolo_anchors(layer.attributes, layer.bottoms[0])]
    _output(builder, layer, anchors, "Softmax", "GreaterOrEqual")


def yolov3(builder: Builder, layer: ExportedLayer) -> None:
    anchors = [yolov3_anchors(layer.attributes, *each) for each in enumerate(layer.bottoms)]
    _output(builder, layer, anchors, "Sigmoid", "Greater")


def _output(builder: Builder, layer: ExportedLayer, anchors: list[np.ndarray], classes_of: str, above: str) -> None:
    """[1, 1, rows, 7] by falling score; as from the forks a row [picture, -1, ..., -1] of each picture where nothing is
    found."""
    attributes, add = layer.attributes, builder.add
    below = np.nextafter(np.float32(attributes.nms_threshold), np.float32(-1))  # NonMaxSuppression leaves what is equal
    if below < 0 or not count(layer.bottoms[0]):
        found = f"has nms_threshold {attributes.nms_threshold:g} and bottoms of shapes {layer.bottoms}"
        raise layer.node.error(found, "a threshold above 0, and pixels")
    pairs = zip(layer.inputs, layer.bottoms, anchors, strict=True)
    parts = [_boxes(builder, attributes, *pair, classes_of) for pair in pairs]
    labels, scores, boxes = (add("Concat", list(each), axis=0) for each in zip(*parts, strict=True))
    passes = add(above, [scores, builder.constant(attributes.confidence_threshold)])
    number = add("Shape", [scores])
    best, place = (builder.fresh(name) for name in ("best", "place"))
    add("TopK", [add("Where", [passes, scores, builder.constant(-np.inf)]), number], [best, place], axis=0)
    ranks = _ranks(builder, best, number)
    candidates = builder.reshape(add("Gather", [boxes, place], axis=0), [1, -1, 4])
    limits = builder.constant([below]), builder.constant([LEAST_RANK])
    found = add("NonMaxSuppression", [candidates, builder.reshape(ranks, [1, 1, -1]), number, *limits])
    found = builder.reshape(add("Gather", [found, builder.indices([2])], axis=1), [-1])
    found = add("Gather", [place, found], axis=0)
    columns = [builder.reshape(add("Gather", [each, found], axis=0), [-1, 1]) for each in (labels, scores)]
    rows = add("Concat", [*columns, add("Gather", [boxes, found], axis=0)], axis=1)
    rows = add("Pad", [rows, builder.indices([0, 1, 0, 0])])  # of picture 0
    builder.reshape(or_nothing(builder, layer, rows), [1, 1, -1, ROW], layer.outputs)


def _ranks(builder: Builder, best: str, number: str) -> str:
    """Of the boxes by falling score: from their number down to 1, 0 of those that are not candidates."""
    scalar = builder.reshape(number, [])
    down = builder.add("Range", [scalar, builder.constant(0, np.int64), builder.constant(-1, np.int64)])
    ranks = builder.add("Cast", [down], to=TensorProto.FLOAT)
    there = builder.add("Greater", [best, builder.constant(-np.inf)])
    return builder.add("Where", [there, ranks, builder.constant(0)])


def _boxes(builder: Builder, attributes, value: str, bottom: Shape, anchors: np.ndarray, classes_of: str) -> list[str]:
    """Labels [B], scores [B] and boxes [B, 4] of one bottom."""
    add, classes, pixels = builder.add, attributes.num_classes, count(bottom, 2)
    grid = grid_of((1, *bottom[1:]), anchors)
    value = builder.reshape(value, [-1, attributes.num_box, CLASSES + classes, pixels])
    value = builder.reshape(
        add("Transpose", [value], perm=[0, 1, 3, 2]), [-1, attributes.num_box * pixels, CLASSES + classes]
    )
    names = [builder.fresh(name) for name in ("place", "size", "something", "class")]
    add("Split", [value, builder.indices([2, 2, 1, classes])], names, axis=2)
    place, size, something, of_class = names
    centers = add("Add", [add("Sigmoid", [place]), builder.constant(grid.places)])
    centers = add("Div", [centers, builder.constant(grid.size)])
    half = add("Mul", [add("Exp", [size]), builder.constant(grid.anchors / 2)])
    boxes = add("Concat", [add("Sub", [centers, half]), add("Add", [centers, half])], axis=2)
    of_class = add(classes_of, [of_class], **({"axis": 2} if classes_of == "Softmax" else {}))
    of_class = add("Where", [add("IsNaN", [of_class]), builder.constant(-np.inf), of_class])
    label = add("Cast", [add("ArgMax", [of_class], axis=2)], to=TensorProto.FLOAT)
    score = add("Mul", [add("Sigmoid", [something]), builder.reduce("ReduceMax", of_class, [2])])
    flat = builder.reshape(builder.plus(label, 1), [-1]), builder.reshape(score, [-1])
    return [*flat, builder.reshape(boxes, [-1, 4])]


EXPORTS = {"YoloDetectionOutput": yolo, "Yolov3DetectionOutput": yolov3}
