"""How a window slides: kernel, stride, dilation and padding of Conv, ConvTranspose and the pooling operators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ....ir.graph import Blob
from .builder import GraphBuilder

AUTO_PADS = ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER")


@dataclass(frozen=True)
class Sides:
    """One number per spatial axis each; `given` is the padding, all befores first. `auto` is auto_pad."""

    size: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    given: tuple[int, ...]
    auto: str
    group: int

    @property
    def extent(self) -> list[int]:
        return [d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True)]

    def pads(self) -> tuple[list[int], list[int]]:
        """The padding before and after. SAME gives ceil(size / stride) outputs, the odd pixel behind with UPPER."""
        axes = len(self.size)
        if not self.auto.startswith("SAME"):
            return list(self.given[:axes]), list(self.given[axes:])
        sides = zip(self.size, self.stride, self.extent, strict=True)
        totals = [max(0, (-(-n // s) - 1) * s + e - n) for n, s, e in sides]
        less, more = [each // 2 for each in totals], [each - each // 2 for each in totals]
        return (less, more) if self.auto == "SAME_UPPER" else (more, less)


def read_sides(builder: GraphBuilder, blob: Blob, kernel: Sequence[int] | None = None) -> Sides:
    """The sides of the present operator over `blob`, whose `kernel` may be known by weights. Raises InputError."""
    attributes, axes = builder.node.attributes, len(builder.axes[blob]) - 2
    size = tuple(builder.sizes(blob, axis) for axis in range(2, 2 + axes))
    shape = tuple(attributes.get("kernel_shape", kernel or ()))
    if kernel is not None and shape != tuple(kernel):
        builder.refuse(f"has kernel_shape {list(shape)}", f"{list(kernel)}, as W has")
    stride, dilation = (tuple(attributes.get(name, (1,) * axes)) for name in ("strides", "dilations"))
    given, auto = tuple(attributes.get("pads", (0,) * 2 * axes)), attributes.get("auto_pad", "NOTSET")
    for name, values, number in (
        ("kernel_shape", shape, axes),
        ("strides", stride, axes),
        ("dilations", dilation, axes),
        ("pads", given, 2 * axes),
    ):
        least = 0 if name == "pads" else 1
        if len(values) != number or any(value < least for value in values):
            builder.refuse(f"has {name} {list(values)}", f"{number} numbers from {least}")
    if auto not in AUTO_PADS:
        builder.refuse(f"has auto_pad {auto!r}", "one of " + ", ".join(AUTO_PADS))
    if auto == "VALID":
        given = (0,) * 2 * axes
    return Sides(size, shape, stride, dilation, given, auto, int(attributes.get("group", 1)))
