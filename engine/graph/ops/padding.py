"""Pad: values around a blob; negative ones cut off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


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
