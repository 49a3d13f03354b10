"""Non-maximum suppression of boxes (x, y, width, height) with OpenCV's arithmetic."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..arguments import not_negative, whole_number
from ..errors import UsageError
from .constants import SOFT_NMSMETHOD_SOFTNMS_GAUSSIAN, SOFT_NMSMETHOD_SOFTNMS_LINEAR

Boxes = Sequence[Sequence[float]] | np.ndarray
Scores = Sequence[float] | np.ndarray
LEAST_ETA_THRESHOLD = 0.5  # above which the threshold shrinks


def NMSBoxes(
    bboxes: Boxes, scores: Scores, score_threshold: float, nms_threshold: float, eta: float = 1.0, top_k: int = 0
) -> np.ndarray | tuple[()]:
    """Indices int32 [K] of the boxes [N, 4] that are kept, best first; () for none, as OpenCV returns it.

    A box is kept if its score is above `score_threshold`, and its overlap with each that is kept before, the area of
    the intersection over that of the union, at most `nms_threshold`; that one is multiplied by `eta` after each kept
    box while it is above 0.5. `top_k`: the most boxes to look at, 0 for all. Raises UsageError.
    """
    boxes, confidences = _checked(bboxes, scores)
    return _result(_suppress(boxes, confidences, score_threshold, nms_threshold, eta, top_k))


def NMSBoxesBatched(
    bboxes: Boxes,
    scores: Scores,
    class_ids: Sequence[int] | np.ndarray,
    score_threshold: float,
    nms_threshold: float,
    eta: float = 1.0,
    top_k: int = 0,
) -> np.ndarray | tuple[()]:
    """`NMSBoxes` in which boxes of different classes, `class_ids` [N], do not overlap."""
    boxes, confidences = _checked(bboxes, scores)
    classes = np.asarray(class_ids).reshape(-1)
    if len(classes) != len(boxes) or (classes.size and classes.dtype.kind not in "iu"):
        raise UsageError(f"there are {len(classes)} class_ids of {classes.dtype}, expected {len(boxes)} whole numbers")
    farthest = (boxes[:, :2] + boxes[:, 2:]).max(initial=0)  # boxes of other classes are moved away
    boxes[:, :2] += (classes * (farthest + 1))[:, None]
    return _result(_suppress(boxes, confidences, score_threshold, nms_threshold, eta, top_k))


def softNMSBoxes(
    bboxes: Boxes,
    scores: Scores,
    score_threshold: float,
    nms_threshold: float,
    top_k: int = 0,
    sigma: float = 0.5,
    method: int = SOFT_NMSMETHOD_SOFTNMS_GAUSSIAN,
) -> tuple[np.ndarray | tuple[()], np.ndarray | tuple[()]]:
    """Scores float32 [K], as lowered, and indices int32 [K] of the boxes whose scores remain above `score_threshold`
    when each box that is taken, best first, has lowered those that it overlaps. Raises UsageError."""
    boxes, confidences = _checked(bboxes, scores)
    limit, threshold = not_negative("score_threshold", score_threshold), not_negative("nms_threshold", nms_threshold)
    most = whole_number("top_k", top_k, 0) or len(boxes)
    if method not in (SOFT_NMSMETHOD_SOFTNMS_GAUSSIAN, SOFT_NMSMETHOD_SOFTNMS_LINEAR):
        raise UsageError(f"method is {method!r}, expected SOFT_NMSMETHOD_SOFTNMS_GAUSSIAN or _LINEAR")
    gaussian = method == SOFT_NMSMETHOD_SOFTNMS_GAUSSIAN
    if gaussian and not not_negative("sigma", sigma):
        raise UsageError("sigma is 0, expected a number above 0")
    rest = np.arange(len(boxes))
    found: list[int] = []
    lowered: list[float] = []
    while len(rest) and len(found) < most:
        best = rest[confidences[rest].argmax()]
        if confidences[best] < np.float32(limit):
            break
        rest = rest[rest != best]
        found.append(best)
        lowered.append(confidences[best])
        shared = _overlaps(boxes[best], boxes[rest])
        if gaussian:
            confidences[rest] *= np.exp(-shared * shared / np.float32(sigma))
        else:
            confidences[rest] *= np.where(shared > np.float32(threshold), 1 - shared, np.float32(1))
        rest = rest[confidences[rest] >= np.float32(limit)]
    return (np.array(lowered, np.float32) if lowered else ()), _result(found)


def _suppress(
    boxes: np.ndarray, scores: np.ndarray, score_threshold: float, nms_threshold: float, eta: float, top_k: int
) -> list[int]:
    limit, threshold = not_negative("score_threshold", score_threshold), not_negative("nms_threshold", nms_threshold)
    shrink, most = not_negative("eta", eta), whole_number("top_k", top_k, -1)
    if not shrink:
        raise UsageError("eta is 0, expected a number above 0")
    candidates = np.flatnonzero(scores > np.float32(limit))
    candidates = candidates[np.argsort(-scores[candidates], kind="stable")]
    kept: list[int] = []
    for box in candidates[: most if most > 0 else None].tolist():
        if (_overlaps(boxes[box], boxes[kept]) <= np.float32(threshold)).all():
            kept.append(box)
            if shrink < 1 and threshold > LEAST_ETA_THRESHOLD:
                threshold *= shrink
    return kept


def _overlaps(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Area of the intersection of a box [4] and each of `others` [N, 4] over that of their union, float32 [N]; 1 for
    two without any area."""
    areas = box[2] * box[3] + others[:, 2] * others[:, 3]
    ends = np.minimum(box[:2] + box[2:], others[:, :2] + others[:, 2:])
    shared = (ends - np.maximum(box[:2], others[:, :2])).clip(0).prod(axis=1)
    some = areas > np.finfo(np.float64).eps
    return np.where(some, shared / np.where(some, areas - shared, 1), 1).astype(np.float32)


def _checked(bboxes: Boxes, scores: Scores) -> tuple[np.ndarray, np.ndarray]:
    """Copies: boxes float64 [N, 4], scores float32 [N]."""
    try:
        boxes = np.array(bboxes, np.float64).reshape(len(bboxes), -1) if len(bboxes) else np.empty((0, 4))
        confidences = np.array(scores, np.float32).reshape(-1)
    except (TypeError, ValueError):
        raise UsageError("bboxes and scores are not arrays of numbers, expected [N, 4] and [N]") from None
    if boxes.shape[1] != 4 or len(boxes) != len(confidences):
        found = f"bboxes are {list(boxes.shape)} and scores {list(confidences.shape)}"
        raise UsageError(f"{found}, expected [N, 4] and [N]")
    return boxes, confidences


def _result(indices: Sequence[int]) -> np.ndarray | tuple[()]:
    return np.array(indices, np.int32) if len(indices) else ()
