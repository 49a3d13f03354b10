"""Which blobs of a model belong to which layer of a net, by Caffe's rules: the name decides, the type does not."""

from __future__ import annotations

import math
import mmap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import InputError
from ...wording import counted
from ..files import forget_pages
from ..text import quote
from .binary import CaffeModel

OTHER_NET_HINT = "weights of another net? a layer that shall not get them needs another name"


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
    names: Sequence[str],
    shapes: Sequence[Sequence[tuple[int, ...]]],
    model: CaffeModel,
    shared: Sequence[Sequence[str]] = (),
) -> MatchedWeights:
    """Copies the model's blobs for a net with layers `names` (in order) whose blobs have shapes[i].

    Each layer of the file goes to the first of its name. A blob that the file does not have is taken from the first
    layer with a blob of the same name: shared[i] are the names of layer i's blobs, where they have one. Raises
    InputError naming layer and shapes if the number of blobs or a shape differs.
    """
    first: dict[str, int] = {}
    for index, name in enumerate(names):
        first.setdefault(name, index)
    arrays: dict[int, list[np.ndarray | None]] = {}
    unused: list[str] = []
    for number, (name, _, found) in enumerate(model.blobs):
        index = first.get(name, -1)
        if index < 0:
            unused += [name] if found else []
            continue
        if len(found) > len(shapes[index]):
            raise _wrong_number(model.path, name, _present(found), shapes[index])
        if shapes[index]:
            arrays[index] = [None] * len(shapes[index])
        for blob, (array, shape) in enumerate(zip(found, shapes[index], strict=False)):
            if array is not None:
                _check_shape(model, number, blob, array, tuple(shape))
                arrays[index][blob] = _copy(model.mapping, array, shape)
    _share(arrays, shapes, shared)
    complete = {index: _present(blobs) for index, blobs in arrays.items()}
    for index, blobs in complete.items():
        if len(blobs) < len(arrays[index]):
            raise _wrong_number(model.path, names[index], blobs, shapes[index])
    missing = [index for index, wanted in enumerate(shapes) if wanted and index not in arrays]
    return MatchedWeights(complete, missing, unused)


def _present(blobs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
    return [blob for blob in blobs if blob is not None]


def _share(
    arrays: dict[int, list[np.ndarray | None]],
    shapes: Sequence[Sequence[tuple[int, ...]]],
    shared: Sequence[Sequence[str]],
) -> None:
    """Gives absent blobs those of their owners, the first layers with a blob of the same name."""
    owners: dict[str, np.ndarray | None] = {}
    for index, names in enumerate(shared):
        blobs = arrays.get(index, [None] * len(shapes[index]))
        for blob, (name, shape) in enumerate(zip(names, shapes[index], strict=False)):
            owned = owners.setdefault(name, blobs[blob]) if name else None
            if blobs[blob] is None and owned is not None and owned.size == math.prod(shape):
                blobs[blob] = owned.reshape(shape)
        if any(blob is not None for blob in blobs):
            arrays[index] = blobs


def _wrong_number(path: str, name: str, found: Sequence[np.ndarray], expected: Sequence[tuple[int, ...]]) -> InputError:
    has = f"layer {quote(name)} has {_blobs([array.shape for array in found])}"
    return InputError(path, has, f"{_blobs(expected)} as in the net", OTHER_NET_HINT)


def _check_shape(model: CaffeModel, number: int, blob: int, array: np.ndarray, expected: tuple[int, ...]) -> None:
    """Legacy shapes are filled up with ones on the left; others have to be equal."""
    name, found = model.blobs[number].name, array.shape
    ones = (1,) * (4 - len(expected)) if model.legacy(number, blob) else ()
    if found != ones + expected:
        has = f"layer {quote(name)} blob {blob} has the shape {_shape(found)}"
        raise InputError(model.path, has, f"{_shape(expected)} as in the net", OTHER_NET_HINT)


def _blobs(shapes: Sequence[tuple[int, ...]]) -> str:
    """For a message: "no blobs", "2 blobs [3, 2] [3]"."""
    return " ".join([counted(len(shapes), "blob"), *map(_shape, shapes)])


def _shape(shape: tuple[int, ...]) -> str:
    return "[" + ", ".join(map(str, shape)) + "]"


def _copy(mapping: mmap.mmap | bytes, array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """An aligned copy. The pages of the file are released, or all weights would be in memory twice when the last one is
    copied."""
    copy = np.array(array, np.float32, order="C").reshape(shape)
    if isinstance(mapping, bytes):
        return copy
    base = np.frombuffer(mapping, np.uint8).__array_interface__["data"][0]
    start = array.__array_interface__["data"][0] - base
    if 0 <= start < len(mapping):
        page = mmap.PAGESIZE
        begin, end = -(-start // page) * page, (start + array.nbytes) // page * page
        if begin < end:
            forget_pages(mapping, begin, end - begin)
    return copy
