"""Layers that are a net's inputs: their shapes, and how they prepare pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ...ir.graph import Node, Shape
from ...ops.inputs import InputBlobs, Transform
from .fields import Reader, read_fields, set_field


def _reader(shapes_of: Callable) -> Reader:
    def read(node: Node, layer) -> InputBlobs:
        has = layer.HasField("transform_param")
        return InputBlobs(tuple(shapes_of(layer)), read_fields(Transform, layer.transform_param) if has else None)

    return Reader(read, {"shapes": _write_shapes, "transform": _write_transform}, said=_say_inputs)


def _say_inputs(attributes: InputBlobs) -> InputBlobs:
    """A net of Caffe takes any shape that its layers take."""
    return replace(attributes, fixed_from=None, fixed_by="")


def _input_shapes(layer) -> list[Shape]:
    return [tuple(shape.dim) for shape in layer.input_param.shape]


def _dummy_shapes(layer) -> list[Shape]:
    """As Input, or the older num, channels, height, width."""
    parameter = layer.dummy_data_param
    shapes = [tuple(shape.dim) for shape in parameter.shape]
    return shapes or list(zip(parameter.num, parameter.channels, parameter.height, parameter.width, strict=False))


def _memory_shapes(layer) -> list[Shape]:
    memory = layer.memory_data_param
    return [(memory.batch_size, memory.channels, memory.height, memory.width)]


def _picture_shapes(parameter: str) -> Callable:
    """Of a layer that reads a database or files: the batch and crop size are known, the channels are not always."""

    def shapes_of(layer) -> list[Shape]:
        transform = layer.transform_param
        channels = 1 if transform.force_gray else max(3, len(transform.mean_value))
        return [(getattr(layer, parameter).batch_size, channels, transform.crop_size, transform.crop_size)]

    return shapes_of


def _write_shapes(layer, shapes: tuple[Shape, ...]) -> None:
    del layer.input_param.shape[:]
    for shape in shapes:
        layer.input_param.shape.add(dim=shape)


def _write_transform(layer, transform: Transform | None) -> None:
    for name in ("scale", "mean_value", "mean_file"):
        set_field(layer.transform_param, name, getattr(transform or Transform(), name))
    if not layer.transform_param.ListFields():
        layer.ClearField("transform_param")


READERS = {
    "Input": _reader(_input_shapes),
    "DummyData": _reader(_dummy_shapes),
    "MemoryData": _reader(_memory_shapes),
    "HDF5Data": _reader(lambda layer: []),
    "Data": _reader(_picture_shapes("data_param")),
    "ImageData": _reader(_picture_shapes("image_data_param")),
    "WindowData": _reader(_picture_shapes("window_data_param")),
}
