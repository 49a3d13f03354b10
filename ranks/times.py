"""What a training over ranks spends on its exchange."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class RankTimes:
    """What `minibatches` took on this rank: `seconds` in all, `exchanging` of them in calls of MPI, waiting for other
    ranks included."""

    minibatches: int = 0
    seconds: float = 0.0
    exchanging: float = 0.0
