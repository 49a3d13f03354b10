"""A net with the layout of its parts: its units, the sizes of their boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .boxes import Member, box_height, box_width
from .compare import Fate
from .groups import group_layers, unit_edges
from .layout import Layout, lay_out
from .net import DrawnNet

LONG = 40  # layers: nets with more begin with their units shut


@dataclass(frozen=True)
class Picture:
    """`units` are the layers of each unit, `width` is that of a box, `heights` those of each unit, shut and open."""

    net: DrawnNet
    units: list[list[Member]]
    layout: Layout
    width: float
    heights: list[tuple[float, float]]

    @property
    def members(self) -> list[Member]:
        """All layers, in the order of the net."""
        return sorted(member for unit in self.units for member in unit)


def make_picture(net: DrawnNet, fates: Sequence[Fate] = ()) -> Picture:
    """Lay a net out; `fates` of its layers where it is compared with another one."""
    fates = fates or [Fate()] * len(net.layers)
    members = [Member(number, *pair) for number, pair in enumerate(zip(net.layers, fates, strict=True))]
    units = group_layers(net)
    width = box_width(members)
    layout = lay_out([width] * len(units), unit_edges(net, units))
    boxes = [[members[number] for number in unit] for unit in units]
    heights = [(box_height(unit), sum(box_height([each]) for each in unit)) for unit in boxes]
    return Picture(net, boxes, layout, width, heights)
