"""Pairs of a photo and its label map: two files, or one picture that holds both side by side."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from common.fetching import ORIGINAL, DataMissing, download, find_folder
from common.pictures import PictureError, read_image

SIDE = 128  # pixels, of the pictures that the nets read and draw
LARGEST_FOLDER = 1000  # pairs
SUFFIXES = (".png", ".jpg", ".jpeg")
PAIRS = {  # four of the CMP facades (R. Tylecek, R. Sara), as carried by pix2pix-tensorflow, with their SHA-256
    "1-inputs.png": "cecf5594c0bb333bd8e4c8cc332c0205feb4e9a6cef972b2c602db83e7cefbb0",
    "1-targets.png": "439c9b903815b93cb72feebb3a9d04ce8f4f7eb5c2d8dc1d4009b202794626b7",
    "5-inputs.png": "69da443d703b65e117ed752934e67cd688e5b890d206cf8b9aebedf86ac2119a",
    "5-targets.png": "7952d57929127375dff6ca00f3f76c6d95308aaa0d7bd20951df41980323273f",
    "51-inputs.png": "55531cf9cfc5ee78fd9cb0f7f6a37c896bd51b39047f9518f8936e47d87323c0",
    "51-targets.png": "bae20f67fdf208adcfd7a920cce35af1d0b67c1ff9503410ae0d11611b181ad7",
    "95-inputs.png": "f8337cc9a086a986262aeb2f275cdf15673193e3b4091ce4686f03d4f6eca0b9",
    "95-targets.png": "a5c133c27133fdb057860f34b326842958e91a43b679f4f700051c158dfef815",
}
PAIRS_MIRROR = "https://raw.githubusercontent.com/affinelayer/pix2pix-tensorflow/master/docs/"
RESULTS = {  # drawn by the original from facades that it was not trained on: input, its output, target side by side
    "000048.png": "9c30fca0e2c4b162b547a136f68ae62125e870d00db4fe916663cf2f3a967a32",
    "000011.png": "12c04cd29027d5b61c72b6c2a111137bd2c4acbd27d8203b934774268880c08a",
}
RESULT_OF = dict(zip(("photo", "labels"), RESULTS, strict=True))  # by direction


@dataclass(frozen=True)
class Pair:
    """Input and target, uint8 [128, 128, 3]; for a result of the original also its output."""

    name: str
    source: np.ndarray
    target: np.ndarray
    originals_output: np.ndarray | None = None


def read_pairs(given: Path | None, direction: str) -> list[Pair]:
    """The pairs of a folder in order of their names; without a folder, the four facades.

    Raises DataMissing if there are fewer than two, PictureError.
    """
    folder = given or find_folder("facades/pairs", tuple(PAIRS), None)
    folder = folder or download("facades/pairs", PAIRS, (PAIRS_MIRROR,))
    if not folder.is_dir():
        raise DataMissing(f"{folder} is not a folder")
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES)
    pairs = [pair for file in files if (pair := _read_pair(file, direction))][:LARGEST_FOLDER]
    if len(pairs) < 2:
        raise DataMissing(
            f"{folder} holds {len(pairs)} pairs, expected at least two: NAME-inputs.png with NAME-targets.png, or "
            "pictures of a photo (left) and its labels (right)"
        )
    return pairs


def read_result(direction: str) -> Pair:
    """A facade with the original's output for it. Raises DataMissing, PictureError."""
    name = RESULT_OF[direction]
    folder = find_folder("facades", tuple(RESULTS), None) or download("facades", RESULTS, (f"{ORIGINAL}facades/",))
    source, drawn, target = np.split(read_image(folder / name, (3 * SIDE, SIDE)), 3, axis=1)
    return Pair(Path(name).stem, source, target, drawn)


def _read_pair(file: Path, direction: str) -> Pair | None:
    """The pair that begins with `file`, None if that is the second file of one."""
    stem = file.stem
    if stem.endswith("-targets"):
        return None
    if stem.endswith("-inputs"):
        stem = stem.removesuffix("-inputs")
        labels, photo = (read_image(f, (SIDE, SIDE)) for f in (file, file.with_name(f"{stem}-targets{file.suffix}")))
    else:
        pixels = read_image(file)
        if pixels.shape[1] != 2 * pixels.shape[0]:
            raise PictureError(f"{file}: {pixels.shape[1]} x {pixels.shape[0]} pixels, expected a photo and its labels")
        photo, labels = np.split(read_image(file, (2 * SIDE, SIDE)), 2, axis=1)
    return Pair(stem, labels, photo) if direction == "photo" else Pair(stem, photo, labels)
