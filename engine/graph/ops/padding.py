"""Pad: values around a blob; negative numbers cut values off."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..ir.graph import Node, Shape
from ..ir.op import Back, Gradient, Layers, Op, Run


@dataclass(frozen=True)
class Pad:
    """How many values are added before and after, per axis of the bottom; negative: cut off, before others are added.

    `mode`: the added ones are `value`, the nearest value (edge), or mirrored at the first and last one, which are not
    repeated (reflect).
    """

    pads_before: tuple[int, ...] = ()
    pads_after: tuple[int, ...] = ()
    mode: Literal["constant", "edge", "reflect"] = "constant"
    value: float = 0.0


def pad_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    attributes, bottom = node.attributes, bottoms[0]
    before, after = attributes.pads_before, attributes.pads_after
    if not len(before) == len(after) == len(bottom):
        found = f"has {len(before)} pads before and {len(after)} after for {len(bottom)} axes"
        raise node.error(found, "as many of both as axes")
    for axis, (size, *pads) in enumerate(zip(bottom, before, after, strict=True)):
        kept, added = size + sum(min(pad, 0) for pad in pads), max(pads)
        if kept < 1:
            raise node.error(f"cuts {pads} off axis {axis}, which has {size}", "at least 1 that remains")
        if attributes.mode == "reflect" and added >= kept:
            raise node.error(f"reflects {added} of the {kept} values of axis {axis}", f"at most {kept - 1}")
    return [tuple(map(sum, zip(before, bottom, after, strict=True)))]


def kept_parts(attributes: Pad, bottom: Shape) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """What is kept of the bottom, and its place in the top."""
    source, target = [], []
    for size, before, after in zip(bottom, attributes.pads_before, attributes.pads_after, strict=True):
        part = slice(max(0, -before), size + min(0, after))
        start = max(0, before)
        source.append(part)
        target.append(slice(start, start + part.stop - part.start))
    return tuple(source), tuple(target)


def _borders(attributes: Pad, target: tuple[slice, ...], top: Shape) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """(axis, added indices, those of the same axis of the top that they are equal to), of modes other than constant."""
    for axis, (part, size) in enumerate(zip(target, top, strict=True)):
        added = np.concatenate([np.arange(part.start), np.arange(part.stop, size)])
        edge = np.where(added < part.start, part.start, part.stop - 1)
        if added.size:
            yield axis, added, edge if attributes.mode == "edge" else 2 * edge - added


def prepare_pad(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    """Borders are copied axis by axis: those of an axis have the borders of the axes before it."""
    attributes = node.attributes
    source, target = kept_parts(attributes, bottoms[0])
    borders = [] if attributes.mode == "constant" else list(_borders(attributes, target, tops[0]))

    def run(inputs, outputs):
        outputs[0].fill(attributes.value)
        outputs[0][target] = inputs[0][source]
        for axis, added, equal in borders:
            lines = np.moveaxis(outputs[0], axis, 0)
            lines[added] = lines[equal]

    return run


def pad_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
    attributes = node.attributes
    source, target = kept_parts(attributes, bottoms[0])
    borders = [] if attributes.mode == "constant" else list(_borders(attributes, target, tops[0]))

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        dy = output_gradients[0].copy() if borders else output_gradients[0]
        for axis, added, equal in reversed(borders):
            lines = np.moveaxis(dy, axis, 0)
            np.add.at(lines, equal, lines[added])
        input_gradients[0].fill(0)
        input_gradients[0][source] = dy[target]

    return back


OPS = (Op("Pad", pad_shapes, prepare_pad, gradient=Gradient(pad_back), attributes=Pad),)
