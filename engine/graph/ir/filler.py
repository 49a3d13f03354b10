"""How initial weights are drawn."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Filler:
    """Of one blob of weights: `type` is one of those in `analysis/fillers.py`, which explains the numbers."""

    type: str = "constant"
    value: float = 0.0
    min: float = 0.0
    max: float = 1.0
    mean: float = 0.0
    std: float = 1.0
    sparse: int = -1
    variance_norm: int = 0
