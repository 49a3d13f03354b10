"""The learning rate at each iteration t, by Caffe's seven policies.

fixed       base
step        base * gamma ^ floor(t / stepsize)
exp         base * gamma ^ t
inv         base * (1 + gamma * t) ^ -power
poly        base * (1 - t / max_iter) ^ power
sigmoid     base / (1 + exp(-gamma * (t - stepsize)))
multistep   base * gamma ^ s, where s rises by one in an iteration t >= values[s]
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

LARGEST_EXPONENT = 700.0  # e to this is a number still, and the rate 0 then


@dataclass
class Schedule:
    """A policy and its numbers. `current` is the s of multistep and the exponent of step, which a snapshot keeps."""

    policy: str = "fixed"
    base: float = 0.0
    gamma: float = 0.0
    power: float = 0.0
    stepsize: int = 0
    values: tuple[int, ...] = ()
    iterations: int = 0
    current: int = 0

    def rate(self, iteration: int) -> np.float32:
        """The rate of this iteration, from 0: what C's arithmetic gives, infinity or NaN where there is no number. It
        is asked for once per iteration, as `current` rises by one at most."""
        with np.errstate(all="ignore"):
            return np.float32(self._rate(iteration, np.float64(self.base), np.float64(self.gamma)))

    def _rate(self, iteration: int, base: np.float64, gamma: np.float64) -> np.float64:
        match self.policy:
            case "step":
                self.current = iteration // self.stepsize
                return base * gamma**self.current
            case "exp":
                return base * gamma**iteration
            case "inv":
                return base * (1 + gamma * iteration) ** -self.power
            case "poly":
                return base * (1 - np.float64(iteration) / self.iterations) ** self.power
            case "sigmoid":
                return base / (1 + math.exp(min(LARGEST_EXPONENT, -gamma * (iteration - self.stepsize))))
            case "multistep":
                return base * gamma**self.current
        return base

    def rises(self, iteration: int) -> bool:
        """Whether multistep's s rises in this iteration, which it then has: before `rate`."""
        at = self.current
        if self.policy != "multistep" or at >= len(self.values) or iteration < self.values[at]:
            return False
        self.current += 1
        return True
