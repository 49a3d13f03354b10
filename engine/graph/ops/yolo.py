"""The detections of YOLO's nets: YoloDetectionOutput of version 2, Yolov3DetectionOutput of version 3.

At each pixel of a feature map the net says for each anchor where the box is, by how much it is larger than the anchor,
whether something is in it, and of which class. Sizes are fractions of the picture; nothing is cut off at its border.

Of a box the best class counts: others overlap it wholly, with lower scores. Non-maximum suppression is over all
classes and all pictures together, and all rows are of picture 0, as in the forks' code. A score that is NaN is none.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..ir.graph import Node, Shape
from ..ir.op import MANY, NO_ROW, Op, Run, count
from .suppression import strongest, suppress, suppression_scratch

ROW = 7  # picture, label, score, box
CLASSES = 5  # the channel of an anchor's first class, after x, y, width, height and whether it is something
MOST_CLASSES = 1 << 24  # labels are whole numbers in float32
Values = Callable[[np.ndarray], np.ndarray]
Above = Callable[[np.ndarray, np.float32], np.ndarray]


@dataclass(frozen=True)
class YoloDetectionOutput:
    """`biases`: width and height of each anchor, in pixels of the feature map."""

    num_classes: int = 20
    num_box: int = 5
    coords: int = 4
    confidence_threshold: float = 0.01
    nms_threshold: float = 0.45
    biases: tuple[float, ...] = ()


@dataclass(frozen=True)
class Yolov3DetectionOutput:
    """`biases`: width and height of all anchors, in pixels of the picture; `mask`: the numbers of those of each bottom,
    num_box of the first one, then of the next; `anchors_scale`: pixels of the picture per pixel of each bottom."""

    num_classes: int = 20
    num_box: int = 3
    confidence_threshold: float = 0.01
    nms_threshold: float = 0.45
    biases: tuple[float, ...] = ()
    anchors_scale: tuple[int, ...] = ()
    mask: tuple[int, ...] = ()
    mask_group_num: int = 2
    gaussian_box: bool = False


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def softmax(x: np.ndarray) -> np.ndarray:
    """Over the last axis."""
    powers = np.exp(x - x.max(axis=-1, keepdims=True, initial=-np.inf))
    return powers / powers.sum(axis=-1, keepdims=True)


# ------------------------------------------------------------------------------------------- shapes and what is refused
def check_bottoms(node: Node, bottoms: list[Shape]) -> None:
    parameter = node.attributes
    if not 1 <= parameter.num_classes <= MOST_CLASSES or parameter.num_box < 1:
        raise node.error(f"num_classes {parameter.num_classes} and num_box {parameter.num_box}", "both from 1")
    channels = parameter.num_box * (CLASSES + parameter.num_classes)
    for bottom in bottoms:
        if len(bottom) != 4 or bottom[:2] != (bottoms[0][0], channels):
            expected = f"[N, {channels}, H, W]: num_box * (5 + num_classes) channels"
            raise node.error(f"a bottom of shape {list(bottom)}", expected)
    if not 0 <= parameter.nms_threshold <= 1:
        raise node.error(f"nms_threshold {parameter.nms_threshold:g}", "0 to 1")


def check_biases(node: Node, expected: int) -> None:
    biases = node.attributes.biases
    if len(biases) < expected or not all(0 < bias < math.inf for bias in biases):
        raise node.error(f"biases {list(biases)}", f"{expected} positive numbers, a width and a height per anchor")


def check_mask(node: Node, groups: int) -> None:
    parameter = node.attributes
    if parameter.gaussian_box:
        raise node.error("has gaussian_box, by which boxes have deviations", "a layer without: that is not supported")
    if parameter.mask_group_num != groups:
        raise node.error(f"mask_group_num {parameter.mask_group_num} for {groups} bottoms", "one group per bottom")
    if len(parameter.mask) != groups * parameter.num_box:
        found = f"{len(parameter.mask)} mask for {groups} bottoms"
        raise node.error(found, f"{groups * parameter.num_box}, num_box of each")
    if len(parameter.anchors_scale) != groups or 0 in parameter.anchors_scale:
        raise node.error(f"anchors_scale {list(parameter.anchors_scale)}", "a positive number per bottom")
    check_biases(node, 2 * (max(parameter.mask) + 1))


def rows_shape(bottoms: list[Shape], boxes: int) -> list[Shape]:
    """[1, 1, rows, 7]: a row per anchor, pixel and picture."""
    return [(1, 1, max(bottoms[0][0], boxes * sum(count(bottom, 2) for bottom in bottoms) * bottoms[0][0]), ROW)]


def yolo_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    check_bottoms(node, bottoms)
    parameter = node.attributes
    if parameter.coords != 4:
        raise node.error(f"coords {parameter.coords}", "4")
    if bottoms[0][2] != bottoms[0][3]:
        raise node.error(f"a bottom of shape {list(bottoms[0])}", "a square one: all lengths are parts of its width")
    check_biases(node, 2 * parameter.num_box)
    return rows_shape(bottoms, parameter.num_box)


def yolov3_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    check_bottoms(node, bottoms)
    check_mask(node, len(bottoms))
    return rows_shape(bottoms, node.attributes.num_box)


# ------------------------------------------------------------------------------------------------------------- boxes
@dataclass(frozen=True)
class Grid:
    """A bottom: `places` [B, 2] column and row of each of its boxes, `anchors` [B, 2] their widths and heights as
    fractions of the picture, `size` its columns and rows. Boxes in the order picture, anchor, row, column."""

    places: np.ndarray
    anchors: np.ndarray
    size: np.ndarray


def grid_of(bottom: Shape, anchors: np.ndarray) -> Grid:
    """`anchors` float32 [boxes of a pixel, 2]."""
    pictures, _, height, width = bottom
    y, x = np.mgrid[:height, :width].reshape(2, -1).astype(np.float32)
    places = np.tile(np.stack([x, y], axis=1), (pictures * len(anchors), 1))
    sizes = np.tile(np.repeat(anchors, height * width, axis=0), (pictures, 1))
    return Grid(places, sizes, np.array([width, height], np.float32))


def corners(grid: Grid, which: np.ndarray, values: np.ndarray) -> np.ndarray:
    """[n, 4] of the boxes `which`, that the net gives the `values` [n, 5 + classes]."""
    centers = (grid.places[which] + sigmoid(values[:, :2])) / grid.size
    half = np.exp(values[:, 2:4]) * grid.anchors[which] / 2
    return np.concatenate([centers - half, centers + half], axis=1)


def found_in(grid: Grid, cells: np.ndarray, lowest: np.float32, classes_of: Values, above: Above) -> np.ndarray:
    """Rows [n, 6], label, score and box, of a bottom [N, boxes of a pixel, 5 + classes, H * W]."""
    something = sigmoid(cells[:, :, CLASSES - 1].reshape(-1))
    likely = np.flatnonzero(above(something, lowest))  # no score of a class is higher
    picture, box, place = np.unravel_index(likely, (*cells.shape[:2], cells.shape[3]))
    values = cells[picture, box, :, place]
    classes = classes_of(values[:, CLASSES:])
    labels = np.where(np.isnan(classes), -1, classes).argmax(axis=1)
    scores = something[likely] * classes[np.arange(len(likely)), labels]
    rows = np.column_stack([labels + 1, scores, corners(grid, likely, values)])
    return rows[above(scores, lowest)].astype(np.float32)


def prepare_outputs(
    node: Node, bottoms: list[Shape], tops: list[Shape], grids: list[Grid], classes_of: Values, above: Above
) -> Run:
    """Rows by score, without those that overlap a better one by nms_threshold or more; if there is none, (picture,
    -1, ...) for each picture. -1 in all rows after the last."""
    parameter, pictures = node.attributes, bottoms[0][0]
    lowest = np.float32(parameter.confidence_threshold)
    below = float(np.nextafter(np.float32(parameter.nms_threshold), np.float32(-1)))  # what is more is not below it
    kept, scratch = np.empty(tops[0][2], np.int64), suppression_scratch(tops[0][2])

    def run(inputs, outputs):
        of_box = CLASSES + parameter.num_classes
        cells = [each.reshape(pictures, parameter.num_box, of_box, count(each.shape, 2)) for each in inputs]
        pairs = zip(grids, cells, strict=True)
        rows = np.concatenate([found_in(grid, each, lowest, classes_of, above) for grid, each in pairs])
        best, boxes = strongest(rows[:, 1], np.arange(len(rows)), None), np.ascontiguousarray(rows[:, 2:])
        found = kept[: suppress.run(boxes, best, below, 1.0, scratch, kept)]
        top = outputs[0].reshape(-1, ROW)
        top.fill(NO_ROW)
        top[: len(found), 0], top[: len(found), 1:] = 0, rows[found]
        if not len(found):
            top[:pictures, 0] = np.arange(pictures)

    return run


def yolo_anchors(parameter: YoloDetectionOutput, bottom: Shape) -> np.ndarray:
    """Widths and heights as fractions of the picture, float32 [num_box, 2]."""
    return np.array(parameter.biases[: 2 * parameter.num_box], np.float32).reshape(-1, 2) / np.float32(
        max(1, bottom[3])
    )


def prepare_yolo(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    """The score is that of something times the class's by Softmax; it counts from confidence_threshold on."""
    grids = [grid_of(bottoms[0], yolo_anchors(node.attributes, bottoms[0]))]
    return prepare_outputs(node, bottoms, tops, grids, softmax, np.greater_equal)


def yolov3_anchors(parameter: Yolov3DetectionOutput, number: int, bottom: Shape) -> np.ndarray:
    """Those of the bottom of that number, as `yolo_anchors`."""
    biases = np.array(parameter.biases[: len(parameter.biases) // 2 * 2], np.float32).reshape(-1, 2)
    of_bottom = parameter.mask[number * parameter.num_box : (number + 1) * parameter.num_box]
    size = np.array([max(1, bottom[3]), max(1, bottom[2])], np.float32) * parameter.anchors_scale[number]
    return biases[list(of_bottom)] / size


def prepare_yolov3(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    """The score is that of something times the class's, both by Sigmoid; it counts above confidence_threshold."""
    grids = [grid_of(each, yolov3_anchors(node.attributes, number, each)) for number, each in enumerate(bottoms)]
    return prepare_outputs(node, bottoms, tops, grids, sigmoid, np.greater)


OPS = (
    Op("YoloDetectionOutput", yolo_shapes, prepare_yolo, kernels=(suppress,), row_keys=2),
    Op("Yolov3DetectionOutput", yolov3_shapes, prepare_yolov3, bottoms=(1, MANY), kernels=(suppress,), row_keys=2),
)
