"""A trained character model as a picture: its learning curve, and its guesses along a line of text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from common.pictures import save_figure
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from model import CharacterModel, bits
from text import WINDOW

GUESSES = 5  # rows: the likeliest characters
SHOWN = 64  # columns: characters of the line
SHADES = LinearSegmentedColormap.from_list("shades", ["#ffffff", "#9ecae1", "#2171b5"])


def draw_training(model: CharacterModel, history, text: str, path: Path) -> None:
    """Write both: bits per character over the epochs, trained on and held out, above the guesses along `text`."""
    figure = Figure(figsize=(11, 6.2), layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=(1.2, 1))
    epochs = range(1, len(history.loss) + 1)
    above.plot(epochs, [bits(loss) for loss in history.loss], label="trained on (mean of the epoch)")
    above.plot(epochs, [bits(each.loss) for each in history.validation], label="held out (after the epoch)")
    above.set(xlabel="epoch", ylabel="bits per character", title="Learning curve")
    above.xaxis.set_major_locator(MaxNLocator(integer=True))
    above.grid(alpha=0.3)
    above.legend()
    draw_guesses(below, model, text)
    save_figure(figure, path)


def draw_guesses(axes, model: CharacterModel, text: str) -> None:
    """The line of text, and below each character the model's guesses there, likeliest first."""
    text = text[: WINDOW + SHOWN]
    posteriors = model.posteriors(text)
    order = np.argsort(-posteriors, axis=1)[:, :GUESSES]
    shades = np.take_along_axis(posteriors, order, axis=1).T
    axes.imshow(shades, cmap=SHADES, vmin=0, vmax=1, aspect="auto")
    for column, character in enumerate(text[WINDOW:]):
        right = model.alphabet.encode(character)[0]
        axes.text(column, -0.85, visible(character), ha="center", va="center", family="monospace", weight="bold")
        for row, symbol in enumerate(order[column]):
            colour = "white" if shades[row, column] > 0.55 else "#333333"
            shown = visible(model.alphabet.decode(symbol))
            weight = "bold" if symbol == right else "normal"
            colour = colour if symbol != right else ("#ffd92f" if shades[row, column] > 0.55 else "#d7301f")
            axes.text(column, row, shown, ha="center", va="center", family="monospace", color=colour, weight=weight)
    axes.set(xticks=[], yticks=range(GUESSES), yticklabels=[f"guess {row + 1}" for row in range(GUESSES)])
    axes.set_title("Held-out text (top line), and what the net expected; dark: sure, coloured: right", pad=24)


def visible(character: str) -> str:
    shown = {" ": "␣", "\n": "↵"}.get(character, character)
    return shown if shown.isprintable() else "·"
