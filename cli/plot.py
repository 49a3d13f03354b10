"""The --plot file: the learning curve as PNG or SVG, drawn by Matplotlib (extra `plot`), without a display."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg")
LOG_SCALE_FROM = 50  # a loss that falls by this factor is drawn on a logarithmic axis
MARKERS_UP_TO = 30  # points; more would hide the line
COLORS = 10  # of Matplotlib's cycle


@dataclass(frozen=True)
class Series:
    """Points of one line; those without a y are left out. `color` is a number of Matplotlib's cycle."""

    label: str
    points: list[tuple[float, float | None]]
    color: int


@dataclass(frozen=True)
class Panel:
    """One of several diagrams with a common x axis. `percent`: its values are shares of 1; `falls`: the first curve
    may ask for a logarithmic axis; `best`: a dashed line is drawn at this x, which has the lowest validation loss."""

    label: str
    curves: list[Series] = field(default_factory=list)
    percent: bool = False
    falls: bool = False
    best: float | None = None


def check_plotting() -> None:
    """Raises UsageError if Matplotlib is not installed."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        raise UsageError("--plot needs Matplotlib: pip install 'caffe64[plot]'") from None


def epoch_panels(history: Sequence[dict]) -> list[Panel]:
    """The records of a text net (keys as in `log.FIELDS`): losses, and below them the validation accuracy."""

    def curve(name: str, label: str, color: int) -> Series:
        return Series(label, [(record["epoch"], record.get(name)) for record in history], color)

    best = history[-1].get("best_epoch") if history else None
    losses = [curve("loss", "training", 0), curve("validation_loss", "validation", 1)]
    panels = [
        Panel("loss", losses, falls=True, best=best),
        Panel("validation accuracy", [curve("validation_accuracy", "validation", 1)], percent=True, best=best),
    ]
    return [panel for panel in panels if any(map(_drawn, panel.curves))]


def write_plot(path: Path, panels: Sequence[Panel], unit: str) -> None:
    """Draw panels over numbers of this unit, epoch or iteration."""
    save_figure(path, draw(panels, unit))


def save_figure(path: Path, figure: Figure) -> None:
    """Write a Matplotlib figure as PNG or SVG. The same one gives the same bytes: no date, no random ids."""
    import matplotlib

    from ..formats.atomic import write_atomically

    kind = path.suffix.lower()[1:]
    settings = {"svg.hashsalt": "caffe64", "svg.fonttype": "path"}
    with matplotlib.rc_context(settings), write_atomically(path) as file:
        figure.savefig(file, format=kind, dpi=150, metadata={"Date": None} if kind == "svg" else None)


def draw(panels: Sequence[Panel], unit: str):
    """The Matplotlib figure of a run."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    figure = Figure(figsize=(7, 2 + 2 * len(panels)), layout="constrained")
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    axes[0].set_title("Learning curve")
    for panel, axis in zip(panels, axes, strict=True):
        for each in panel.curves:
            if points := _drawn(each):
                marker = "o" if len(points) <= MARKERS_UP_TO else None
                color = f"C{each.color % COLORS}"
                axis.plot(*zip(*points, strict=True), label=each.label, color=color, marker=marker, markersize=3.5)
        if panel.best is not None:
            axis.axvline(panel.best, color="0.5", linestyle="--", linewidth=1, label=f"best {unit} {panel.best:g}")
        if panel.falls and _falls_far(panel.curves[0]):
            axis.set_yscale("log")
        if panel.percent:
            axis.yaxis.set_major_formatter(PercentFormatter(1.0))
        else:
            axis.legend()
        axis.set_ylabel(panel.label)
        axis.grid(alpha=0.3)
    axes[-1].set_xlabel(unit)
    axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    return figure


def _drawn(curve: Series) -> list[tuple[float, float]]:
    return [(x, y) for x, y in curve.points if y is not None]


def _falls_far(curve: Series) -> bool:
    values = [y for _, y in _drawn(curve)]
    return bool(values) and min(values) > 0 and max(values) > LOG_SCALE_FROM * min(values)
