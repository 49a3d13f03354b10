"""StridedSlice: each `step`-th value of some axes, from `start` on, up to `end`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StridedSlice:
    """One number per sliced axis each; `axes` may be counted from the end.

    `starts` and `ends` may be too, and may lie outside: those are clamped. With a negative step the values are taken
    backwards, and an end below -size means "through the first". They are kept as given, so that they hold for any size.
    """

    axes: tuple[int, ...] = ()
    starts: tuple[int, ...] = ()
    ends: tuple[int, ...] = ()
    steps: tuple[int, ...] = ()
