"""Older versions of a net -> the newest, in memory, by Caffe's own rules and in its order.

V0 -> V1      `layers { layer { type: "conv" ... } }`: parameters move to one message per type; padding layers dissolve
data          scale, mean_file, crop_size, mirror of V1 data layers move to transform_param
V1 -> V2      `layers` become `layer`, types become strings, learning rates become `param`
inputs        `input` with `input_shape` or `input_dim` becomes a layer of type Input, the first
BatchNorm     three `param` entries get learning rate and decay 0, since they are not learned by gradient
"""

from __future__ import annotations

from google.protobuf.unknown_fields import UnknownFieldSet

from ...errors import InputError
from ..text import quote
from .schema import MESSAGES, Message, NetParameter
from .upgrade_v0 import upgrade_v0

OLD_DATA_FIELDS = ("scale", "mean_file", "crop_size", "mirror")
OLD_DATA_PARAMS = {"DATA": "data_param", "IMAGE_DATA": "image_data_param", "WINDOW_DATA": "window_data_param"}
V1_ONLY = {"layer", "type", "param", "blob_share_mode", "blobs_lr", "weight_decay"}
# The names that are not the enum's with each word capitalised.
V1_TYPE_NAMES = {
    "NONE": "",
    "ABSVAL": "AbsVal",
    "ARGMAX": "ArgMax",
    "BN": "BN",
    "BNLL": "BNLL",
    "HDF5_DATA": "HDF5Data",
    "HDF5_OUTPUT": "HDF5Output",
    "LRN": "LRN",
    "MVN": "MVN",
    "RELU": "ReLU",
    "SOFTMAX_LOSS": "SoftmaxWithLoss",
    "TANH": "TanH",
}
LAYER_TYPES = MESSAGES["V1LayerParameter"].DESCRIPTOR.enum_types_by_name["LayerType"].values_by_number


def upgrade_net(message: Message, path: str) -> list[str]:
    """Brings a NetParameter of any version to the newest, in place; returns notices, none if it was that already.

    Raises InputError (of `path`) for a net that is of two versions at once, or that Caffe's rules do not cover.
    """
    changes, notices = [], []
    if message.layers and message.layer:
        raise InputError(path, "holds both `layer` and `layers`", "one of them, all of one version")
    if any(old.HasField("layer") for old in message.layers):
        notices += upgrade_v0(message, path)
        changes.append("V0 layers")
    elif message.layers:
        changes.append("V1 `layers`")
    if message.layers:
        notices += _upgrade_layers(message, path)
    if message.input or message.input_dim or message.input_shape:
        changes.append(f"`input`{'' if _upgrade_inputs(message, path) else ' without dimensions'}")
    for layer in message.layer:
        _fix_batch_norm(layer)
    if changes:
        notices.insert(0, f"{path}: upgraded from an older version of Caffe's format ({' and '.join(changes)})")
    return notices


def type_name(number: int) -> str:
    """The type of a V1 layer as V2 spells it."""
    name = LAYER_TYPES[number].name
    return V1_TYPE_NAMES.get(name, "".join(word.capitalize() for word in name.split("_")))


def _upgrade_layers(message: Message, path: str) -> list[str]:
    notices = []
    for number, old in enumerate(message.layers, start=1):
        _move_data_fields(old)
        _upgrade_layer(old, message.layer.add())
        if len(UnknownFieldSet(old)):
            notices.append(f"{path}: layer {number} {quote(old.name)}: dropped fields that no V1 layer has")
    message.ClearField("layers")
    return notices


def _move_data_fields(old: Message) -> None:
    name = OLD_DATA_PARAMS.get(LAYER_TYPES[old.type].name)
    if name is None or not old.HasField(name):
        return
    data = getattr(old, name)
    for field in OLD_DATA_FIELDS:
        if data.HasField(field):
            setattr(old.transform_param, field, getattr(data, field))
            data.ClearField(field)


def _upgrade_layer(old: Message, new: Message) -> None:
    """Fills V2 `new` from V1 `old`. All other fields are called the same in both."""
    new.type = type_name(old.type)
    for known, value in old.ListFields():
        if known.name in V1_ONLY:
            continue
        if isinstance(value, Message):
            getattr(new, known.name).CopyFrom(value)
        elif isinstance(value, str | bytes):
            setattr(new, known.name, value)
        else:
            getattr(new, known.name).MergeFrom(value)
    for _ in range(max(len(old.param), len(old.blob_share_mode), len(old.blobs_lr), len(old.weight_decay))):
        new.param.add()
    renamed = {"name": old.param, "share_mode": old.blob_share_mode}
    for field, values in {**renamed, "lr_mult": old.blobs_lr, "decay_mult": old.weight_decay}.items():
        for spec, value in zip(new.param, values, strict=False):
            setattr(spec, field, value)


def _upgrade_inputs(message: Message, path: str) -> bool:
    """Whether there are shapes for the Input layer; the fields are cleared anyway. A layer may give an input without a
    shape, which Caffe drops."""
    names, dims, shapes = list(message.input), list(message.input_dim), message.input_shape
    found = bool(names) and bool(dims or shapes)
    if found and (len(shapes) != len(names) if shapes else len(dims) != 4 * len(names)):
        what = f"{len(shapes)} input_shape" if shapes else f"{len(dims)} input_dim"
        raise InputError(path, f"has {len(names)} inputs and {what}", "one each" if shapes else "four each")
    layers = list(message.layer)
    if not found:
        names = [name for name in names if not any(name in layer.top for layer in layers)]
    if names:
        first = NetParameter().layer.add(name="input", type="Input", top=names)
        for i in range(len(names) if found else 0):
            first.input_param.shape.add(dim=shapes[i].dim if shapes else dims[4 * i : 4 * i + 4])
        copies = NetParameter(layer=[first, *layers])
        message.ClearField("layer")
        message.layer.MergeFrom(copies.layer)
    for field in ("input", "input_dim", "input_shape"):
        message.ClearField(field)
    return found


def _fix_batch_norm(layer: Message) -> None:
    if layer.type == "BatchNorm" and len(layer.param) == 3:
        for spec in layer.param:
            spec.lr_mult = spec.decay_mult = 0
