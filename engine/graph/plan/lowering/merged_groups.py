"""Convolutions in groups that are not whole blocks of channels: several groups are merged into one.

A group of whole blocks, or all channels, holds some of the layer's groups side by side; its filters lie on a diagonal,
with zeros besides. Panels of outputs read the blocks of channels only in which the groups of their outputs are, and
gradients are those on the diagonal. So all sums run as those of other convolutions, with some products more.

These are up to 16 times those of the layer (AVX-512, one or two channels and outputs per group), and 2 of groups of 8.
The layer's own code has none, but runs on one thread, in Caffe's layout. One thread, forward and backward, moves
included: groups of 4, 56 x 56, 13.5 ms by own code, 6.9 merged; of 8, 28 x 28, 16.9 and 6.9; of 5, 5.5 and 4.9; 1 to 2,
5.1 and 2.9; 9 to 9, 4.2 and 5.2, the worst of twenty (EPYC Zen 5, AVX-512, 2026-11-29).
"""

from __future__ import annotations

import math
from dataclasses import replace

from ....compiler.cpu import LANES
from ....products.pixel_tile import PANEL
from ...ops.windows import Window
from .filters import FilterLayout
from .products import PanelReads

MOST_MERGED = 2 * LANES  # packed filters have room for so many times the layer's


def merge_groups(window: Window) -> Window | None:
    """The same convolution in groups of whole blocks, or in one. None where there are one channel and output per group,
    for which lanes are enough, and where too many groups would be one."""
    channels, outputs = window.channels // window.group, window.outputs // window.group
    if window.group == 1 or not channels:
        return window
    least = math.lcm(*(LANES // math.gcd(LANES, number) for number in (channels, outputs)))
    merged = least if window.group % least == 0 else window.group
    if channels == outputs == 1 or merged > MOST_MERGED:
        return None
    return replace(window, group=window.group // merged, merged=merged)


def panel_reads(layout: FilterLayout, pixel: int, runs: int) -> list[PanelReads]:
    """What each panel of outputs of a group reads, of `runs` of taps of each plane of `pixel` channels. Nothing where
    each panel reads all."""
    if layout.merged == 1:
        return []
    outputs, channels = layout.outputs // layout.merged, layout.channels // layout.merged
    found = []
    for first in range(0, layout.outputs, PANEL * LANES):
        last = min(layout.outputs, first + PANEL * LANES) - 1
        low, high = first // outputs * channels // pixel, -(-(last // outputs + 1) * channels // pixel)
        found.append(PanelReads(low * runs, (high - low) * runs))
    return found
