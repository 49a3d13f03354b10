"""The pictures: the learning curve, and the digits that the net reads worst."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

LOSS, ACCURACY = "#c4572e", "#2f6db3"
COLUMNS, ROWS = 8, 5


def draw_curve(losses: list[float], accuracies: list[float], title: str, measure: str) -> Figure:
    """Training loss on the left axis, test accuracy in per cent on the right one, after each epoch."""
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    left = figure.subplots()
    right = left.twinx()
    epochs = np.arange(1, len(losses) + 1)
    left.plot(epochs, losses, "o-", color=LOSS, markersize=4)
    right.plot(epochs, accuracies, "s-", color=ACCURACY, markersize=4)
    left.set_xlabel("epoch")
    left.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    left.set_ylim(0)
    left.set_ylabel("training loss", color=LOSS)
    right.set_ylabel(f"{measure}, %", color=ACCURACY)
    for panel, colour in ((left, LOSS), (right, ACCURACY)):
        panel.tick_params(axis="y", which="both", labelcolor=colour)
        panel.spines["top"].set_visible(False)
    left.grid(axis="x", alpha=0.25)
    left.set_title(title, fontsize=13, pad=10)
    return figure


def draw_digits(images: np.ndarray, captions: list[str], title: str) -> Figure:
    """At most 40 square images [N, pixels] in rows of eight, dark on light, a caption below each."""
    side = round(images.shape[1] ** 0.5)
    rows = -(-len(images) // COLUMNS)
    figure = Figure(figsize=(COLUMNS * 1.3, rows * 1.55 + 0.6), layout="constrained")
    panels = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for panel in panels:
        panel.set_axis_off()
    for panel, image, caption in zip(panels, images, captions, strict=False):
        panel.imshow(image.reshape(side, side), cmap="gray_r")
        panel.set_title(caption, fontsize=11, y=-0.22)
    figure.suptitle(title, fontsize=13)
    return figure
