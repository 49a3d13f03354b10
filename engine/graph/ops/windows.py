"""Windows that slide over spatial axes: the parameters of Convolution and Deconvolution, and the offsets that they
read.

The pixels of a picture are laid out so that a tap of the kernel reads adjacent pixels for adjacent outputs: in
*planes*, one per channel, with the padding around them and each row's columns sorted by their remainder modulo the
stride. Then the address of (tap, output pixel) is  taps[tap] + starts[output row] + output column,  for any kernel
size, stride, padding and dilation. Fewer than three spatial axes are three with leading axes of one pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ...compiler.fields import numbers, read_fields
from ...compiler.jit import inline
from ...vectors.copying import copy
from ...vectors.simd import element
from ..ir.graph import Node, Shape
from ..ir.op import axis_of, count

SPATIAL_AXES = 3  # at most
MOST_NUMBERS = 2**31 - 1  # in a blob, as in Caffe; of weights, and in the planes of one group


PerAxis = tuple[int, ...]  # a number per spatial axis, or one for all of them


@dataclass(frozen=True)
class Convolution:
    """Of a Convolution or Deconvolution. The spatial axes are those behind `axis`, the channels.

    `group` None: one per channel. `by_sides` is "kernel", "stride" or "pad" where the file gave it by height and width,
    for which there must be two spatial axes; "" where it did not.
    """

    num_output: int
    kernel: PerAxis
    stride: PerAxis = (1,)
    pads_before: PerAxis = (0,)
    pads_after: PerAxis = (0,)
    dilation: PerAxis = (1,)
    group: int | None = 1
    axis: int = 1
    bias_term: bool = True
    by_sides: str = ""


@dataclass(frozen=True)
class Window:
    """The attributes of a Convolution or Deconvolution for one bottom shape. One number per spatial axis each.

    `outer` is the number of pictures, `channels` and `outputs` are of all groups. `merged` of the layer's groups are
    one of `group`: an output reads the channels of its own alone.
    """

    axis: int
    outer: int
    channels: int
    outputs: int
    group: int
    size: Shape
    kernel: Shape
    stride: Shape
    before: Shape  # padding, as `after`
    after: Shape
    dilation: Shape
    merged: int = 1

    @property
    def extent(self) -> Shape:
        """The extent of the dilated kernel."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))

    @property
    def padded(self) -> Shape:
        """The size with the padding."""
        return tuple(map(sum, zip(self.before, self.size, self.after, strict=True)))

    def convolved(self) -> Shape:
        """Output size of the convolution. The division truncates towards zero, as in C."""
        sides = zip(self.padded, self.extent, self.stride, strict=True)
        return tuple(int((i - e) / s) + 1 for i, e, s in sides)

    def deconvolved(self) -> Shape:
        """Output size of the adjoint."""
        sides = zip(self.size, self.stride, self.extent, self.before, self.after, strict=True)
        return tuple(s * (i - 1) + e - p - q for i, s, e, p, q in sides)


def window_of(node: Node, bottoms: list[Shape]) -> Window:
    """The window of a convolution over `bottoms`, which must all have one shape. Raises node.error."""
    attributes, bottom = node.attributes, bottoms[0]
    for other in bottoms[1:]:
        if other != bottom:
            raise node.error(f"has bottoms of shapes {list(bottom)} and {list(other)}", "one shape for all bottoms")
    axis = axis_of(node, attributes.axis, len(bottom))
    size, outputs = bottom[axis + 1 :], attributes.num_output
    if len(size) > SPATIAL_AXES:
        raise node.error(f"has {len(size)} spatial axes", f"at most {SPATIAL_AXES}")
    group = bottom[axis] if attributes.group is None else attributes.group
    if not outputs:
        raise node.error("has num_output 0", "at least 1")
    if group < 1 or bottom[axis] % group or outputs % group:
        raise node.error(
            f"has {bottom[axis]} channels, num_output {outputs} and group {group}", "multiples of the group"
        )
    if (sides := attributes.by_sides) and len(size) != 2:
        raise node.error(
            f"has {sides}_h or {sides}_w and {len(size)} spatial axes", f"2 spatial axes for {sides}_h and {sides}_w"
        )
    kernel = by_axis(node, "kernel_size", attributes.kernel, len(size))
    if (weights := outputs * bottom[axis] // group * count(kernel)) > MOST_NUMBERS:
        raise node.error(f"has {weights} weights", f"at most {MOST_NUMBERS}")
    stride = by_axis(node, "stride", attributes.stride, len(size))
    for name, values in (("kernel_size", kernel), ("stride", stride)):
        if not all(values):
            raise node.error(f"has {name} {list(values)}", "at least 1 on each axis")
    before, after = (by_axis(node, "pad", pads, len(size)) for pads in (attributes.pads_before, attributes.pads_after))
    dilation = by_axis(node, "dilation", attributes.dilation, len(size))
    return Window(
        axis, count(bottom, 0, axis), bottom[axis], outputs, group, size, kernel, stride, before, after, dilation
    )


def by_axis(node: Node, name: str, values: PerAxis, axes: int) -> Shape:
    """A parameter of each axis. Raises node.error for another number of them."""
    if len(values) not in (1, axes):
        raise node.error(f"has {len(values)} values of {name}", f"one, or one for each of {axes} spatial axes")
    return values * axes if len(values) == 1 else values


def filter_shapes(node: Node, window: Window, leading: int, inner: int) -> list[Shape]:
    """Shapes of weights [leading, inner / group, kernel ...] and bias."""
    weights = (leading, inner // window.group, *window.kernel)
    return [weights, (window.outputs,)] if node.attributes.bias_term else [weights]


class PlaneSizes(NamedTuple):
    """One group of channels of a picture, and its planes. In pixels."""

    channels: int
    depth: int  # of the picture, as are height, width and picture
    height: int
    width: int
    picture: int  # channels * depth * height * width
    deep: int  # of the planes: [channels, deep, high, phases, wide]
    high: int
    wide: int
    before: int  # padding along the depth
    above: int
    left: int
    stride: int  # along a row
    phases: int  # remainders modulo the stride that taps read


class PictureCounts(NamedTuple):
    """The ranges of a convolution's sums."""

    pictures: int
    groups: int
    outputs: int  # of a group
    pixels: int  # of an output
    row: int  # pixels of one of `Planes.starts`


@dataclass(frozen=True)
class Planes:
    """The layout of the planes of one group; see the module's docstring.

    `sizes` are the numbers of PlaneSizes, `taps` int64 [channels per group * kernel], `starts` int64 [output rows],
    `row` the pixels of one of these, `floats` the memory of the planes. `as_it_is`: a picture already has this layout.
    """

    sizes: np.ndarray
    taps: np.ndarray
    starts: np.ndarray
    row: int
    floats: int
    as_it_is: bool


def plan_planes(node: Node, window: Window, output: Shape) -> Planes:
    """The planes that a convolution with outputs of size `output` reads. Raises node.error if they are too big."""
    channels = window.channels // window.group
    size, kernel, out, stride, dilation = (
        _three(values, 1) for values in (window.size, window.kernel, output, window.stride, window.dilation)
    )
    pad = _three(window.before, 0)
    reach = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    deep, high = ((out[i] - 1) * stride[i] + reach[i] + 1 for i in (0, 1))
    phases = min(stride[2], reach[2] + 1)
    wide = out[2] + reach[2] // stride[2]
    floats = channels * deep * high * phases * wide
    if floats > MOST_NUMBERS:
        raise node.error(f"needs {floats} numbers for a padded picture", f"at most {MOST_NUMBERS}")
    c, d, h, w = np.ogrid[:channels, : kernel[0], : kernel[1], : kernel[2]]
    line, column = (c * deep + d * dilation[0]) * high + h * dilation[1], w * dilation[2]
    taps = ((line * phases + column % stride[2]) * wide + column // stride[2]).reshape(-1)
    d, h = np.ogrid[: out[0], : out[1]]
    starts, row = ((d * stride[0] * high + h * stride[1]) * phases * wide).reshape(-1), out[2]
    as_it_is = stride[2] == 1 and not any(pad) and (deep, high, wide) == size
    if as_it_is and size == out and count(out):
        starts, row = starts[:1], count(out)  # a 1x1 kernel: all pixels are one row
    sizes = PlaneSizes(
        channels=channels, depth=size[0], height=size[1], width=size[2], picture=channels * count(size),
        deep=deep, high=high, wide=wide, before=pad[0], above=pad[1], left=pad[2], stride=stride[2], phases=phases,
    )  # fmt: skip
    return Planes(np.array(numbers(sizes), np.int64), taps, starts, row, floats, as_it_is)


def picture_counts(window: Window, output: Shape, plan: Planes) -> PictureCounts:
    """The counts of a convolution over `window` with outputs of size `output`."""
    outputs = window.outputs // window.group
    return PictureCounts(
        pictures=window.outer, groups=window.group, outputs=outputs, pixels=count(output), row=plan.row
    )


def _three(values: Shape, fill: int) -> tuple[int, ...]:
    return (fill,) * (SPATIAL_AXES - len(values)) + tuple(map(int, values))


@inline
def lay_out(x, x_at, sizes, planes):
    """One group of channels of a picture, x.flat[x_at:], into its planes. Padding is not written."""
    s = read_fields(sizes, 0, PlaneSizes)
    rows, columns = min(s.height, s.high - s.above), max(0, min(s.width, s.wide - s.left))
    for c in range(s.channels):
        for d in range(min(s.depth, s.deep - s.before)):
            for h in range(rows):  # planes[c, d + before, h + above] = x[c, d, h]
                source = x_at + ((c * s.depth + d) * s.height + h) * s.width
                target = ((c * s.deep + d + s.before) * s.high + h + s.above) * s.phases * s.wide
                if s.stride == 1:
                    copy(x, source, planes, target + s.left, columns)
                else:
                    for f in range(s.phases):  # column j of this phase is the picture's column j * stride + f - left
                        first = max(0, (s.left - f + s.stride - 1) // s.stride)
                        last = min(s.wide, (s.width - 1 + s.left - f) // s.stride + 1)
                        for j in range(first, last):
                            planes[target + f * s.wide + j] = element(x, source + j * s.stride + f - s.left)
