"""Which blobs of a model belong to which layer of a net, by Caffe's rules: the name decides, the type does not."""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import InputError
from ..text import quote
from .binary import CaffeModel

HINT = "weights of another net? a layer that shall not get them needs another name"


@dataclass
class MatchedWeights:
    """`arrays`: index of a net's layer -> its blobs, float32, C-contiguous, in the net's shapes, writeable.

    `missing` are the indices of layers with blobs for which the file has none, `unused` the names of the file's layers
    with blobs that the net does not have.
    """

    arrays: dict[int, list[np.ndarray]]
    missing: list[int]
    unused: list[str]


def match_weights(
    names: Sequence[str], shapes: Sequence[Sequence[tuple[int, ...]]], model: CaffeModel
) -> MatchedWeights:
    """Copies the model's blobs for a net with layers `names` (in order) whose blobs have shapes[i].

    Each layer of the file goes to the first of its name. Raises InputError naming layer and shapes if the number of
    blobs or a shape differs.
    """
    first = {}
    for index, name in enumerate(names):
        first.setdefault(name, index)
    arrays, unused = {}, []
    for number, (name, _, found) in enumerate(model.blobs):
        index = first.get(name)
        if index is None:
            unused += [name] if found else []
            continue
        _check_count(model.path, name, found, shapes[index])
        for blob, shape in enumerate(shapes[index]):
            _check_shape(model, number, blob, tuple(shape))
        if found:
            arrays[index] = [_copy(model.mapping, *pair) for pair in zip(found, shapes[index], strict=True)]
    missing = [index for index, wanted in enumerate(shapes) if wanted and index not in arrays]
    return MatchedWeights(arrays, missing, unused)


def _check_count(path: str, name: str, found: list[np.ndarray], expected: Sequence[tuple[int, ...]]) -> None:
    if len(found) != len(expected):
        has = f"layer {quote(name)} has {len(found)} blobs {_shapes([array.shape for array in found])}"
        raise InputError(path, has, f"{len(expected)} {_shapes(expected)} as in the net", HINT)


def _check_shape(model: CaffeModel, number: int, blob: int, expected: tuple[int, ...]) -> None:
    """Legacy shapes are filled up with ones on the left; others have to be equal."""
    name, _, arrays = model.blobs[number]
    found = arrays[blob].shape
    ones = (1,) * (4 - len(expected)) if model.legacy(number, blob) else ()
    if found != ones + expected:
        has = f"layer {quote(name)} blob {blob} has the shape {_shapes([found])}"
        raise InputError(model.path, has, f"{_shapes([expected])} as in the net", HINT)


def _shapes(shapes: Sequence[tuple[int, ...]]) -> str:
    return " ".join("[" + ", ".join(map(str, shape)) + "]" for shape in shapes)


def _copy(mapping: mmap.mmap, array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """An aligned copy. The pages of the file that it was read from are given back, or all weights would be in memory
    twice when the last one is copied."""
    copy = np.array(array, np.float32, order="C").reshape(shape)
    base = np.frombuffer(mapping, np.uint8).__array_interface__["data"][0]
    start = array.__array_interface__["data"][0] - base
    if 0 <= start < len(mapping):
        page = mmap.PAGESIZE
        begin, end = -(-start // page) * page, (start + array.nbytes) // page * page
        if begin < end:
            mapping.madvise(mmap.MADV_DONTNEED, begin, end - begin)
    return copy
