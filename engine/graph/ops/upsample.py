"""Upsample, which two forks have.

YOLO's, of one bottom     each pixel becomes scale x scale equal ones
SegNet's, of two          the values go to the places of the maxima that a Pooling found, its second top; the rest is 0.
                          Of values with one place the last one stays. An index below 0, which Pooling gives for a
                          window without a number, or NaN means nowhere: its value is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...compiler import signatures as types
from ...compiler.jit import F1, F1_IN, i64, kernel
from ..ir.graph import PICTURE_AXES, Node, Shape
from ..ir.op import Back, Gradient, Layers, Op, Run, count
from .axes import ResizedAxis, add_shares, axes_back, prepare_axes
from .checks import refuse_in_place
from .windows import MOST_NUMBERS


@dataclass(frozen=True)
class Upsample:
    """`scale` None is 1 of YOLO's and 2 of SegNet's, which alone has the others: the top's size is `upsample_h` and
    `upsample_w`, else `scale_h` and `scale_w`, or `scale` for both, times the bottom's, less one row with `pad_out_h`
    and one column with `pad_out_w`."""

    scale: int | None = None
    scale_h: int | None = None
    scale_w: int | None = None
    pad_out_h: bool = False
    pad_out_w: bool = False
    upsample_h: int | None = None
    upsample_w: int | None = None


@kernel(types.void(F1_IN, F1_IN, i64, i64, i64, F1))
def scatter(x, places, planes, pixels, size, y):
    """y [planes, size] = x [planes, pixels] at its places within the plane, 0 elsewhere; those below 0 are nowhere."""
    y[:] = 0
    for i in range(planes * pixels):
        if places[i] >= 0:
            y[i // pixels * size + np.int64(places[i])] = x[i]


@kernel(types.void(F1_IN, F1_IN, i64, i64, i64, F1))
def gather(dy, places, planes, pixels, size, dx):
    """dx [planes, pixels] = dy [planes, size] at its places within the plane; 0 for those below 0."""
    for i in range(planes * pixels):
        dx[i] = dy[i // pixels * size + np.int64(places[i])] if places[i] >= 0 else np.float32(0)


def has_places(node: Node) -> bool:
    """Whether it is SegNet's."""
    return len(node.bottoms) == 2


def upsampled_sizes(node: Node, bottom: Shape) -> list[int]:
    """Of the last two axes of the top. Raises node.error."""
    it = node.attributes
    for name in ("scale", "scale_h", "scale_w", "upsample_h", "upsample_w"):
        value = getattr(it, name)
        if value is not None and not 1 <= value <= MOST_NUMBERS:
            raise node.error(f"{name} {value}", f"1 to {MOST_NUMBERS}")
    if len(bottom) < 2:
        raise node.error(f"has a bottom of shape {list(bottom)}", "2 axes or more")
    return _sizes_of_places(node, bottom) if has_places(node) else _sizes_of_pixels(node, bottom)


def _sizes_of_pixels(node: Node, bottom: Shape) -> list[int]:
    it = node.attributes
    if it != Upsample(it.scale):
        raise node.error("has one bottom, and more than a scale", "a second bottom, the indices of a Pooling")
    return [size * (it.scale or 1) for size in bottom[-2:]]


def _sizes_of_places(node: Node, bottom: Shape) -> list[int]:
    it = node.attributes
    size, scales = (it.upsample_h, it.upsample_w), (it.scale_h, it.scale_w)
    if None not in size:
        return list(size)
    if size != (None, None) or scales.count(None) == 1 or (it.scale is not None and None not in scales):
        found = " and ".join(name for name, value in vars(it).items() if value not in (None, False))
        raise node.error(f"has {found}", "upsample_h and upsample_w, scale_h and scale_w, or scale")
    scales = (it.scale or 2,) * 2 if None in scales else scales
    for name, pad, scale in zip(("h", "w"), (it.pad_out_h, it.pad_out_w), scales, strict=True):
        if pad and scale != 2:
            raise node.error(f"has pad_out_{name} with a scale of {scale}", "a scale of 2")
    pads = it.pad_out_h, it.pad_out_w
    return [n * scale - pad for n, scale, pad in zip(bottom[-2:], scales, pads, strict=True)]


def upsampled_axes(node: Node, bottom: Shape) -> list[ResizedAxis]:
    """Where rows and columns of YOLO's come from."""
    axes = []
    for n, m in zip(bottom[-2:], upsampled_sizes(node, bottom), strict=True):
        first = np.arange(m) // (node.attributes.scale or 1)
        axes.append(ResizedAxis(n, first, first, None))
    return axes


def upsample_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    refuse_in_place(node)
    bottom, shapes = bottoms[0], [list(each) for each in bottoms]
    if has_places(node) and (len(bottom) != PICTURE_AXES or shapes[0] != shapes[1]):
        raise node.error(f"bottoms of shapes {shapes[0]} and {shapes[1]}", f"one shape of {PICTURE_AXES} axes")
    return [(*bottom[:-2], *upsampled_sizes(node, bottom))]


def check_places(node: Node, places: np.ndarray, size: int) -> None:
    """Raises node.error for one behind the last of `size` pixels of a plane."""
    if (behind := places >= size).any():
        position = int(behind.argmax())
        found = f"{node.bottoms[1].name!r} holds {places[position]:g} at position {position}"
        raise node.error(found, f"an index of the {size} pixels of a plane")


def prepare_upsample(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    if not has_places(node):
        return prepare_axes(bottoms[0], upsampled_axes(node, bottoms[0]))
    planes, pixels, size = count(tops[0], 0, 2), count(bottoms[0], 2), count(tops[0], 2)

    def run(inputs, outputs):
        x, places = (array.reshape(-1) for array in inputs)
        check_places(node, places, size)
        scatter.run(x, places, planes, pixels, size, outputs[0].reshape(-1))

    return run


def upsample_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
    """That of the indices is 0, so that it may be asked for: nets have no propagate_down there."""
    if not has_places(node):
        return axes_back(bottoms[0], upsampled_axes(node, bottoms[0]))
    planes, pixels, places_there = count(tops[0], 0, 2), count(bottoms[0], 2), count(tops[0], 2)

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        if input_gradients[1] is not None:
            input_gradients[1].fill(0)
        if input_gradients[0] is not None:
            dy, places, dx = (array.reshape(-1) for array in (output_gradients[0], inputs[1], input_gradients[0]))
            check_places(node, places, places_there)  # a program may have written to them
            gather.run(dy, places, planes, pixels, places_there, dx)

    return back


OPS = (
    Op(
        "Upsample", upsample_shapes, prepare_upsample, bottoms=(1, 2), kernels=(scatter,),
        gradient=Gradient(upsample_back, kernels=(gather, add_shares)),
    ),
)  # fmt: skip
