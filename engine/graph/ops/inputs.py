"""Layers without bottoms: the sources of a net's data. Their tops are the net's inputs, which the caller fills."""

from __future__ import annotations

from dataclasses import dataclass

from ..ir.filler import Filler
from ..ir.graph import Node, Shape
from ..ir.op import MANY, Op, nothing

INPUT_SHAPE_HINT = "--input-shape gives it"
DATA_LAYERS = ("Data", "ImageData", "MemoryData", "WindowData")


@dataclass(frozen=True)
class Transform:
    """How a data layer prepares its pictures, of which it takes crops: (x - mean) * scale. The caller
    prepares inputs for the net."""

    scale: float | None = None  # 1
    mirror: bool = False
    crop_size: int = 0
    mean_file: str = ""
    mean_value: tuple[float, ...] = ()
    force_color: bool = False
    force_gray: bool = False


@dataclass(frozen=True)
class DatabaseFiles:
    """Of a Data layer: records of an LMDB or LevelDB folder (`backend`), `batch` at a time."""

    path: str
    backend: str
    batch: int


@dataclass(frozen=True)
class RowFiles:
    """Of an HDF5Data layer: rows of the HDF5 files that the text file `path` lists, a dataset per top."""

    path: str
    batch: int
    shuffle: bool = False


@dataclass(frozen=True)
class PictureFiles:
    """Of an ImageData layer: the text file `path` has lines of a picture's file and a label; `root` comes before each
    file. `size` is (height, width), None for pictures as they are; `skip`: the first is a random one below it."""

    path: str
    batch: int
    shuffle: bool = False
    size: tuple[int, int] | None = None
    color: bool = True
    root: str = ""
    skip: int = 0


@dataclass(frozen=True)
class FilledBlobs:
    """Of a DummyData layer: a filler per top, or one for all."""

    fillers: tuple[Filler, ...] = (Filler(),)


DataFiles = DatabaseFiles | RowFiles | PictureFiles | FilledBlobs


@dataclass(frozen=True)
class InputBlobs:
    """Of the layers here: the shapes of the tops in the net, with zeros for unknown sizes. `transform` is None without
    one. The sizes of axes from `fixed_from` on are those of the shapes, because the net was made for them; None: the
    net takes any. `fixed_by` says why it takes one batch only. `files` are what a data layer reads in training."""

    shapes: tuple[Shape, ...] = ()
    transform: Transform | None = None
    fixed_from: int | None = None
    fixed_by: str = ""
    files: DataFiles | None = None


def check_given(node: Node, shapes: list[Shape]) -> None:
    """Raises node.error for shapes of the tops that the net was not made for."""
    attributes = node.attributes
    if not isinstance(attributes, InputBlobs) or attributes.fixed_from is None:
        return
    start = attributes.fixed_from
    for top, found, own in zip(node.tops, shapes, attributes.shapes, strict=True):
        if len(found) != len(own) or found[start:] != own[start:]:
            expected = ", ".join(["N"] * start + [str(size) for size in own[start:]])
            hint = attributes.fixed_by if start == 0 else "input_shapes of load_onnx, --input-shape"
            raise node.error(f"gets {top.name!r} of the shape {list(found)}", f"[{expected}]", hint)


def input_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    """Input, DummyData: one shape per top, or one for all."""
    shapes = list(node.attributes.shapes)
    if len(shapes) == 1:
        shapes = shapes * len(node.tops)
    if len(shapes) != len(node.tops):
        raise node.error(
            f"has {len(shapes)} shapes for {len(node.tops)} tops", "one shape, or one per top", INPUT_SHAPE_HINT
        )
    return shapes


def data_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    """Layers that read a database or files: pictures, and one label per picture."""
    (data,) = node.attributes.shapes
    if not all(data):
        raise node.error(
            f"does not say the shape of {node.tops[0].name!r}", "batch size and crop size", INPUT_SHAPE_HINT
        )
    return [data, data[:1]][: len(node.tops)]


def hdf5_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    """HDF5Data: the shapes are in its files."""
    named = ", ".join(repr(top.name) for top in node.tops)
    raise node.error(f"does not say the shapes of {named}", "a shape for each", INPUT_SHAPE_HINT)


OPS = (
    Op("Input", input_shapes, nothing, bottoms=(0, 0), tops=(1, MANY)),
    Op("DummyData", input_shapes, nothing, bottoms=(0, 0), tops=(1, MANY)),
    Op("HDF5Data", hdf5_shapes, nothing, bottoms=(0, 0), tops=(1, MANY)),
    *(Op(kind, data_shapes, nothing, bottoms=(0, 0), tops=(1, 2)) for kind in DATA_LAYERS),
)
