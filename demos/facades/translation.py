"""Nets that draw a picture from another one, pixel by pixel: each predicts one colour of the middle of a patch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from common.progress import fit_with_progress
from pairs import SIDE, Pair
from patches import FEATURES, gather_patches, gather_rows

import caffe64

CHANNELS = ("red", "green", "blue")
GOOD = 1e-3  # mean loss: 8 of 255
LARGEST_ROWS = 400_000  # of 867 float32: 1.4 GB


@dataclass
class Translator:
    """A trained net for each colour, by its name; rows trained on; mean loss of each net's last epoch, and of always
    predicting the mean, float64 [3]; seconds of training."""

    nets: dict[str, caffe64.Net]
    rows: int
    losses: np.ndarray
    mean_losses: np.ndarray
    seconds: float

    @property
    def failed(self) -> list[str]:
        """The colours whose nets are no better than their mean, and not good either. Too high a rate seldom makes the
        loss infinite here: the last tanh is bounded, so the net saturates at one end of it."""
        worse = (self.losses >= self.mean_losses) & (self.losses > GOOD)
        return [name for name, stuck in zip(self.nets, worse, strict=True) if stuck]

    def draw(self, source: np.ndarray, threads: int | None = None) -> np.ndarray:
        """The nets' picture for uint8 [h, w, 3]: uint8 [h, w, 3]."""
        X = gather_patches(source)
        outputs = np.hstack([net.predict(X, threads=threads) for net in self.nets.values()])
        return np.clip(np.rint(outputs * 255), 0, 255).astype(np.uint8).reshape(source.shape)


def sample(pairs: list[Pair], pixels: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Patches float32 [N, 867] around `pixels` random pixels of each pair, fewer where these would not fit into
    memory, and their colours: value / 255, float32 [N, 3]."""
    pixels = min(pixels, LARGEST_ROWS // len(pairs))
    random = np.random.default_rng(seed)
    X = np.empty((len(pairs) * pixels, FEATURES), np.float32)
    Y = np.empty((len(X), 3), np.float32)
    for i, pair in enumerate(pairs):
        rows = slice(i * pixels, (i + 1) * pixels)
        numbers = random.permutation(SIDE * SIDE)[:pixels]
        gather_patches(pair.source, numbers, X[rows])
        Y[rows] = pair.target.reshape(-1, 3)[numbers] / np.float32(255)
    return X, Y


def learn(
    pairs: list[Pair], pixels: int, network: Path, optimizer: caffe64.Optimizer, *, seed=0, threads=None
) -> Translator:
    """Train a net for each colour. Raises Diverged, whose text names the colour; UsageError for too few pixels."""
    gather_rows.compile()
    X, Y = sample(pairs, pixels, seed)
    nets, losses, seconds = {}, [], 0.0
    for i, name in enumerate(CHANNELS):
        nets[name] = net = caffe64.Net.read(network)
        try:
            history = fit_with_progress(net, X, Y[:, [i]], optimizer, title=name, seed=seed, threads=threads)
        except caffe64.Diverged as error:
            hint = f"the net of {name}; try a smaller --rate"
            raise caffe64.Diverged(error.epoch, error.minibatch, error.loss, hint) from None
        losses.append(history.loss[-1])
        seconds += sum(record.seconds for record in history.epochs)
    return Translator(nets, len(X), np.array(losses), Y.var(axis=0, dtype=np.float64), seconds)
