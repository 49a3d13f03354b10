"""BN, a layer of SegNet's Caffe, with two blobs, and another of PSPNet's, with four: which of both, in memory.

Fields that only one of them has say it, else the number of blobs in the model. Their blobs are [1, C, 1, 1]; [C] and
[1, C] stand for the same.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from ...errors import InputError
from ..text import quote
from .binary import CaffeModel, LayerBlobs
from .schema import Message

SEGNET_FIELDS = "bn_mode", "scale_filler", "shift_filler"
PSPNET_FIELDS = "slope_filler", "bias_filler", "momentum", "eps", "frozen", "engine"
SEGNET_BLOBS = 2


def says_segnet(layer: Message) -> bool:
    """Whether a field of a BN says that it is SegNet's."""
    return any(map(layer.bn_param.HasField, SEGNET_FIELDS))


def decide_bns(message: Message, model: CaffeModel | None = None, path: str = "<net>") -> list[str]:
    """Writes the mode into each BN of `message` that the blobs of `model` show to be SegNet's, and the shapes of BN's
    blobs into `model`; returns notices. Raises InputError (of `path`) for a layer with fields of both."""
    layers = [layer for layer in message.layer if layer.type == "BN"]
    numbers = shape_bn_blobs(model, {layer.name for layer in layers}) if model else {}
    decided, open_ones = [], []
    for layer in layers:
        _refuse_both(layer, path)
        if layer.bn_param.ListFields():
            continue
        if numbers.get(layer.name) == SEGNET_BLOBS:
            layer.bn_param.bn_mode = 0  # LEARN, SegNet's default
            decided.append(layer.name)
        elif not numbers.get(layer.name):
            open_ones.append(layer.name)
    notices = {
        "BN has two blobs, so it is SegNet's, in its default mode LEARN: results depend on the batch": decided,
        "BN without parameters may be SegNet's or PSPNet's; until a model decides, it is PSPNet's": open_ones,
    }
    return [f"{path}: {notice}: {_named(names)}" for notice, names in notices.items() if names]


def shape_bn_blobs(model: CaffeModel, names: Collection[str]) -> dict[str, int]:
    """Gives the blobs of the layers `names` of a model the shape [1, C, 1, 1]; returns how many each has."""
    numbers = {}
    for number, (name, kind, arrays) in enumerate(model.blobs):
        if name in names:
            model.blobs[number] = LayerBlobs(name, kind, [_as_channels(array) for array in arrays])
            numbers[name] = len(arrays)
    return numbers


def _as_channels(array: np.ndarray | None) -> np.ndarray | None:
    return array if array is None or max(array.shape, default=1) != array.size else array.reshape(1, -1, 1, 1)


def _refuse_both(layer: Message, path: str) -> None:
    given = [field.name for field, _ in layer.bn_param.ListFields()]
    segnets, pspnets = ([name for name in given if name in names] for names in (SEGNET_FIELDS, PSPNET_FIELDS))
    if segnets and pspnets:
        found = f"layer {quote(layer.name)} has {segnets[0]}, a field of SegNet's BN, and {pspnets[0]}, of PSPNet's"
        raise InputError(path, found, "fields of one of them")


def _named(names: list[str]) -> str:
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"layer {quote(names[0])}{more}"
