"""Text as symbols: the alphabet of a model, and windows of a text with the character that follows each.

A model is two files, as the original writes them: NAME.bin, the net's weights, and NAME.txt, its alphabet: up to 49
characters in the order of their symbols. Every other character is the symbol after the last, and shows as `~`.
"""

from __future__ import annotations

import gzip
import re
import string
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import caffe64

WINDOW = 10  # characters in the net's input
CLASSES = 50  # symbols, the one for unknown characters included
LARGEST = 256 << 20  # bytes of a text, unpacked
UNKNOWN = "~"


class TextError(Exception):
    """A text or an alphabet that cannot be used; the text says why and what to do."""


@dataclass(frozen=True)
class Alphabet:
    """`symbols[i]` is the character of symbol i."""

    symbols: str

    @classmethod
    def of(cls, text: str) -> Alphabet:
        """a to z, then the other characters of `text`, the most frequent first, cut to 49 characters."""
        others = [symbol for symbol, _ in Counter(text).most_common() if symbol not in string.ascii_lowercase]
        return cls("".join([*string.ascii_lowercase, *others])[: CLASSES - 1])

    @classmethod
    def read(cls, path: Path) -> Alphabet:
        """NAME.txt. Raises TextError for more than 49 characters, or one that occurs twice."""
        try:
            with path.open(encoding="ascii", newline="") as file:
                symbols = file.read(CLASSES)
        except (OSError, UnicodeDecodeError) as error:
            raise TextError(f"{path}: is not an alphabet: {error}") from None
        if len(symbols) >= CLASSES or len(set(symbols)) < len(symbols) or not symbols:
            raise TextError(f"{path}: expected up to {CLASSES - 1} different characters, found {symbols!r}")
        return cls(symbols)

    def write(self, path: Path) -> None:
        path.write_bytes(self.symbols.encode("ascii"))

    def encode(self, text: str) -> np.ndarray:
        """The symbol of each character, uint8 [len(text)]."""
        table = np.full(128, len(self.symbols), np.uint8)
        table[np.frombuffer(self.symbols.encode("ascii"), np.uint8)] = np.arange(len(self.symbols))
        codes = np.frombuffer(text.encode("ascii", "replace"), np.uint8)
        return table[codes]

    def decode(self, symbol: int) -> str:
        return self.symbols[symbol] if symbol < len(self.symbols) else UNKNOWN


def read_text(path: Path) -> str:
    """A text file, or a gzipped one, as a model takes it: lower case ASCII, tabs and repeated spaces one space.

    Raises TextError if it cannot be read, or is larger than 256 MB or shorter than a window.
    """
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with (gzip.open if packed else open)(path, "rb") as file:
            raw = file.read(LARGEST + 1)
    except (OSError, EOFError) as error:
        raise TextError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(raw) > LARGEST:
        raise TextError(f"{path}: more than {LARGEST >> 20} MB of text; give a part of it")
    text = normalise(raw.decode("utf-8", "replace"))
    if len(text) <= WINDOW:
        raise TextError(f"{path}: {len(text)} characters, expected more than {WINDOW}")
    return text


def normalise(text: str) -> str:
    """Lower case ASCII (? for other characters), no carriage returns, one space for tabs and repeated spaces."""
    text = text.encode("ascii", "replace").decode("ascii").lower().replace("\t", " ").replace("\r", "")
    return re.sub(" {2,}", " ", text)


def windows(symbols: np.ndarray) -> tuple[caffe64.OneHot, np.ndarray]:
    """X and Y of a text's symbols uint8 [T]: every window [T - 10, 10], and the symbol after it [T - 10]."""
    X = np.lib.stride_tricks.sliding_window_view(symbols[:-1], WINDOW)
    return caffe64.OneHot(X, CLASSES), symbols[WINDOW:]
