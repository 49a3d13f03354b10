"""A .safetensors file as a model: its tensors are the blobs of layers, by the names that `export` gives them.

    LAYER.weight 0   LAYER.bias 1, or 0 without a weight   LAYER.mean 0   LAYER.variance 1   LAYER.factor 2
    LAYER.blobN  N

A tensor of any other name is that of a layer of this name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

from ...errors import InputError
from ..safetensors import TensorFile
from ..text import quote

BLOB_NUMBERS = {"weight": 0, "bias": 1, "mean": 0, "variance": 1, "factor": 2}
BLOB_NUMBER = re.compile("blob([0-9]{1,3})")


def layers_of(file: TensorFile) -> list[tuple[str, list[np.ndarray | None]]]:
    """The layers by name, in the order of the file, and their blobs, float32; None for one that is missing before a
    later one. Raises InputError."""
    layers: dict[str, dict[int, str]] = {}
    for name in file.tensors:
        layer, number = _place(name, file.tensors)
        taken = layers.setdefault(layer, {}).setdefault(number, name)
        if taken != name:
            raise InputError(file.path, f"{quote(taken)} and {quote(name)} are both blob {number} of {quote(layer)}")
    return [
        (layer, [file.floats(blobs[n]) if n in blobs else None for n in range(max(blobs) + 1)])
        for layer, blobs in layers.items()
    ]


def _place(name: str, names: Iterable[str]) -> tuple[str, int]:
    """The layer and the blob of a tensor."""
    layer, _, blob = name.rpartition(".")
    numbered = BLOB_NUMBER.fullmatch(blob)
    if not layer or not (numbered or blob in BLOB_NUMBERS):
        return name, 0
    if blob == "bias" and f"{layer}.weight" not in names:
        return layer, 0
    return layer, int(numbered[1]) if numbered else BLOB_NUMBERS[blob]
