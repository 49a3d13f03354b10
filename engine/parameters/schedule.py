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
        """The rate of this iteration, from 0. It is asked for once per iteration, as `current` rises by one at most."""
        base = self.base
        match self.policy:
            case "step":
                self.current = iteration // self.stepsize
                return np.float32(base * self.gamma**self.current)
            case "exp":
                return np.float32(base * self.gamma**iteration)
            case "inv":
                return np.float32(base * (1 + self.gamma * iteration) ** -self.power)
            case "poly":
                return np.float32(base * (1 - iteration / self.iterations) ** self.power)
            case "sigmoid":
                return np.float32(base / (1 + math.exp(-self.gamma * (iteration - self.stepsize))))
            case "multistep":
                return np.float32(base * self.gamma**self.current)
        return np.float32(base)

    def rises(self, iteration: int) -> bool:
        """Whether multistep's s rises in this iteration, which it then has: before `rate`."""
        at = self.current
        if self.policy != "multistep" or at >= len(self.values) or iteration < self.values[at]:
            return False
        self.current += 1
        return True
