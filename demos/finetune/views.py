"""The picture: the confusion tables before and after."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure


def draw_confusions(tables: dict[str, np.ndarray], classes: tuple[str, ...]) -> Figure:
    """A panel for each of the tables [true, answer], by its title."""
    figure = Figure(figsize=(3.6 * len(tables), 3.8), layout="constrained")
    for panel, (title, table) in zip(figure.subplots(1, len(tables)), tables.items(), strict=True):
        shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
        panel.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for (row, column), count in np.ndenumerate(table):
            colour = "white" if shares[row, column] > 0.5 else "#222"
            panel.text(column, row, str(count), ha="center", va="center", color=colour, fontsize=14)
        panel.set_xticks(range(len(classes)), classes)
        panel.set_yticks(range(len(classes)), classes)
        panel.set(xlabel="answer", ylabel="true")
        panel.set_title(title, fontsize=12)
    return figure
