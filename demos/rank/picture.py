"""The picture: how often each rank is predicted for each true one."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure


def draw_confusion(confusion: np.ndarray, title: str) -> Figure:
    """An annotated heat map of counts [true, predicted], in per cent of each true rank."""
    percent = 100 * confusion / confusion.sum(axis=1, keepdims=True)
    figure = Figure(figsize=(7.6, 6.6), layout="constrained")
    panel = figure.subplots()
    image = panel.imshow(percent, cmap="Blues", vmin=0, vmax=100)
    for (true, predicted), value in np.ndenumerate(percent):
        colour = "white" if value > 55 else "#1b2a3a" if value >= 0.5 else "#b8c0c8"
        panel.text(predicted, true, f"{value:.0f}", ha="center", va="center", color=colour, fontsize=10)
    ranks = np.arange(len(percent))
    panel.set_xticks(ranks, ranks + 1)
    panel.set_yticks(ranks, ranks + 1)
    panel.set_xticks(ranks[1:] - 0.5, minor=True)
    panel.set_yticks(ranks[1:] - 0.5, minor=True)
    panel.grid(which="minor", color="white", linewidth=1.5)
    panel.tick_params(which="both", length=0)
    panel.spines[:].set_visible(False)
    panel.set_xlabel("predicted rank")
    panel.set_ylabel("true rank")
    panel.set_title(title, fontsize=13, pad=12)
    figure.colorbar(image, ax=panel, shrink=0.85, pad=0.03).set_label("per cent of the true rank")
    return figure
