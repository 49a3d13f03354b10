"""SSD's own layers: PriorBox, which lays out default boxes, and DetectionOutput, which makes detections of them.

A box is xmin, ymin, xmax, ymax, as fractions of the image's width and height.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..ir.graph import Node, Shape
from ..ir.op import MANY, NO_ROW, Op, Run, count
from .checks import at_most_four_axes
from .suppression import strongest, suppress, suppression_scratch

CORNER, CENTER_SIZE, CORNER_SIZE = range(1, 4)  # as in DetectionOutputParameter
MOST_BOX_PIXELS = 1 << 24  # of a side of a box: whole numbers in float32


# ------------------------------------------------------------------------------------------------- PriorBox
@dataclass(frozen=True)
class PriorBox:
    """Pairs are of height and width. `image` and `step` are in pixels, None where they are those of the bottoms;
    `offsets`: the centres of boxes in their cell, as fractions of it; `width` and `height` instead of the sizes."""

    min_size: tuple[float, ...] = ()
    max_size: tuple[float, ...] = ()
    aspect_ratio: tuple[float, ...] = ()
    flip: bool = True
    clip: bool = False
    variance: tuple[float, ...] = ()
    image: tuple[float, float] | None = None
    step: tuple[float, float] | None = None
    offsets: tuple[tuple[float, float], ...] = ((0.5, 0.5),)
    width: tuple[float, ...] = ()
    height: tuple[float, ...] = ()


def prior_sizes(node: Node) -> list[tuple[float, float]]:
    """Width and height in pixels of the boxes of a cell: for each min_size a square of it, a square of the mean
    with max_size, and one box of each aspect ratio but 1. Like SSD's code, truncates sizes to whole pixels. Or OpenCV's
    `width` and `height`."""
    parameter = node.attributes
    smallest, largest = list(parameter.min_size), list(parameter.max_size)
    if parameter.width or parameter.height:
        return _listed_sizes(node)
    if not smallest or not are_sizes(smallest):
        raise node.error(f"min_size {smallest}", f"one or more positive numbers up to {MOST_BOX_PIXELS}")
    rising = len(largest) == len(smallest) and all(a < b for a, b in zip(smallest, largest, strict=True))
    if largest and not (rising and are_sizes(largest)):
        raise node.error(f"max_size {largest} with min_size {smallest}", "a larger one for each min_size, or none")
    ratios = aspect_ratios(node)
    sizes = []
    for number, size in enumerate(map(int, smallest)):
        sizes.append((size, size))
        if largest:
            sizes.append((np.sqrt(size * int(largest[number])),) * 2)
        sizes += [(size * np.sqrt(ratio), size / np.sqrt(ratio)) for ratio in ratios]
    return sizes


def are_sizes(values: list[float]) -> bool:
    """Whether all can be sides of boxes."""
    return all(0 < value <= MOST_BOX_PIXELS for value in values)


def _listed_sizes(node: Node) -> list[tuple[float, float]]:
    parameter = node.attributes
    widths, heights = list(parameter.width), list(parameter.height)
    if parameter.min_size or parameter.max_size or parameter.aspect_ratio:
        raise node.error("has width and height beside min_size, max_size or aspect_ratio", "one way to say it")
    if len(widths) != len(heights) or not are_sizes(widths + heights):
        raise node.error(f"width {widths} and height {heights}", "as many positive numbers")
    return list(zip(widths, heights, strict=True))


def aspect_ratios(node: Node) -> list[float]:
    """The ratios other than 1, each followed by its inverse if they are flipped; repeated ones are left out."""
    parameter, ratios = node.attributes, [1.0]
    for ratio in parameter.aspect_ratio:
        if not 0 < ratio < np.inf:
            raise node.error(f"aspect_ratio {ratio:g}", "a positive number")
        if all(abs(ratio - other) >= 1e-6 for other in ratios):
            ratios += [ratio, 1 / ratio] if parameter.flip else [ratio]
    return ratios[1:]


def variances(node: Node) -> np.ndarray:
    found = list(node.attributes.variance) or [0.1]
    if len(found) not in (1, 4) or not all(0 < value < np.inf for value in found):
        raise node.error(f"variance {found}", "one positive number, or four")
    return np.resize(np.array(found, np.float32), 4)


def image_axes(shape: Shape) -> tuple[int, int]:
    """Height and width of a blob; axes that are missing are 1."""
    height, width = (*shape, 1, 1, 1, 1)[2:4]
    return height, width


def prior_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    at_most_four_axes(node, bottoms)
    variances(node)
    height, width = image_axes(bottoms[0])
    return [(1, 2, height * width * len(prior_sizes(node)) * len(node.attributes.offsets) * 4)]


def prepare_prior(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    """[1, 2, boxes * 4]: the boxes of each cell of the first bottom, and their variances. They depend on shapes
    only, so they are made here."""
    parameter, (height, width) = node.attributes, image_axes(bottoms[0])
    image = parameter.image or image_axes(bottoms[1])
    if min(image) <= 0 or min(height, width) <= 0:
        raise node.error(f"bottoms of shapes {list(bottoms[0])} and {list(bottoms[1])}", "no empty ones")
    steps = parameter.step or (np.float32(image[0] / height), np.float32(image[1] / width))
    offsets = np.array(parameter.offsets, np.float32).T
    y, x = (
        ((np.arange(size)[:, None] + offset) * np.float32(step)).astype(np.float32)[:, None, :]  # [size, 1, offsets]
        for size, step, offset in zip((height, width), steps, offsets, strict=True)
    )
    half_width, half_height = np.array(prior_sizes(node), np.float32).T[:, :, None] / 2  # [sizes, 1] each
    y, boxes = y[:, None], np.empty((height, width, len(half_width), offsets.shape[1], 4), np.float32)
    for number, (center, side, size) in enumerate(
        [(x, -half_width, image[1]), (y, -half_height, image[0]), (x, half_width, image[1]), (y, half_height, image[0])]
    ):
        boxes[..., number] = (center + side) / np.float32(size)
    if parameter.clip:
        boxes.clip(0, 1, out=boxes)
    made = np.stack([boxes.reshape(-1), np.resize(variances(node), boxes.size)])[None]
    return lambda inputs, outputs: np.copyto(outputs[0], made)


# ------------------------------------------------------------------------------------------ DetectionOutput
@dataclass(frozen=True)
class DetectionOutput:
    """`code_type`: CORNER, CENTER_SIZE or CORNER_SIZE. None for no limit."""

    num_classes: int = 0
    share_location: bool = True
    background_label_id: int = 0
    code_type: int = CORNER
    keep_top_k: int = -1
    variance_encoded_in_target: bool = False
    confidence_threshold: float | None = None
    nms_threshold: float = 0.3
    top_k: int | None = None  # candidates of non-maximum suppression
    eta: float = 1.0


def detection_sizes(node: Node, bottoms: list[Shape]) -> tuple[int, int, int]:
    """Numbers of priors, of classes, and of classes with boxes of their own (1 if they are shared)."""
    parameter, (locations, scores, priors) = node.attributes, bottoms[:3]
    at_most_four_axes(node, bottoms)
    if not parameter.num_classes:
        raise node.error("has no num_classes", "a positive number")
    boxes, classes = image_axes(priors)[0] // 4, parameter.num_classes
    owners = 1 if parameter.share_location else classes
    if len(locations) < 2 or len(scores) < 2 or count(priors) != boxes * 8 or locations[0] != scores[0]:
        found = f"bottoms of shapes {list(locations)}, {list(scores)} and {list(priors)}"
        raise node.error(found, "[images, ...] twice and [1, 2, priors * 4]")
    for name, shape, expected in (("locations", locations, owners * 4), ("confidences", scores, classes)):
        if count(shape, 1) != boxes * expected:
            raise node.error(f"{count(shape, 1)} {name} per image", f"{boxes * expected} for {boxes} priors")
    return boxes, classes, owners


def detection_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    """[1, 1, rows, 7] with as many rows as there can be detections."""
    parameter = node.attributes
    boxes, classes, _ = detection_sizes(node, bottoms)
    if parameter.nms_threshold < 0 or not 0 < parameter.eta <= 1:
        found = f"nms_threshold {parameter.nms_threshold:g} and eta {parameter.eta:g}"
        raise node.error(found, "not negative, and above 0 up to 1")
    of_class = boxes if parameter.top_k is None else min(boxes, parameter.top_k)
    most = of_class * (classes - (0 <= parameter.background_label_id < classes))
    if parameter.keep_top_k >= 0:
        most = min(most, parameter.keep_top_k)
    return [(1, 1, bottoms[0][0] * most, 7)]


def decode(parameter, locations: np.ndarray, priors: np.ndarray) -> np.ndarray:
    """Boxes [..., priors, 4] from the net's offsets for each prior; priors [2, priors, 4] with their variances."""
    boxes, offsets = priors[0], locations
    if not parameter.variance_encoded_in_target:
        offsets = locations * priors[1]
    sizes = boxes[:, 2:] - boxes[:, :2]
    if parameter.code_type == CORNER:
        return boxes + offsets
    if parameter.code_type == CORNER_SIZE:
        return boxes + offsets * np.concatenate([sizes, sizes], axis=1)
    centers = offsets[..., :2] * sizes + (boxes[:, :2] + boxes[:, 2:]) / 2
    half = np.exp(offsets[..., 2:]) * sizes / 2
    return np.concatenate([centers - half, centers + half], axis=-1)


def class_detections(parameter, boxes: np.ndarray, scores: np.ndarray, scratch: np.ndarray) -> np.ndarray:
    """Indices of the boxes [P, 4] of one class that are detections by their scores [P], best first."""
    lowest = -np.inf if parameter.confidence_threshold is None else parameter.confidence_threshold
    candidates = strongest(scores, np.flatnonzero(scores > np.float32(lowest)), parameter.top_k)
    kept = np.empty_like(candidates)
    return kept[: suppress.run(boxes, candidates, parameter.nms_threshold, parameter.eta, scratch, kept)]


def image_detections(parameter, boxes: np.ndarray, scores: np.ndarray, scratch: np.ndarray) -> np.ndarray:
    """Rows [label, score, box] of one image, by class, the best of each first.  boxes [owners, P, 4], scores [P, C]"""
    rows = [np.empty((0, 6), np.float32)]
    for label in range(scores.shape[1]):
        if label == parameter.background_label_id:
            continue
        own, of_class = boxes[label % len(boxes)], np.ascontiguousarray(scores[:, label])
        kept = class_detections(parameter, own, of_class, scratch)
        rows.append(np.column_stack([np.full(len(kept), label, np.float32), of_class[kept], own[kept]]))
    found = np.concatenate(rows)
    if 0 <= parameter.keep_top_k < len(found):
        best = np.argsort(-found[:, 1], kind="stable")[: parameter.keep_top_k]
        found = found[np.sort(best)]
    return found


def prepare_detection(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    """Rows [image, label, score, xmin, ymin, xmax, ymax]; -1 in all rows after the last detection."""
    parameter, images = node.attributes, bottoms[0][0]
    priors, classes, owners = detection_sizes(node, bottoms)
    scratch = suppression_scratch(priors)

    def run(inputs, outputs):
        locations = inputs[0].reshape(images, priors, owners, 4).transpose(0, 2, 1, 3)
        boxes = np.ascontiguousarray(decode(parameter, locations, inputs[2].reshape(2, priors, 4)))
        scores, top, row = inputs[1].reshape(images, priors, classes), outputs[0].reshape(-1, 7), 0
        top.fill(NO_ROW)
        for image in range(images):
            found = image_detections(parameter, boxes[image], scores[image], scratch)
            top[row : row + len(found), 0], top[row : row + len(found), 1:] = image, found
            row += len(found)

    return run


OPS = (
    Op("PriorBox", prior_shapes, prepare_prior, bottoms=(2, MANY)),
    Op("DetectionOutput", detection_shapes, prepare_detection, bottoms=(3, 4), kernels=(suppress,), row_keys=2),
)
