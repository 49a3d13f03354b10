"""The picture: the training's curve, and the filters of the first layer."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

LOSS, ERROR = "#c4572e", "#2f6db3"
COLUMNS = 4  # of filters


def draw_training(history, filters: np.ndarray, title: str) -> Figure:
    """Training loss, mean of 50 iterations, and test error in per cent, both logarithmic; filters [N, 1, K, K]."""
    figure = Figure(figsize=(11, 5), layout="constrained")
    curve, grid = figure.subfigures(1, 2, width_ratios=(1.7, 1))
    left = curve.subplots()
    right = left.twinx()
    width = max(1, min(50, len(history.loss) // 10))
    means = np.convolve(history.loss, np.full(width, 1 / width), "valid")
    left.plot(history.iterations[width - 1 :], means, color=LOSS, linewidth=1)
    test = history.tests[0]
    right.plot(test.iterations, 100 * (1 - test.scores["accuracy"]), "s-", color=ERROR, markersize=4)
    left.set_yscale("log")
    right.set_yscale("log")
    left.set_xlabel("iteration")
    left.set_ylabel("training loss", color=LOSS)
    right.set_ylabel("test error, %", color=ERROR)
    for panel, colour in ((left, LOSS), (right, ERROR)):
        panel.tick_params(axis="y", which="both", labelcolor=colour)
        panel.spines["top"].set_visible(False)
    curve.suptitle(title, fontsize=12)
    draw_filters(grid, filters)
    return figure


def draw_filters(figure, filters: np.ndarray) -> None:
    """Each filter dark where its weight is large, all on one scale."""
    largest = np.abs(filters).max()
    panels = figure.subplots(-(-len(filters) // COLUMNS), COLUMNS).ravel()
    for panel, one in zip(panels, filters[:, 0], strict=False):
        panel.imshow(one, cmap="gray_r", vmin=-largest, vmax=largest)
    for panel in panels:
        panel.set_axis_off()
    figure.suptitle(f"the {len(filters)} filters of conv1", fontsize=12)
