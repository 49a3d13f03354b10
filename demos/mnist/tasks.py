"""The two ways to read a digit: as one of ten classes, or as a number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Classes:
    """network5: ten probabilities; the largest is the answer."""

    network: str = "network5"
    name: str = "ten classes"
    shown: str = "true → answer, probability"
    measure: str = "test accuracy"

    def answers(self, outputs: np.ndarray) -> np.ndarray:
        """Digits int64 [N] for outputs float32 [N, 10]."""
        return outputs.argmax(axis=1)

    def errors(self, outputs: np.ndarray, digits: np.ndarray) -> np.ndarray:
        """1 minus the true digit's probability, [N]."""
        return 1 - outputs[np.arange(len(digits)), digits]

    def caption(self, output: np.ndarray, digit: int) -> str:
        """Of one picture: the truth, the answer and its probability."""
        return f"{digit} → {output.argmax()}   {100 * output.max():.0f} %"


@dataclass(frozen=True)
class Numbers:
    """networkReg: one number; the nearest digit is the answer."""

    network: str = "networkReg"
    name: str = "as a number"
    shown: str = "true → answer"
    measure: str = "test accuracy (nearest digit)"

    def answers(self, outputs: np.ndarray) -> np.ndarray:
        """Digits int64 [N] for outputs float32 [N, 1]."""
        return np.rint(outputs[:, 0]).clip(0, 9).astype(np.int64)

    def errors(self, outputs: np.ndarray, digits: np.ndarray) -> np.ndarray:
        """Distance from the true digit, [N]."""
        return np.abs(outputs[:, 0] - digits)

    def caption(self, output: np.ndarray, digit: int) -> str:
        """Of one picture: the truth and the answer."""
        return f"{digit} → {output[0]:.2f}"
