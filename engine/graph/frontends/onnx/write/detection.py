"""SSD's PriorBox, a constant, and DetectionOutput, of operators that onnxruntime and OpenCV 5 both run.

NonMaxSuppression has no limit of candidates, its order of equal scores is nowhere said, and OpenCV's takes no threshold
of scores below 0. So it is given ranks for scores: TopK finds the candidates of each class, of which the best one has
the highest rank, and all other boxes have 0. Boxes without an area overlap nothing: they are put far away, each at
a place of its own, as ONNX exchanges corners of negative sizes, and two points are one box to OpenCV.

A detection is its place in the scores [images, classes, boxes] as one row: OpenCV 5.0 ends in GatherND of no rows.
"""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, numpy_helper

from ....ir.op import NO_ROW, count
from ....ops import OPS
from ....ops.detection import CENTER_SIZE, CORNER, detection_sizes
from ....ops.suppression import SHRINKS_ABOVE
from .builder import Builder, ExportedLayer

LEAST_RANK = 0.5  # above that of boxes that are not candidates
FAR = 1 << 20  # from all boxes, which are parts of a picture; whole numbers up to 1 << 24 are exact


def prior_box(builder: Builder, layer: ExportedLayer) -> None:
    """Boxes depend on shapes only."""
    boxes = np.empty(layer.tops[0], np.float32)
    OPS["PriorBox"].prepare(layer.node, layer.bottoms, layer.tops)([], [boxes])
    builder.finish(builder.constant(boxes))


def detection_output(builder: Builder, layer: ExportedLayer) -> None:
    """[1, 1, rows, 7], by image, class and falling score; as from Caffe a row [image, -1, ..., -1] of each image where
    nothing at all is found."""
    attributes, node = layer.attributes, layer.node
    if attributes.eta < 1 and attributes.nms_threshold > SHRINKS_ABOVE:
        found = f"eta {attributes.eta:g} of nms_threshold {attributes.nms_threshold:g}"
        raise node.error(found, f"1, or a threshold up to {SHRINKS_ABOVE}: NonMaxSuppression's stays as it is")
    if not count(layer.tops[0]):
        raise node.error("can find nothing", "priors, a class beside the background, top_k and keep_top_k above 0")
    _Detections(builder, layer).write()


class _Detections:
    """The nodes of one DetectionOutput. Values in comments: N images, C classes without the background, P boxes, M
    detections."""

    def __init__(self, builder: Builder, layer: ExportedLayer):
        self.add, self.builder, self.layer = builder.add, builder, layer
        self.attributes = layer.attributes
        self.boxes, self.classes, self.owners = detection_sizes(layer.node, layer.bottoms)
        background, top_k = self.attributes.background_label_id, self.attributes.top_k
        self.labels = [label for label in range(self.classes) if label != background]
        self.candidates = self.boxes if top_k is None else min(self.boxes, top_k)

    def write(self) -> None:
        boxes = self._decode()
        scores = self.builder.reshape(self.layer.inputs[1], [-1, self.boxes, self.classes])
        scores = self._without_background(self.add("Transpose", [scores], perm=[0, 2, 1]))  # [N, C, P]
        found = self._suppress(boxes, self._ranks(scores))
        scores = self.builder.reshape(scores, [-1])
        if 0 <= self.attributes.keep_top_k < len(self.labels) * self.candidates:
            found = self._best(scores, found)
        rows = self.add("Concat", self._columns(found, scores, boxes), axis=1)
        self.builder.reshape(or_nothing(self.builder, self.layer, rows), [1, 1, -1, 7], self.layer.outputs)

    def _columns(self, found: str, scores: str, boxes: str) -> list[str]:
        """Image, label, score and box, [M, 1] and [M, 4]."""
        row = self._whole("Div", found, self.boxes)  # of the scores
        image = self._whole("Div", row, len(self.labels))
        label = self.add("Sub", [row, self._whole("Mul", image, len(self.labels))])
        box = found
        if self.owners == 1:  # without the classes
            box = self.add("Sub", [found, self._whole("Mul", self.add("Sub", [row, image]), self.boxes)])
        columns = [
            self.add("Cast", [image], to=TensorProto.FLOAT),
            self.add("Gather", [self.builder.constant(self.labels), label], axis=0),
            self.add("Gather", [scores, found], axis=0),
        ]
        box = self.add("Gather", [self.builder.reshape(boxes, [-1, 4]), box], axis=0)
        return [*(self.builder.reshape(column, [-1, 1]) for column in columns), box]

    def _whole(self, kind: str, value: str, number: int) -> str:
        return self.add(kind, [value, self.builder.constant(number, np.int64)])

    def _without_background(self, value: str) -> str:
        """Axis 1 without that class."""
        if len(self.labels) == self.classes:
            return value
        return self.add("Gather", [value, self.builder.indices(self.labels)], axis=1)

    def _decode(self) -> str:
        """The boxes of the net's offsets, [N, P, 4] or [N, C, P, 4]."""
        attributes, parts = self.attributes, [self.boxes, 4] if self.owners == 1 else [self.boxes, self.owners, 4]
        offsets = self.builder.reshape(self.layer.inputs[0], [-1, *parts])
        if self.owners > 1:
            offsets = self._without_background(self.add("Transpose", [offsets], perm=[0, 2, 1, 3]))
        given = self.builder.reshape(self.layer.inputs[2], [2, self.boxes, 4])
        priors, variances = (
            self.add("Gather", [given, self.builder.constant(number, np.int64)], axis=0) for number in range(2)
        )
        if not attributes.variance_encoded_in_target:
            offsets = self.add("Mul", [offsets, variances])
        if attributes.code_type == CORNER:
            return self.add("Add", [priors, offsets])
        first, second = self._corners(priors)
        sizes = self.add("Sub", [second, first])
        if attributes.code_type == CENTER_SIZE:
            middle = self.builder.times(self.add("Add", [first, second]), 0.5)
            return self._around(middle, sizes, *self._corners(offsets))
        sizes = self.add("Concat", [sizes, sizes], axis=-1)
        return self.add("Add", [priors, self.add("Mul", [offsets, sizes])])

    def _around(self, middle: str, sizes: str, shift: str, logarithm: str) -> str:
        center = self.add("Add", [self.add("Mul", [shift, sizes]), middle])
        half = self.builder.times(self.add("Mul", [self.add("Exp", [logarithm]), sizes]), 0.5)
        return self.add("Concat", [self.add("Sub", [center, half]), self.add("Add", [center, half])], axis=-1)

    def _corners(self, boxes: str) -> list[str]:
        names = [self.builder.fresh(f"corner{number}") for number in (1, 2)]
        self.add("Split", [boxes, self.builder.indices([2, 2])], names, axis=-1)
        return names

    def _ranks(self, scores: str) -> str:
        """[N, C, P]: of the candidates of each class their number to 1, by their scores; 0 of the other boxes."""
        threshold = self.attributes.confidence_threshold
        best, place = self._top(scores, self.candidates)
        passes = self.add("Greater", [best, self.builder.constant(-np.inf if threshold is None else threshold)])
        ranks = self.builder.constant(np.arange(self.candidates, 0, -1))
        ranks = self.add("Where", [passes, ranks, self.builder.constant(0)])
        return self.add("ScatterElements", [self._filled(scores, 0), place, ranks], axis=2)

    def _top(self, value: str, number: int) -> list[str]:
        """The values and their places on the last axis, of equal ones the first."""
        names = [self.builder.fresh(name) for name in ("best", "place")]
        self.add("TopK", [value, self.builder.indices([number])], names, axis=-1)
        return names

    def _filled(self, like: str, value: float) -> str:
        filling = numpy_helper.from_array(np.array([value], np.float32))
        return self.add("ConstantOfShape", [self.add("Shape", [like])], value=filling)

    def _suppress(self, boxes: str, ranks: str) -> str:
        """Places of detections [M], by image, class and falling rank."""
        steps = [len(self.labels) * self.boxes, self.boxes, 1]
        boxes = self._with_area(boxes)
        if self.owners > 1:  # each class of an image is an image
            steps, boxes = [self.boxes, 0, 1], self.builder.reshape(boxes, [-1, self.boxes, 4])
            ranks = self.builder.reshape(ranks, [-1, 1, self.boxes])
        most, least = self.builder.indices([self.candidates]), self.builder.constant([LEAST_RANK])
        threshold = self.builder.constant([min(self.attributes.nms_threshold, 1)])
        found = self.add("NonMaxSuppression", [boxes, ranks, most, threshold, least])
        return self.builder.reduce("ReduceSum", self.add("Mul", [found, self.builder.indices(steps)]), [1], keepdims=0)

    def _with_area(self, boxes: str) -> str:
        left = FAR + 2 * np.arange(self.boxes)
        far = self.builder.constant(np.stack([left, 0 * left, left + 1, 0 * left + 1], axis=1))
        first, second = self._corners(boxes)
        smaller = self.builder.reduce("ReduceMin", self.add("Sub", [second, first]), [-1])
        return self.add("Where", [self.add("Greater", [smaller, self.builder.constant(0)]), boxes, far])

    def _best(self, scores: str, found: str) -> str:
        """Those detections that have the highest scores of their image."""
        kept = self.add("Gather", [scores, found], axis=0)
        kept = self.add("ScatterElements", [self._filled(scores, -np.inf), found, kept], axis=0)
        kept = self.builder.reshape(kept, [-1, len(self.labels) * self.boxes])
        best, places = self._top(kept, self.attributes.keep_top_k)
        marks = self.add("Cast", [self.add("Greater", [best, self.builder.constant(-np.inf)])], to=TensorProto.FLOAT)
        marks = self.add("ScatterElements", [self._filled(kept, 0), places, marks], axis=1)
        marks = self.add("Gather", [self.builder.reshape(marks, [-1]), found], axis=0)
        chosen = self.builder.reshape(self.add("NonZero", [marks]), [-1])
        return self.add("Gather", [found, chosen], axis=0)


def or_nothing(builder: Builder, layer: ExportedLayer, rows: str) -> str:
    """[M, 7], or [N, 7] of what stands for no detections."""
    add = builder.add
    start, behind, zero, one = (builder.constant(each, np.int64) for each in ([0], [1], 0, 1))
    images = add("Gather", [add("Shape", [layer.inputs[0]]), zero], axis=0)
    numbers = builder.reshape(add("Cast", [add("Range", [zero, images, one])], to=TensorProto.FLOAT), [-1, 1])
    nothing = add("Pad", [numbers, builder.indices([0, 0, 0, 6]), builder.constant(NO_ROW)])
    number = add("Slice", [add("Shape", [rows]), start, behind])
    number = add("Where", [add("Equal", [number, start]), builder.reshape(images, [1]), number])
    return add("Slice", [add("Concat", [rows, nothing], axis=0), start, number, start])


EXPORTS = {"DetectionOutput": detection_output, "PriorBox": prior_box}
