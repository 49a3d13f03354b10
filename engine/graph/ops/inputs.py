"""Layers without bottoms: where a net's data comes from. Their tops are the net's inputs, which the caller fills."""

from __future__ import annotations

from ..ir.graph import Node, Shape
from ..ir.op import MANY, Op, nothing

HINT = "--input-shape gives it"
DATA_LAYERS = ("Data", "ImageData", "MemoryData", "WindowData")


def input_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    """Input: one shape a top, or one for all."""
    return _for_each_top(node, [tuple(shape.dim) for shape in node.message.input_param.shape])


def dummy_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    """DummyData: as Input, or the older num, channels, height, width."""
    parameter = node.message.dummy_data_param
    shapes = [tuple(shape.dim) for shape in parameter.shape]
    legacy = zip(parameter.num, parameter.channels, parameter.height, parameter.width, strict=False)
    return _for_each_top(node, shapes or list(legacy))


def data_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    """Layers that read a database or files: the batch and crop size are known, the channels are not always."""
    message = node.message
    if node.type == "MemoryData":
        memory = message.memory_data_param
        data = (memory.batch_size, memory.channels, memory.height, memory.width)
    else:
        name = {"Data": "data_param", "ImageData": "image_data_param", "WindowData": "window_data_param"}[node.type]
        crop, means = message.transform_param.crop_size, len(message.transform_param.mean_value)
        data = (
            getattr(message, name).batch_size,
            1 if message.transform_param.force_gray else max(3, means),
            crop,
            crop,
        )
    if not all(data):
        raise node.error(f"does not say the shape of {node.tops[0].name!r}", "batch size and crop size", HINT)
    return [data, (data[0],)][: len(node.tops)]


def hdf5_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    """HDF5Data: its files say the shapes."""
    named = ", ".join(repr(top.name) for top in node.tops)
    raise node.error(f"does not say the shapes of {named}", "a shape for each", HINT)


def _for_each_top(node: Node, shapes: list[Shape]) -> list[Shape]:
    if len(shapes) == 1:
        shapes = shapes * len(node.tops)
    if len(shapes) != len(node.tops):
        raise node.error(f"has {len(shapes)} shapes for {len(node.tops)} tops", "one shape, or one a top", HINT)
    return shapes


OPS = (
    Op("Input", input_shapes, nothing, bottoms=(0, 0), tops=(1, MANY)),
    Op("DummyData", dummy_shapes, nothing, bottoms=(0, 0), tops=(1, MANY)),
    Op("HDF5Data", hdf5_shapes, nothing, bottoms=(0, 0), tops=(1, MANY)),
    *(Op(kind, data_shapes, nothing, bottoms=(0, 0), tops=(1, 2)) for kind in DATA_LAYERS),
)
