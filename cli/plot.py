"""The --plot file: the learning curve as PNG or SVG, drawn by Matplotlib (extra `plot`), without a display."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import UsageError

SUFFIXES = (".png", ".svg")
LOG_SCALE_FROM = 50  # a loss that falls by this factor is drawn on a logarithmic axis
MARKERS_UP_TO = 30  # epochs; more points would hide the line


def check_plotting() -> None:
    """Raises UsageError if Matplotlib is not installed."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        raise UsageError("--plot needs Matplotlib: pip install 'caffe64[plot]'") from None


def write_plot(path: Path, history: Sequence[dict]) -> None:
    """Draw the records of a run (keys as in `log.FIELDS`): losses, and below them the validation accuracy."""
    import matplotlib

    from ..formats.atomic import write_atomically

    kind = path.suffix.lower()[1:]
    # The same history gives the same bytes: no date, no random ids.
    with matplotlib.rc_context({"svg.hashsalt": "caffe64", "svg.fonttype": "path"}):
        figure = draw(history)
        with write_atomically(path) as file:
            figure.savefig(file, format=kind, dpi=150, metadata={"Date": None} if kind == "svg" else None)


def draw(history: Sequence[dict]):
    """The Matplotlib figure of a run."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    has_accuracy = any(record.get("validation_accuracy") is not None for record in history)
    figure = Figure(figsize=(7, 6 if has_accuracy else 4), layout="constrained")
    panels = figure.subplots(2 if has_accuracy else 1, 1, sharex=True, squeeze=False)[:, 0]
    marker = "o" if len(history) <= MARKERS_UP_TO else None
    for name, label, color in (("loss", "training", "C0"), ("validation_loss", "validation", "C1")):
        _curve(panels[0], history, name, label, color, marker)
    losses = [record["loss"] for record in history]
    if min(losses) > 0 and max(losses) > LOG_SCALE_FROM * min(losses):
        panels[0].set_yscale("log")
    panels[0].set(ylabel="loss", title="Learning curve")
    panels[0].legend()
    if has_accuracy:
        _curve(panels[1], history, "validation_accuracy", "validation", "C1", marker)
        panels[1].yaxis.set_major_formatter(PercentFormatter(1.0))
        panels[1].set_ylabel("validation accuracy")
    panels[-1].set_xlabel("epoch")
    panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    for panel in panels:
        panel.grid(alpha=0.3)
    return figure


def _curve(panel, history, name, label, color, marker) -> None:
    points = [(record["epoch"], record[name]) for record in history if record.get(name) is not None]
    if points:
        panel.plot(*zip(*points, strict=True), label=label, color=color, marker=marker, markersize=3.5)
