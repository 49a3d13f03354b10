"""The picture of facades: input, prediction and target of each pair, and the original's output."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from common.pictures import psnr, save_figure
from matplotlib.figure import Figure
from pairs import Pair

COLOURS = {"trained on": "dimgrey", "held out": "tab:red"}


def save_grid(path: Path, title: str, columns: list[tuple[str, Pair, np.ndarray]]) -> None:
    """Write a picture with a column for each (role, pair, prediction); the role is "trained on" or "held out"."""
    labels = ["input", "prediction", "target"]
    if any(pair.originals_output is not None for _, pair, _ in columns):
        labels.append("original's\nprediction (2018)")
    figure = Figure(figsize=(2.2 * len(columns) + 0.4, 2.35 * len(labels) + 0.6), layout="constrained")
    grid = figure.subplots(len(labels), len(columns), squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, label in zip(grid[:, -1], labels, strict=True):  # at the right, where the last row has a picture
        axes.text(1.04, 0.5, label, transform=axes.transAxes, rotation=270, ha="left", va="center", fontsize=10)
    for axes, column in zip(grid.T, columns, strict=True):
        _fill_column(axes, *column)
    figure.suptitle(title, fontsize=13, fontweight="bold")
    save_figure(figure, path)


def _fill_column(axes: np.ndarray, role: str, pair: Pair, drawn: np.ndarray) -> None:
    for cell, pixels in zip(axes, (pair.source, drawn, pair.target, pair.originals_output), strict=False):
        if pixels is not None:
            cell.imshow(pixels)
    axes[0].set_title(f"{pair.name}, {role}", fontsize=10, color=COLOURS[role])
    axes[1].set_title(f"{psnr(drawn, pair.target):.1f} dB", fontsize=9)
    if pair.originals_output is not None:
        axes[3].set_title(f"{psnr(pair.originals_output, pair.target):.1f} dB", fontsize=9)
