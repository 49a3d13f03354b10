"""V0 -> V1: each entry of `layers` holds its parameters in one flat message `layer`, its type in lower case."""

from __future__ import annotations

from ...errors import InputError
from ..text import quote
from .schema import MESSAGES, Message, NetParameter

V0_TYPES = {
    "accuracy", "bnll", "concat", "conv", "data", "dropout", "euclidean_loss", "flatten", "hdf5_data", "hdf5_output",
    "im2col", "images", "infogain_loss", "innerproduct", "lrn", "multinomial_logistic_loss", "pool", "relu", "sigmoid",
    "softmax", "softmax_loss", "split", "tanh", "window_data",
}  # fmt: skip
RENAMED = {"conv": "CONVOLUTION", "images": "IMAGE_DATA", "innerproduct": "INNER_PRODUCT", "pool": "POOLING"}
ANY = ("name", "blobs", "blobs_lr", "weight_decay")
TRANSFORM = {"scale": "scale", "meanfile": "mean_file", "cropsize": "crop_size", "mirror": "mirror"}
PARAMS = {  # type -> its message in V1
    "concat": "concat_param",
    "conv": "convolution_param",
    "data": "data_param",
    "dropout": "dropout_param",
    "hdf5_data": "hdf5_data_param",
    "images": "image_data_param",
    "infogain_loss": "infogain_loss_param",
    "innerproduct": "inner_product_param",
    "lrn": "lrn_param",
    "pool": "pooling_param",
    "window_data": "window_data_param",
}
V0_FIELDS = {  # V0 field -> its name in V1, the types that have it
    "num_output": ("num_output", "conv innerproduct"),
    "biasterm": ("bias_term", "conv innerproduct"),
    "weight_filler": ("weight_filler", "conv innerproduct"),
    "bias_filler": ("bias_filler", "conv innerproduct"),
    "pad": ("pad", "conv pool"),
    "kernelsize": ("kernel_size", "conv pool"),
    "stride": ("stride", "conv pool"),
    "group": ("group", "conv"),
    "pool": ("pool", "pool"),
    "dropout_ratio": ("dropout_ratio", "dropout"),
    "local_size": ("local_size", "lrn"),
    "alpha": ("alpha", "lrn"),
    "beta": ("beta", "lrn"),
    "k": ("k", "lrn"),
    "source": ("source", "data hdf5_data images window_data infogain_loss"),
    "batchsize": ("batch_size", "data hdf5_data images window_data"),
    "rand_skip": ("rand_skip", "data images"),
    "shuffle_images": ("shuffle", "images"),
    "new_height": ("new_height", "images"),
    "new_width": ("new_width", "images"),
    "concat_dim": ("concat_dim", "concat"),
    "det_fg_threshold": ("fg_threshold", "window_data"),
    "det_bg_threshold": ("bg_threshold", "window_data"),
    "det_fg_fraction": ("fg_fraction", "window_data"),
    "det_context_pad": ("context_pad", "window_data"),
    "det_crop_mode": ("crop_mode", "window_data"),
}
KEPT_NET_FIELDS = ("name", "input", "input_dim", "force_backward")  # of the net, besides its layers


def upgrade_v0(message: Message, path: str) -> list[str]:
    """Turns all `layers` of a V0 net into V1's, in place; returns a notice for each field that had to be dropped.

    Raises InputError for an unknown type, or a padding layer before a layer other than conv or pool.
    """
    _dissolve_padding(message, path)
    new, notices = NetParameter(), []
    for number, old in enumerate(message.layers, start=1):
        where = f"layer {number} {quote(old.layer.name)}"
        if old.layer.type not in V0_TYPES:
            known = ", ".join(sorted(V0_TYPES))
            raise InputError(path, f"{where} is of the type {quote(old.layer.type)}", f"one of V0's: {known}")
        for field in _upgrade_layer(old, new.layers.add()):
            notices.append(f"{path}: {where}: dropped {field}, which the type {old.layer.type} has not")
    for field in KEPT_NET_FIELDS:
        if field in {known.name for known, _ in message.ListFields()}:
            _copy(getattr(message, field), new, field)
    message.CopyFrom(new)
    return notices


def _upgrade_layer(entry: Message, new: Message) -> list[str]:
    """Fills V1 `new`; returns the names of the fields that do not suit the type."""
    old, dropped = entry.layer, []
    new.bottom.extend(entry.bottom)
    new.top.extend(entry.top)
    new.type = MESSAGES["V1LayerParameter"].LayerType.Value(RENAMED.get(old.type, old.type.upper()))
    for known, value in old.ListFields():
        renamed, types = V0_FIELDS.get(known.name, ("", ""))
        if known.name in ANY:
            _copy(value, new, known.name)
        elif known.name in TRANSFORM:
            _copy(value, new.transform_param, TRANSFORM[known.name])
        elif known.name == "hdf5_output_param" and old.type == "hdf5_output":
            _copy(value, new, known.name)
        elif old.type in types.split():
            _copy(value, getattr(new, PARAMS[old.type]), renamed)
        elif known.name != "type":
            dropped.append(known.name)
    return dropped


def _copy(value: object, message: Message, field: str) -> None:
    """message.field = value, of any kind; a single value becomes the only one of a repeated field."""
    if isinstance(value, Message):
        getattr(message, field).CopyFrom(value)
    elif not isinstance(value, bool | int | float | str | bytes):
        getattr(message, field).MergeFrom(value)
    elif isinstance(getattr(message, field), bool | int | float | str | bytes):
        setattr(message, field, value)
    else:
        getattr(message, field).append(value)


def _dissolve_padding(message: Message, path: str) -> None:
    """Gives the `pad` of each padding layer to the one that reads it, and the bottom with it."""
    padding: dict[str, Message] = {}  # the blobs that are now the top of a padding layer -> that layer
    kept = []
    for number, entry in enumerate(message.layers, start=1):
        for source in [padding[name] for name in entry.bottom if name in padding]:
            if entry.layer.type not in ("conv", "pool") or len(entry.bottom) != 1:
                found = f"layer {number} {quote(entry.layer.name)} reads a padding layer"
                raise InputError(path, found, "a conv or pool with one bottom")
            entry.layer.pad = source.layer.pad
            entry.bottom[0] = source.bottom[0]
        is_padding = entry.layer.type == "padding"
        if is_padding and len(entry.bottom) != 1:
            found = f"layer {number} {quote(entry.layer.name)} has {len(entry.bottom)} bottoms"
            raise InputError(path, found, "one, as padding has")
        for name in entry.top:
            padding.pop(name, None)
            if is_padding:
                padding[name] = entry
        if not is_padding:
            kept.append(entry)
    layers = NetParameter(layers=kept)
    message.ClearField("layers")
    message.layers.MergeFrom(layers.layers)
