"""A net for training and testing -> one that only predicts: layers that read labels are removed, data layers become
inputs.

data layers              Input, for those of their tops that are still read; so do Input layers
SoftmaxWithLoss          Softmax `prob`               SigmoidCrossEntropyLoss   Sigmoid
other losses, Accuracy   removed, with layers that only prepared their labels or read their results; so are types of
                         forks that end in Loss, LossOHEM, Accuracy or Evaluate
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import InputError
from ...wording import reads_labels
from ..text import quote
from .schema import Message, NetParameter

PICTURE_PARAMS = {"Data": "data_param", "ImageData": "image_data_param", "WindowData": "window_data_param"}
ACTIVATIONS = {"SoftmaxWithLoss": ("Softmax", "prob"), "SigmoidCrossEntropyLoss": ("Sigmoid", "sigmoid")}
SOURCES = {"Input", "Parameter"}  # layers without a bottom that read no data base
# Layers that may prepare labels between a data layer and a loss. They have no weights.
PREPARATIONS = {"Concat", "Flatten", "Power", "Reshape", "Silence", "Slice", "Split"}


def deploy_net(
    message: Message,
    shapes: Mapping[str, Sequence[int]] | None = None,
    *,
    path: str = "<net>",
    left_out: Sequence[Message] = (),
    need_shapes: bool = True,
) -> Message:
    """The deploy form of a net that `filter_net` returned for TEST; the argument is not changed.

    `shapes` are the inputs' by blob name and override those of data layers: batch_size, crop_size or new_height and
    new_width, and the channels that follow from mean_value, is_color, force_color or force_gray. Of `left_out`, the
    layers of other phases, data layers are used whose tops are read and not given by another layer.
    Raises InputError (of `path`) if an input's shape is neither given nor known, and `need_shapes`.
    """
    net = NetParameter()
    net.CopyFrom(message)
    net.ClearField("layer")
    net.ClearField("state")
    layers = [*_missing_data(message.layer, left_out), *message.layer]
    removed = _removed(layers)
    read = {name for i, layer in enumerate(layers) if i not in removed for name in layer.bottom}
    read |= {layer.bottom[0] for layer in layers if layer.type in ACTIVATIONS and layer.bottom}
    for index, layer in enumerate(layers):
        if _is_data(layer):
            for top, name in enumerate(layer.top):
                if name in read:
                    _add_input(net, layer, top, _shape(layer, top, shapes or {}, path if need_shapes else None))
        elif layer.type == "Input" and read:
            _add_read_inputs(net, layer, read)
        elif index not in removed:
            net.layer.add().CopyFrom(layer)
    _add_activations(net, layers)
    if all(layer.type == "Input" for layer in net.layer) and any(layer.type != "Input" for layer in layers):
        found = "has only layers that give data or read labels, so that --deploy leaves nothing of it"
        raise InputError(path, found, hint="without --deploy it is run as it is")
    for layer in net.layer:
        for field in ("include", "exclude", "phase", "loss_weight"):
            layer.ClearField(field)
    return net


def is_for_training(message: Message, left_out: Sequence[Message] = ()) -> bool:
    """Whether a net of phase TEST has layers that `deploy_net` replaces or leaves out."""
    layers = [*_missing_data(message.layer, left_out), *message.layer]
    return any(_is_data(layer) or reads_labels(layer.type) for layer in layers)


def dropped_inputs(message: Message, deployed: Message) -> list[str]:
    """Names of blobs of Input layers that `deploy_net` has left out."""
    kept = {top for layer in deployed.layer for top in layer.top}
    return [top for layer in message.layer if layer.type == "Input" for top in layer.top if top not in kept]


def _missing_data(layers: Sequence[Message], left_out: Sequence[Message]) -> list[Message]:
    """Data layers of `left_out` for bottoms that no layer gives, the first of each."""
    missing = {name for layer in layers for name in layer.bottom} - {name for layer in layers for name in layer.top}
    found = []
    for layer in left_out:
        if _is_data(layer) and missing.intersection(layer.top):
            missing.difference_update(layer.top)
            found.append(layer)
    return found


def _is_data(layer: Message) -> bool:
    return not layer.bottom and layer.type not in SOURCES


def _removed(layers: Sequence[Message]) -> set[int]:
    """Indices of the layers that a prediction does not need; data layers are not among them."""
    removed: set[int] = set()
    lost: set[str] = set()
    for index, layer in enumerate(layers):
        if reads_labels(layer.type) or lost.intersection(layer.bottom):
            removed.add(index)
            lost.update(layer.top)
    for index in reversed(_preparing(layers)):
        tops = set(layers[index].top)
        readers = [i for i, layer in enumerate(layers) if i != index and tops.intersection(layer.bottom)]
        if removed.issuperset(readers) and (readers or not tops):  # an unread blob is an output of the net
            removed.add(index)
    return removed


def _preparing(layers: Sequence[Message]) -> list[int]:
    """Indices of the layers without weights that process only data and labels."""
    plain = {top for layer in layers if _is_data(layer) or layer.type == "Input" for top in layer.top}
    found = []
    for index, layer in enumerate(layers):
        if layer.type in PREPARATIONS and plain.issuperset(layer.bottom):
            plain.update(layer.top)
            found.append(index)
    return found


def _add_input(net: Message, layer: Message, top: int, shape: Sequence[int]) -> None:
    name = layer.name if top == 0 else layer.top[top]
    new = net.layer.add(name=name, type="Input", top=[layer.top[top]])
    if top == 0 and layer.HasField("transform_param"):
        new.transform_param.CopyFrom(layer.transform_param)  # how inputs have to be prepared
    if shape:
        new.input_param.shape.add(dim=shape)


def _add_read_inputs(net: Message, layer: Message, read: set[str]) -> None:
    """An Input layer with those of its tops that are read, and their shapes."""
    kept = [top for top, name in enumerate(layer.top) if name in read]
    if not kept:
        return
    new = net.layer.add()
    new.CopyFrom(layer)
    del new.top[:], new.input_param.shape[:]
    new.top.extend(layer.top[top] for top in kept)
    shapes = layer.input_param.shape
    new.input_param.shape.extend([shapes[top] for top in kept] if len(shapes) == len(layer.top) else shapes)


def _add_activations(net: Message, layers: Sequence[Message]) -> None:
    """Softmax and Sigmoid in the place of their losses, at the end; the last of several has the plain name, the others
    begin with that of the loss, or of its bottom if it has none."""
    losses = [layer for layer in layers if layer.type in ACTIVATIONS]
    last = {layer.type: layer for layer in losses}
    for loss in losses:
        kind, plain = ACTIVATIONS[loss.type]
        if any(layer.type == kind and layer.bottom[:1] == loss.bottom[:1] for layer in net.layer):
            continue  # the net has it already, for TEST or beside another loss
        taken = {name for layer in net.layer for name in (layer.name, *layer.top)}
        is_plain = loss is last[loss.type] and plain not in taken
        name = plain if is_plain else f"{loss.name or loss.bottom[0]}_{plain}"
        while name in taken:
            name += "_"
        new = net.layer.add(name=name, type=kind, bottom=loss.bottom[:1], top=[name])
        if kind == "Softmax" and loss.HasField("softmax_param"):
            new.softmax_param.CopyFrom(loss.softmax_param)


def _shape(layer: Message, top: int, shapes: Mapping[str, Sequence[int]], path: str | None) -> Sequence[int]:
    """Of a data layer's top; none if it is unknown, which is an error of the file `path`, if given."""
    blob = layer.top[top]
    if shapes.get(blob):
        return shapes[blob]
    shape = known_shape(layer, top)
    if not shape or not all(shape):
        if path is None:
            return ()
        found = f"layer {quote(layer.name)} does not say the shape of {quote(blob)}"
        raise InputError(path, found, hint="--input-shape gives it")
    return shape


def known_shape(layer: Message, top: int = 0) -> Sequence[int]:
    """The shape of a top of a layer without bottoms. Zeros, or nothing, for unknown sizes."""
    if layer.type == "Input":
        shapes = layer.input_param.shape
        return _nth(shapes, top).dim if shapes else []
    if layer.type == "DummyData":
        data = layer.dummy_data_param
        sizes = (data.num, data.channels, data.height, data.width)
        return _nth(data.shape, top).dim if data.shape else [_nth(values, top) for values in sizes if values]
    if layer.type == "MemoryData":
        data = layer.memory_data_param
        pictures = [data.batch_size, data.channels, data.height, data.width]
    elif layer.type in PICTURE_PARAMS:
        data = getattr(layer, PICTURE_PARAMS[layer.type])
        pictures = [data.batch_size, _channels(layer), *_size(layer)]
    else:
        return []
    return pictures if top == 0 else pictures[:1]  # labels


def _nth(values: Sequence[Any], top: int) -> Any:
    """DummyData's parameters are one for each top, or one for all."""
    return values[top if top < len(values) else 0]


def _channels(layer: Message) -> int:
    transform = layer.transform_param
    if transform.force_color or transform.force_gray:
        return 3 if transform.force_color else 1
    if layer.type == "ImageData":
        return 3 if layer.image_data_param.is_color else 1
    if layer.type == "WindowData":
        return 3
    return len(transform.mean_value) if len(transform.mean_value) > 1 else 0  # one value is for any number of channels


def _size(layer: Message) -> tuple[int, int]:
    """Height and width."""
    crop = layer.transform_param.crop_size
    if not crop and layer.type == "ImageData":
        return layer.image_data_param.new_height, layer.image_data_param.new_width
    return crop, crop
