"""Proposal: Faster R-CNN's regions, from scores and offsets of anchors at each pixel of a feature map.

Anchors lie around each pixel, `feat_stride` pixels of the picture apart; the net's offsets move them, they are cut off
at the border of the picture, and of those with the best scores non-maximum suppression leaves some.

Corners are pixels that belong to the box, so it is xmax - xmin + 1 wide. A box that is not finite, or with the score
NaN, is none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..ir.graph import Node, Shape
from ..ir.op import Op, Run, count
from .suppression import strongest, suppress, suppression_scratch

NO_PROPOSAL = -1  # fills unused rows of the tops
SIDES = 4  # offsets, or corners, of an anchor
MOST_ANCHOR_PIXELS = 1 << 16  # sides of anchors stay whole numbers in float32


@dataclass(frozen=True)
class Proposal:
    """`ratio`: of height and width; `scale`: of `base_size` pixels, of which each pair makes an anchor. `min_size`
    is in pixels of the picture before it was scaled.

    `form`: of the layer's "c++" code, boxes below `min_size` come last, with the score 0; of the "python" class they
    are left out, and the second top is [rows, 1].
    """

    feat_stride: int = 16
    base_size: int = 16
    min_size: int = 16
    ratio: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    pre_nms_topn: int = 6000
    post_nms_topn: int = 300
    nms_thresh: float = 0.7
    form: Literal["c++", "python"] = "c++"


def anchors_of(parameter: Proposal) -> np.ndarray:
    """The anchors around the first pixel, by ratio, then by scale: float32 [A, 4]."""
    middle, made = (parameter.base_size - 1) / 2, []
    for ratio in parameter.ratio:
        width = math.floor(parameter.base_size / math.sqrt(ratio) + 0.5)
        height = math.floor(width * ratio + 0.5)
        for scale in parameter.scale:
            right, down = (width * scale - 1) / 2, (height * scale - 1) / 2
            made.append((middle - right, middle - down, middle + right, middle + down))
    return np.array(made, np.float32)


def check_numbers(node: Node) -> None:
    parameter = node.attributes
    for name in ("feat_stride", "base_size"):
        if not 1 <= getattr(parameter, name) <= MOST_ANCHOR_PIXELS:
            raise node.error(f"{name} {getattr(parameter, name)}", f"1 to {MOST_ANCHOR_PIXELS}")
    for name in ("pre_nms_topn", "post_nms_topn"):
        if getattr(parameter, name) < 1:
            raise node.error(f"{name} {getattr(parameter, name)}", "a number from 1")
    for name in ("ratio", "scale"):
        values = getattr(parameter, name)
        if not values or not all(1 / MOST_ANCHOR_PIXELS <= value <= MOST_ANCHOR_PIXELS for value in values):
            raise node.error(f"{name} {list(values)}", "one or more positive numbers")
    if not 0 <= parameter.nms_thresh < math.inf:
        raise node.error(f"nms_thresh {parameter.nms_thresh:g}", "a number from 0")


def proposal_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    """[rows, 5] with as many rows as there can be proposals, and their scores."""
    check_numbers(node)
    parameter, (scores, offsets, info) = node.attributes, bottoms
    anchors = len(parameter.ratio) * len(parameter.scale)
    if len(scores) != 4 or scores[:2] != (1, 2 * anchors) or offsets != (1, SIDES * anchors, *scores[2:]):
        found = f"bottoms of shapes {list(scores)} and {list(offsets)} for {anchors} anchors"
        raise node.error(found, f"[1, {2 * anchors}, H, W] and [1, {SIDES * anchors}, H, W], of one picture")
    if count(info) < 3:
        expected = "3 numbers or more: the height and the width of the picture, and its scale, one for both or each"
        raise node.error(f"a third bottom of shape {list(info)}", expected)
    rows = min(anchors * count(scores, 2), parameter.pre_nms_topn, parameter.post_nms_topn)
    return [(rows, 5), (rows, 1) if parameter.form == "python" else (rows,)][: len(node.tops)]


def all_anchors(parameter: Proposal, height: int, width: int) -> np.ndarray:
    """Of each pixel of the feature map, row by row: float32 [height * width * A, 4]."""
    y, x = np.mgrid[:height, :width].reshape(2, -1) * parameter.feat_stride
    return (np.stack([x, y, x, y], axis=1)[:, None] + anchors_of(parameter)).astype(np.float32).reshape(-1, SIDES)


def moved(anchors: np.ndarray, offsets: np.ndarray, height: np.float32, width: np.float32) -> np.ndarray:
    """The boxes [P, 4] that the net makes of its anchors, inside a picture of this size."""
    sizes = anchors[:, 2:] - anchors[:, :2] + 1
    centers = offsets[:, :2] * sizes + (anchors[:, :2] + sizes / 2)
    half = np.exp(offsets[:, 2:]) * sizes / 2
    boxes = np.concatenate([centers - half, centers + half], axis=1)
    limits = np.array([width, height, width, height], np.float32) - 1
    return np.maximum(np.minimum(boxes, limits, out=boxes), 0, out=boxes)


def prepare_proposal(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    """Rows (0, xmin, ymin, xmax, ymax), the best first, and their scores; -1 in all rows after the last one."""
    parameter, (_, channels, height, width) = node.attributes, bottoms[0]
    anchors, number = all_anchors(parameter, height, width), channels // 2
    kept, scratch = np.empty(tops[0][0], np.int64), suppression_scratch(tops[0][0])

    def run(inputs, outputs):
        scores = inputs[0].reshape(2, number, -1)[1].T.reshape(-1)
        offsets = inputs[1].reshape(number, SIDES, -1).transpose(2, 0, 1).reshape(-1, SIDES)
        info = inputs[2].reshape(-1)
        boxes = moved(anchors, offsets, info[0], info[1])
        there = np.isfinite(boxes).all(axis=1) & ~np.isnan(scores)
        least = parameter.min_size * info[[min(3, len(info) - 1), 2]]  # of width and height
        if parameter.form == "python":
            least = parameter.min_size * info[2]
        enough = (boxes[:, 2:] - boxes[:, :2] + 1 >= least).all(axis=1)
        if parameter.form == "python":
            there &= enough
        else:
            scores = np.where(enough, scores, np.float32(0))
        best = strongest(scores, np.flatnonzero(there), parameter.pre_nms_topn)
        boxes[:, 2:] += 1  # behind the last pixel
        found = kept[: suppress.run(boxes, best, parameter.nms_thresh, 1.0, scratch, kept)]
        boxes[:, 2:] -= 1
        for top in outputs:
            top.fill(NO_PROPOSAL)
        outputs[0][: len(found), 0], outputs[0][: len(found), 1:] = 0, boxes[found]
        for top in outputs[1:]:
            top.reshape(-1)[: len(found)] = scores[found]

    return run


OPS = (Op("Proposal", proposal_shapes, prepare_proposal, bottoms=(3, 3), tops=(1, 2), kernels=(suppress,)),)
