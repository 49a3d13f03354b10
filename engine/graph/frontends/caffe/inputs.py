"""Layers that are a net's inputs: their shapes, and how they prepare pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from .....formats.caffe.schema import enum_name
from ...ir.filler import Filler
from ...ir.graph import Node, Shape
from ...ops.inputs import DatabaseFiles, FilledBlobs, InputBlobs, PictureFiles, RowFiles, Transform
from .fields import Reader, read_fields, set_field


def _reader(shapes_of: Callable, files_of: Callable = lambda node, layer: None) -> Reader:
    def read(node: Node, layer) -> InputBlobs:
        has = layer.HasField("transform_param")
        transform = read_fields(Transform, layer.transform_param) if has else None
        return InputBlobs(tuple(shapes_of(layer)), transform, files=files_of(node, layer))

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


def _database(node: Node, layer) -> DatabaseFiles:
    data = layer.data_param
    return DatabaseFiles(data.source, enum_name(data, "backend"), data.batch_size)


def _rows(node: Node, layer) -> RowFiles:
    data = layer.hdf5_data_param
    return RowFiles(data.source, data.batch_size, data.shuffle)


def _pictures(node: Node, layer) -> PictureFiles:
    data = layer.image_data_param
    if (data.new_height > 0) != (data.new_width > 0):
        raise node.error(f"has new_height {data.new_height} and new_width {data.new_width}", "both, or none")
    size = (data.new_height, data.new_width) if data.new_height else None
    return PictureFiles(
        data.source, data.batch_size, data.shuffle, size, data.is_color, data.root_folder, data.rand_skip
    )


def _filled(node: Node, layer) -> FilledBlobs:
    fillers = tuple(read_fields(Filler, filler) for filler in layer.dummy_data_param.data_filler)
    return FilledBlobs(fillers or (Filler(),))


READERS = {
    "Input": _reader(_input_shapes),
    "DummyData": _reader(_dummy_shapes, _filled),
    "MemoryData": _reader(_memory_shapes),
    "HDF5Data": _reader(lambda layer: [], _rows),
    "Data": _reader(_picture_shapes("data_param"), _database),
    "ImageData": _reader(_picture_shapes("image_data_param"), _pictures),
    "WindowData": _reader(_picture_shapes("window_data_param")),
}
