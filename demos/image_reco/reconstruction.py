"""A picture as a function that nets learn: (x, y) in [-1, 1] x [-1, 1] -> colour in [-1, 1]."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from common.progress import fit_with_progress

import caffe64

CHANNELS = ("red", "green", "blue")
FRAME = 240  # pixels of a frame's longer side


@dataclass
class Reconstruction:
    """The trained nets, by the colours that they predict; small pictures of their outputs before the first epoch and
    after each, uint8 [epochs + 1, h, w, 3]; mean loss of the last epoch, summed over the nets; seconds of training."""

    nets: dict[str, caffe64.Net]
    frames: np.ndarray
    loss: float
    seconds: float


def coordinates(height: int, width: int) -> np.ndarray:
    """(x, y) of each pixel, row by row, float32 [height * width, 2]; the corner pixels lie at -1 and 1."""
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    return np.column_stack([x.ravel(), y.ravel()]).astype(np.float32)


def to_targets(pixels: np.ndarray) -> np.ndarray:
    """uint8 [h, w, 3] -> (v - 128) / 128, float32 [h * w, 3]."""
    return (pixels.reshape(-1, 3).astype(np.float32) - 128) / 128


def to_pixels(outputs: np.ndarray, height: int, width: int) -> np.ndarray:
    """Outputs of nets, float32 [h * w, channels] -> uint8 [h, w, channels]."""
    return np.clip(np.rint(outputs * 128 + 128), 0, 255).astype(np.uint8).reshape(height, width, -1)


def frame_shape(height: int, width: int) -> tuple[int, int]:
    """The same proportions, with a longer side of at most FRAME pixels."""
    scale = min(1, FRAME / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def draw(nets: dict[str, caffe64.Net], height: int, width: int, threads: int | None = None) -> np.ndarray:
    """The picture that the nets describe, at any size: uint8 [height, width, 3]."""
    X = coordinates(height, width)
    outputs = np.hstack([net.predict(X, threads=threads) for net in nets.values()])
    return to_pixels(outputs, height, width)


def learn(
    pixels: np.ndarray, network: Path, optimizer: caffe64.Optimizer, *, seed: int = 0, threads: int | None = None
) -> Reconstruction:
    """Train on every pixel of uint8 [h, w, 3]: one net of three outputs, or three of one, according to the network
    file.

    Raises Diverged, UsageError for too few pixels.
    """
    X, Y = coordinates(*pixels.shape[:2]), to_targets(pixels)
    frame = frame_shape(*pixels.shape[:2])
    small = coordinates(*frame)
    joint = caffe64.Net.read(network).layers[-1].outputs == len(CHANNELS)
    parts = {"colours": Y} if joint else {name: Y[:, [i]] for i, name in enumerate(CHANNELS)}
    nets, films, loss, seconds = {}, [], 0.0, 0.0
    for name, targets in parts.items():
        nets[name] = net = caffe64.Net.read(network)
        net.initialise(seed)
        film = [to_pixels(net.predict(small), *frame)]

        def watch(record, evaluation, net=net, film=film):
            film.append(to_pixels(net.predict(small), *frame))

        history = fit_with_progress(net, X, targets, optimizer, title=name, on_epoch=watch, seed=seed, threads=threads)
        films.append(np.stack(film))
        loss += history.loss[-1]
        seconds += sum(record.seconds for record in history.epochs)
    return Reconstruction(nets, np.concatenate(films, axis=-1), loss, seconds)
