"""Interp of DeepLab and PSPNet: a part of a picture in another size, corner pixel on corner pixel.

Of a picture of h rows that is resized to H, row i lies at r * i with r = (h - 1) / (H - 1), 0 for one row, both
computed in float32 as the forks do; columns alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...vectors.elementary import F
from ..ir.graph import PICTURE_AXES, Node, Shape
from ..ir.op import Back, Gradient, Layers, Op, Run
from .axes import ResizedAxis, add_shares, axes_back, axes_macs, prepare_axes
from .checks import refuse_in_place
from .windows import MOST_NUMBERS


@dataclass(frozen=True)
class Interp:
    """The size: by one of `shrink_factor` and `zoom_factor`, else `height` and `width`, else by both factors.

    `pad_beg` rows and columns are cut off at the start and `pad_end` at the end before: both are 0 or negative.
    """

    height: int | None = None
    width: int | None = None
    zoom_factor: int | None = None
    shrink_factor: int | None = None
    pad_beg: int = 0
    pad_end: int = 0

    @property
    def by_size(self) -> bool:
        """Whether `height` and `width` decide."""
        alone = (self.zoom_factor is None) != (self.shrink_factor is None)
        return not alone and None not in (self.height, self.width)


def interp_sizes(node: Node, bottom: Shape) -> list[tuple[int, int]]:
    """(pixels that are left of the bottom, pixels of the top) of rows and columns. Raises node.error."""
    if len(bottom) != PICTURE_AXES:
        raise node.error(f"has a bottom of shape {list(bottom)}", f"{PICTURE_AXES} axes")
    it = node.attributes
    if it.pad_beg > 0 or it.pad_end > 0:
        raise node.error(f"pad_beg {it.pad_beg} and pad_end {it.pad_end}", "0, or negative: so many are cut off")
    kept = [size + it.pad_beg + it.pad_end for size in bottom[2:]]
    if min(kept) < 1:
        raise node.error(f"has {kept[0]} rows and {kept[1]} columns left of {list(bottom[2:])}", "at least 1 of each")
    for name in ("height", "width", "zoom_factor", "shrink_factor"):
        value = getattr(it, name)
        if value is not None and not 1 <= value <= MOST_NUMBERS:
            raise node.error(f"{name} {value}", f"1 to {MOST_NUMBERS}")
    return list(zip(kept, _top_sizes(node, kept), strict=True))


def _top_sizes(node: Node, kept: list[int]) -> list[int]:
    it = node.attributes
    if it.by_size:
        return [it.height, it.width]
    if it.zoom_factor is it.shrink_factor is None:
        raise node.error("has no size", "height and width, zoom_factor or shrink_factor")
    shrunk = [(size - 1) // (it.shrink_factor or 1) + 1 for size in kept]
    return [size + (size - 1) * ((it.zoom_factor or 1) - 1) for size in shrunk]


def interp_axes(node: Node, bottom: Shape) -> list[ResizedAxis]:
    """Where the rows and the columns come from."""
    axes, start = [], -node.attributes.pad_beg
    for size, (n, m) in zip(bottom[2:], interp_sizes(node, bottom), strict=True):
        ratio = F(n - 1) / F(m - 1) if m > 1 else F(0)
        x = ratio * np.arange(m, dtype=F)
        first = np.minimum(x.astype(np.int64), n - 1)
        axes.append(ResizedAxis(size, start + first, start + np.minimum(first + 1, n - 1), x - first.astype(F)))
    return axes


def interp_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    refuse_in_place(node)
    return [(*bottoms[0][:2], *(m for _, m in interp_sizes(node, bottoms[0])))]


def prepare_interp(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    return prepare_axes(bottoms[0], interp_axes(node, bottoms[0]))


def interp_macs(node: Node, bottoms: list[Shape], tops: list[Shape]) -> int:
    return axes_macs(interp_axes(node, bottoms[0]), tops[0])


def interp_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
    return axes_back(bottoms[0], interp_axes(node, bottoms[0]))


OPS = (
    Op(
        "Interp", interp_shapes, prepare_interp, macs=interp_macs,
        gradient=Gradient(interp_back, kernels=(add_shares,)),
    ),
)  # fmt: skip
