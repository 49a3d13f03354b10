"""A character model: an alphabet and a net, trained on a text, sampled, and saved as the original's pair of files."""

from __future__ import annotations

import dataclasses
import math
import sys
from pathlib import Path

import numpy as np

import caffe64

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common.progress import fit_with_progress
from text import CLASSES, WINDOW, Alphabet, TextError, normalise, windows

HERE = Path(__file__).resolve().parent
HELD_OUT = 20  # one part in so many, the end of the text, is not trained on


@dataclasses.dataclass
class CharacterModel:
    """`net` gives the probabilities of the symbol after a window."""

    alphabet: Alphabet
    net: caffe64.Net

    @classmethod
    def untrained(cls, alphabet: Alphabet) -> CharacterModel:
        return cls(alphabet, caffe64.Net.read(HERE / "network.txt"))

    @classmethod
    def load(cls, path: Path) -> CharacterModel:
        """The pair PATH.bin and PATH.txt. Raises TextError, caffe64.InputError."""
        model = cls.untrained(Alphabet.read(path.with_name(path.name + ".txt")))
        model.net.load(path.with_name(path.name + ".bin"))
        return model

    def save(self, path: Path) -> None:
        """Write the pair PATH.bin and PATH.txt."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.net.save(path.with_name(path.name + ".bin"))
        self.alphabet.write(path.with_name(path.name + ".txt"))

    def fit(self, text: str, samples: int | None, epochs: int | None, seed: int, threads: int | None):
        """Train on `samples` windows drawn from `text`, default all, but not on its end; returns the history.

        Its validation is on that end. Raises TextError where there are too few windows for a minibatch,
        caffe64.Diverged.
        """
        symbols = self.alphabet.encode(text)
        end = len(symbols) - len(symbols) // HELD_OUT
        X, Y = windows(symbols[:end])
        if samples is not None and samples < len(Y):
            chosen = np.sort(np.random.default_rng(seed).permutation(len(Y))[:samples])
            X, Y = X[chosen], Y[chosen]
        batch = self.net.spec.minibatch
        if len(Y) < batch or len(symbols) - end <= WINDOW:
            raise TextError(f"{len(Y)} windows to train on, expected at least {max(batch, WINDOW * HELD_OUT)}")
        optimizer = caffe64.read_optimizer(HERE / "optimsetting.txt")
        optimizer = dataclasses.replace(optimizer, epochs=epochs or optimizer.epochs)
        held_out = windows(symbols[end:])
        return fit_with_progress(self.net, X, Y, optimizer, validation=held_out, seed=seed, threads=threads)

    def posteriors(self, text: str) -> np.ndarray:
        """Probabilities float32 [len(text) - 10, 50] of every character of a normalised text that has ten before it."""
        return self.net.predict(windows(self.alphabet.encode(text))[0])

    def sample(self, seed_text: str, length: int, temperature: float, seed: int | None):
        """Yield `length` characters, each drawn from p ** (1 / temperature); temperature 0 takes the likeliest."""
        source = np.random.default_rng(seed)
        window = self.alphabet.encode(normalise(seed_text).rjust(WINDOW)[-WINDOW:])
        for _ in range(length):
            p = self.net.predict(caffe64.OneHot(window[np.newaxis], CLASSES))[0]
            symbol = draw(p, temperature, source)
            window = np.append(window[1:], np.uint8(symbol))
            yield self.alphabet.decode(symbol)


def draw(p: np.ndarray, temperature: float, source: np.random.Generator) -> int:
    """A symbol from probabilities p [50] at a temperature."""
    if temperature == 0:
        return int(p.argmax())
    with np.errstate(divide="ignore"):
        logarithms = np.log(p.astype(np.float64)) / temperature
    weights = np.exp(logarithms - logarithms.max())  # the largest is 1 at any temperature
    return int(source.choice(len(p), p=weights / weights.sum()))


def bits(loss: float) -> float:
    """Cross-entropy in bits per character."""
    return loss / math.log(2)
