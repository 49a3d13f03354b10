"""SSD's DetectionOutput by plain code, one box after the other, and what it is given."""

from __future__ import annotations

import math

import numpy as np
from reference.caffe_layers import built, net_text

from caffe64.engine.graph.ir.graph import Graph


def detector(bottoms, fields: str) -> Graph:
    """A DetectionOutput for bottoms of these shapes."""
    shapes = [bottom.shape for bottom in bottoms]
    return built(net_text("DetectionOutput", shapes, f"detection_output_param {{ {fields} }}"))


def net_outputs(images: int, boxes: int, classes: int, owners: int, seed: int):
    """Offsets, confidences in steps (so that some are equal), and priors of sane sizes with their variances."""
    random = np.random.default_rng(seed)
    corners = random.uniform(0, 0.7, (boxes, 2))
    priors = np.concatenate([corners, corners + random.uniform(0.1, 0.4, (boxes, 2))], axis=1)
    variances = np.tile([0.1, 0.1, 0.2, 0.2], (boxes, 1))
    offsets = random.standard_normal((images, boxes * owners * 4), np.float32)
    scores = random.permutation(images * boxes * classes).reshape(images, -1) / (images * boxes * classes)
    return offsets, scores.astype(np.float32), np.stack([priors, variances]).reshape(1, 2, -1).astype(np.float32)


def overlap(a, b) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    sizes = [max(box[2] - box[0], 0) * max(box[3] - box[1], 0) for box in (a, b)]
    return shared / (sum(sizes) - shared) if shared else 0


def decoded(code: str, offset, prior, variance, in_target: bool):
    x0, y0, x1, y1 = prior
    width, height = x1 - x0, y1 - y0
    o = [value * (1 if in_target else factor) for value, factor in zip(offset, variance, strict=True)]
    if code == "CORNER":
        return [x0 + o[0], y0 + o[1], x1 + o[2], y1 + o[3]]
    if code == "CORNER_SIZE":
        return [x0 + o[0] * width, y0 + o[1] * height, x1 + o[2] * width, y1 + o[3] * height]
    x, y = (x0 + x1) / 2 + o[0] * width, (y0 + y1) / 2 + o[1] * height
    w, h = math.exp(o[2]) * width, math.exp(o[3]) * height
    return [x - w / 2, y - h / 2, x + w / 2, y + h / 2]


def detections(offsets, scores, priors, classes, owners, code, in_target, background, lowest, nms, eta, top_k, keep):
    """Rows [image, label, score, box], one box after the other."""
    boxes, variances = priors.astype(float).reshape(2, -1, 4)
    offsets = offsets.astype(float).reshape(len(offsets), len(boxes), owners, 4)
    rows = []
    for image, table in enumerate(scores.astype(float).reshape(len(scores), len(boxes), classes)):
        found = []
        for label in range(classes):
            order = sorted((p for p in range(len(boxes)) if table[p, label] > lowest), key=lambda p: -table[p, label])
            kept, threshold = [], nms
            for p in order[:top_k] if top_k >= 0 else order:
                if label == background:
                    break
                box = decoded(code, offsets[image, p, label % owners], boxes[p], variances[p], in_target)
                if all(overlap(box, other) <= threshold for other in kept):
                    kept.append(box)
                    found.append([image, label, table[p, label], *box])
                    threshold *= eta if threshold > 0.5 else 1
        best = sorted(found, key=lambda row: -row[2])[: keep if keep >= 0 else None]
        rows += sorted(best, key=lambda row: row[1])
    return np.array(rows).reshape(-1, 7)
