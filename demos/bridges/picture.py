"""The picture: accuracy of the net and of guessing, over the splits."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

NET, BASELINE = "#2f6db3", "#c9ccd1"
WIDTH = 0.38  # of a bar; 1 is from one target to the next


def draw_accuracies(scores, splits: int) -> Figure:
    """A pair of bars for each of the scores: mean and standard deviation over the splits."""
    figure = Figure(figsize=(9, 5), layout="constrained")
    panel = figure.subplots()
    positions = np.arange(len(scores))
    series = (
        (-WIDTH / 2, BASELINE, "most frequent class", [one.baseline for one in scores]),
        (WIDTH / 2, NET, "logistic regression", [one.net for one in scores]),
    )
    for offset, colour, label, values in series:
        means, deviations = (100 * function(values, axis=1) for function in (np.mean, np.std))
        error_bars = {"ecolor": "#444", "elinewidth": 1.2, "capsize": 4}
        bars = panel.bar(
            positions + offset, means, WIDTH, yerr=deviations, color=colour, label=label, error_kw=error_bars
        )
        for bar, mean in zip(bars, means, strict=True):
            middle = bar.get_x() + WIDTH / 2
            panel.text(middle, 3, f"{mean:.1f}", ha="center", color="white" if colour == NET else "#222")
    names = [f"{one.target.name}\n{len(one.target.y)} bridges\n{len(one.target.classes)} classes" for one in scores]
    panel.set_xticks(positions, names)
    panel.set(ylim=(0, 112), ylabel="accuracy on held-out bridges, %", yticks=range(0, 101, 20))
    panel.set_title(f"Bridges of Pittsburgh: mean and deviation over {splits} random splits", fontsize=13, pad=12)
    panel.legend(loc="upper right", ncols=2, frameon=False)
    panel.spines[["top", "right"]].set_visible(False)
    panel.grid(axis="y", alpha=0.25)
    panel.set_axisbelow(True)
    return figure
