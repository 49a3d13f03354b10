"""Before ranks train a net together: have all of them the same one, the same data and the same settings?

Ranks with other data would train on a mixture, and ranks of CPUs whose vectors have other widths lay out weights in
another way. Either would go unnoticed.
"""

from __future__ import annotations

import hashlib
from dataclasses import astuple
from typing import TYPE_CHECKING, Any

import numpy as np

from ...formats.network import format_network
from ..compiler.cpu import LANES
from .row_weights import fingerprint

if TYPE_CHECKING:
    from .training import Training

COMPARED_ROWS = 64  # of X and of Y, evenly spread: all of them may be more than memory


def facts(training: Training) -> dict[str, Any]:
    """What all ranks must have alike, by the words for it in messages."""
    rows = np.linspace(0, training.rows - 1, COMPARED_ROWS).astype(np.int64)
    return {
        "width of vectors (CAFFE64_LANES sets it)": LANES,
        "net": format_network(training.model.plan.spec),
        "shape of X": training.X.shape,
        "rows of X": _digest(training.X[rows]),
        "rows of Y": _digest(training.Y[rows]),
        "optimizer": astuple(training.optimizer),
        "number of shards": training.shards,
        "seed": training.seed,
        "order of the rows": training.shuffle,
        "minibatches of an epoch": training.steps,
        "weights of the rows": fingerprint(training.row_weights),
        "place in the run": (training.epoch, training.step, training.rate),
        "weights": _digest(training.model.parameters),
        "momentum": (_digest(training.velocity), _digest(training.second)),
    }


def _digest(array: np.ndarray) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(array).view(np.uint8).data, digest_size=16).digest()
