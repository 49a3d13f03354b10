"""Detections in the form in which OpenCV returns them."""

from __future__ import annotations

import numpy as np

from ..engine.graph.ir.graph import Node
from ..engine.graph.ir.op import NO_ROW

IMAGE, SCORE = 0, 2  # columns of a detection


def as_opencv(node: Node, array: np.ndarray, images: int) -> np.ndarray:
    """What a layer gave for a batch of `images`; of DetectionOutput [1, 1, rows, 7] with the rows of each image by
    score, and zeros after the last one for as many rows as keep_top_k allows."""
    if node.type != "DetectionOutput":
        return array
    rows = array.reshape(-1, array.shape[-1])
    found = rows[rows[:, IMAGE] != NO_ROW]
    made = np.zeros((1, 1, max(len(found), images * node.attributes.keep_top_k), array.shape[-1]), np.float32)
    made[0, 0, : len(found)] = found[np.lexsort((-found[:, SCORE], found[:, IMAGE]))]
    return made
