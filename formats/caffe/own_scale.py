"""NVIDIA's BatchNorm with a scale and a bias of its own -> BatchNorm and Scale, as Caffe has them, in memory.

    its blobs from 0.16 on    mean, variance, factor, scale, bias        Intel's order is the same
    in 0.15 (DIGITS)          scale, bias, mean, variance, unused

The net has scale_bias, scale_filler or bias_filler, or none of them; then five blobs in the model show it. The order is
the old one if the last blob is a single number. Where the net has such a field and the blobs are not of 0.15, an eps
below cuDNN's least is raised to that, and use_global_stats has no effect: TEST takes the stored statistics, TRAIN those
of the batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...errors import InputError
from ...wording import counted
from ..text import quote
from .binary import CaffeModel, LayerBlobs
from .schema import LayerParameter, Message, NetParameter

SCALE_FIELDS = ("scale_filler", "bias_filler", "scale_bias")
SCALED_BLOBS = 5
LEAST_EPS = np.float32(1e-5)


def split_batch_norms(message: Message, model: CaffeModel | None = None, path: str = "<net>") -> list[str]:
    """Splits the layers of `message`, filtered for a phase, in place, and their blobs in `model`; returns notices.

    The Scale works in place and is called NAME_scale. Raises InputError (of the model) where the net says that a layer
    has a scale and a bias, and the model does not have them.
    """
    indices = {layer.name: number for number, layer in enumerate(model.blobs)} if model else {}
    names = {layer.name for layer in message.layer}.union(indices)
    split, raised, layers = [], [], []
    for layer in message.layer:
        number = indices.pop(layer.name, None) if layer.type == "BatchNorm" else None
        blobs = model.blobs[number].arrays if model and number is not None else []
        arrays = [array for array in blobs if array is not None]
        complete = len(blobs) == len(arrays) == SCALED_BLOBS
        if layer.type != "BatchNorm" or not (_says_so(layer) or complete):
            layers.append(layer)
            continue
        if model and number is not None and not complete:
            raise _lacks_scale(model, layer, blobs)
        old = bool(arrays) and _is_old(layer, arrays)
        norm, scale = _two_layers(layer, _new_name(layer.name, names), old)
        if layer.batch_norm_param.scale_bias or (_says_so(layer) and arrays and not old):
            raised += _as_newer(norm)
        if model and number is not None:
            _split_blobs(model, number, scale.name, arrays, old)
        layers += [norm, scale]
        split.append(layer.name)
    copies = NetParameter(layer=layers)
    message.ClearField("layer")
    message.layer.MergeFrom(copies.layer)
    changes = {"BatchNorm with its own scale and bias is read as BatchNorm and Scale": split}
    changes["eps is raised to 1e-05, as NVIDIA's Caffe does"] = raised
    return [f"{path}: {change}: {_named(names)}" for change, names in changes.items() if names]


def _lacks_scale(model: CaffeModel, layer: Message, blobs: Sequence[np.ndarray | None]) -> InputError:
    absent = next((f"no blob {number}" for number, blob in enumerate(blobs) if blob is None), None)
    has = f"layer {quote(layer.name)} has {absent or counted(len(blobs), 'blob')}"
    expected = f"{SCALED_BLOBS}, since the net says that this BatchNorm has a scale and a bias of its own"
    return InputError(model.path, has, expected, "weights of another net?")


def _says_so(layer: Message) -> bool:
    parameter = layer.batch_norm_param
    return any((parameter.scale_bias, parameter.HasField("scale_filler"), parameter.HasField("bias_filler")))


def _is_old(layer: Message, arrays: Sequence[np.ndarray]) -> bool:
    """Of one channel, every blob is a single number; then only a net with scale_bias is certainly not of 0.15."""
    return arrays[4].size == 1 and not (arrays[2].size == 1 and layer.batch_norm_param.scale_bias)


def _new_name(name: str, names: set[str]) -> str:
    new = f"{name}_scale"
    while new in names:
        new += "_"
    names.add(new)
    return new


def _two_layers(layer: Message, name: str, old: bool) -> tuple[Message, Message]:
    """BatchNorm and Scale; the layer's `param` entries go to the one that has the blobs."""
    norm, scale = LayerParameter(), LayerParameter(name=name, type="Scale", bottom=layer.top, top=layer.top)
    norm.CopyFrom(layer)
    for field in ("param", "loss_weight"):
        norm.ClearField(field)
    for field in SCALE_FIELDS:
        norm.batch_norm_param.ClearField(field)
    if not norm.batch_norm_param.ByteSize():
        norm.ClearField("batch_norm_param")
    for field in ("include", "exclude", "loss_weight"):
        getattr(scale, field).MergeFrom(getattr(layer, field))
    if layer.HasField("phase"):
        scale.phase = layer.phase
    specs = list(layer.param)
    norm.param.MergeFrom(specs[2:5] if old else specs[:3])
    scale.param.MergeFrom(specs[:2] if old else specs[3:5])
    while len(norm.param) < 3:
        norm.param.add()
    for spec in norm.param:  # nothing learns these by gradient
        spec.lr_mult = spec.decay_mult = 0
    scale.scale_param.bias_term = True
    for own, field in (("scale_filler", "filler"), ("bias_filler", "bias_filler")):
        if layer.batch_norm_param.HasField(own):
            getattr(scale.scale_param, field).CopyFrom(getattr(layer.batch_norm_param, own))
    return norm, scale


def _as_newer(norm: Message) -> list[str]:
    """The rules of NVIDIA's Caffe from 0.16 on. Returns the layer's name if its eps was raised."""
    norm.batch_norm_param.ClearField("use_global_stats")
    if norm.batch_norm_param.eps >= LEAST_EPS:
        return []
    norm.batch_norm_param.eps = LEAST_EPS
    return [norm.name]


def _split_blobs(model: CaffeModel, number: int, name: str, arrays: Sequence[np.ndarray], old: bool) -> None:
    layer = model.blobs[number]
    flat = [array.reshape(-1) for array in arrays]
    statistics = [flat[2], flat[3], np.ones(1, np.float32)] if old else flat[:3]
    scale = flat[:2] if old else flat[3:]
    model.blobs[number] = LayerBlobs(layer.name, layer.type, [*statistics])
    model.blobs.append(LayerBlobs(name, "Scale", [*scale]))
    own, new = model.message.layer[number], model.message.layer.add(name=name, type="Scale")
    own.ClearField("blobs")
    for message, blobs in ((own, statistics), (new, scale)):
        for blob in blobs:
            message.blobs.add().shape.dim.extend(blob.shape)


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"layer {quote(names[0])}{more}"
