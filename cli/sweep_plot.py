"""The plot of a sweep: a line for each setting over parallel axes, or a score against one field."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..jobs.ranking import Ranking, Setting, is_best_low
from ..jobs.table import Numbered, number
from ..wording import near_miss

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOG_RATIO = 10  # values that are this far apart have a logarithmic axis
BEHIND = {"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.7}  # of labels
MOST_TICKS = 12  # of an axis


class Axis:
    """The `values` of a field or score of all settings, placed from 0 to 1: numbers by size, others in the order of
    `known`, those that all jobs have of the field."""

    def __init__(self, name: str, values: Sequence[Any], known: Sequence[Any], names: Numbered):
        self.name, self.values = name, values
        numbers = [value for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)]
        self.is_numeric = len(numbers) == len(values)
        if self.is_numeric:
            self.log = min(numbers) > 0 and max(numbers) >= LOG_RATIO * min(numbers)
            self.levels = sorted(set(numbers))
        else:
            self.log, self.levels = False, [each for each in map(_hashable, known) if each in values]
        self.labels = [names.cell(name, level) for level in self.levels]

    def place(self, value: Any) -> float:
        if len(self.levels) < 2:
            return 0.5
        if not self.is_numeric:
            return self.levels.index(value) / (len(self.levels) - 1)
        first, last = self.scaled(self.levels[0]), self.scaled(self.levels[-1])
        return (self.scaled(value) - first) / (last - first)

    def scaled(self, value: float) -> float:
        from math import log

        return log(value) if self.log else float(value)


def write_sweep_plot(path: Path, ranking: Ranking, by: str, lowest: bool | None, x: str | None) -> None:
    """Draw the settings that have the score `by`. Raises UsageError for a field `x` that does not vary."""
    from .plot import save_figure

    settings = [setting for setting in ranking.ranked(by, lowest) if setting.mean(by) is not None]
    if x is not None and x not in ranking.fields:
        known = ", ".join(ranking.fields) or "none"
        raise UsageError(
            f"--x {x}: settings do not differ in it ({near_miss(x, ranking.fields) or f'fields: {known}'})"
        )
    if not ranking.fields:
        raise UsageError("there is one setting: nothing to draw")
    low = is_best_low(by) if lowest is None else lowest
    names = Numbered(ranking.values)
    axes = {
        name: Axis(name, [_hashable(setting.values[name]) for setting in settings], ranking.values[name], names)
        for name in ([x] if x else ranking.fields)
    }
    if x:
        save_figure(path, _against(settings, by, axes[x]))
    else:
        axes[by] = Axis(by, [setting.mean(by) for setting in settings], (), names)
        save_figure(path, _parallel([*axes.values()], low))


def _against(settings: Sequence[Setting], by: str, axis: Axis) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    places = [value if axis.is_numeric else axis.levels.index(value) for value in axis.values]
    means = [setting.mean(by) for setting in settings]
    spreads = [setting.spread(by) or 0.0 for setting in settings]
    axes.errorbar(places, means, spreads, fmt="o", color="C0", alpha=0.6, markersize=4, elinewidth=0.8)
    if axis.log:
        axes.set_xscale("log")
    if not axis.is_numeric:
        axes.set_xticks(range(len(axis.levels)), axis.labels)
    axes.set_xlabel(axis.name)
    axes.set_ylabel(by)
    axes.grid(alpha=0.3)
    return figure


def _parallel(drawn: Sequence[Axis], low: bool) -> Figure:
    """`drawn` are the axes, of which the last one is that of the score: settings are drawn in its colours."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

    score = drawn[-1]
    figure = Figure(figsize=(max(7.0, 1.6 * len(drawn)), 4.5), layout="constrained")
    axes = figure.subplots()
    colors = ScalarMappable(Normalize(score.levels[0], score.levels[-1]), "viridis_r" if low else "viridis")
    for at in reversed(range(len(score.values))):  # the best on top
        heights = [axis.place(axis.values[at]) for axis in drawn]
        axes.plot(range(len(drawn)), heights, color=colors.to_rgba(score.values[at]), alpha=0.8, linewidth=1.2)
    for position, axis in enumerate(drawn):
        _ticks(axes, position, axis, ends=axis is score)
    axes.set_xticks(range(len(drawn)), [axis.name + (" (log)" if axis.log else "") for axis in drawn])
    axes.set_yticks([])
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)
    figure.colorbar(colors, ax=axes, label=score.name)
    return figure


def _ticks(axes: Axes, position: int, axis: Axis, *, ends: bool) -> None:
    """The values of an axis; of a score the smallest and the largest."""
    axes.axvline(position, color="0.6", linewidth=0.8)
    levels = list(zip(axis.levels, axis.labels, strict=True))
    if ends:
        levels = [(level, number(level)) for level, _ in dict.fromkeys((levels[0], levels[-1]))]
    elif len(levels) > MOST_TICKS:
        levels = [levels[0], levels[len(levels) // 2], levels[-1]]
    for level, label in levels:
        place = axis.place(level)
        axes.annotate(
            label, (position, place), (3, 0), textcoords="offset points", fontsize=8, va="center", bbox=BEHIND
        )


def _hashable(value: Any) -> Any:
    return ",".join(map(str, value)) if isinstance(value, list) else value
