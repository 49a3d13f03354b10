"""An epoch of the suite `train` in NumPy; in float64 it is the reference of the verification."""

from __future__ import annotations

import time

import numpy as np

from ..suites.nets import CHECKED, DECAY, MOMENTUM, NETS, RATE, NetCase


class Job:
    """See `worker`. `facts`: mean losses of the verified passes, seconds of the first epoch."""

    def __init__(self, net: str, rows: int, threads: int):
        case = NETS[net]
        model = NumpyModel(case, rows, np.float32)
        random = np.random.default_rng(0)
        self.run = lambda: model.pass_over(case.batches(random.permutation(rows)))
        losses = reference_losses(case, np.float32)
        started = time.perf_counter()
        self.run()
        self.facts = {"losses": losses, "first": time.perf_counter() - started}


def reference_losses(case: NetCase, dtype=np.float64) -> list[float]:
    """Mean loss per row of each verified pass: the rows in their order, from the common initial parameters."""
    rows = case.minibatch * CHECKED[0]
    model = NumpyModel(case, rows, dtype)
    return [model.pass_over(case.batches(np.arange(rows))) for _ in range(CHECKED[1])]


class NumpyModel:
    """A net of `nets.py`, its data and its velocity."""

    def __init__(self, case: NetCase, rows: int, dtype):
        X, Y = case.data(rows)
        self.classes = case.loss == "sce"
        self.X, self.Y = X.astype(dtype, copy=False), Y if self.classes else Y.astype(dtype, copy=False)
        self.parameters = [(W.astype(dtype), b.astype(dtype)) for W, b in case.parameters()]
        self.velocity = [(np.zeros_like(W), np.zeros_like(b)) for W, b in self.parameters]

    def pass_over(self, batches: np.ndarray) -> float:
        """Train on minibatches [steps, minibatch] of row numbers; the mean loss per row."""
        return float(np.mean([self.step(self.X[batch], self.Y[batch]) for batch in batches]))

    def step(self, x: np.ndarray, y: np.ndarray) -> float:
        """One minibatch; its mean loss per row."""
        inputs = []
        for number, (W, b) in enumerate(self.parameters):
            inputs.append(x)
            x = x @ W
            x += b
            if number + 1 < len(self.parameters):
                np.maximum(x, 0, out=x)
        loss, dx = self._cross_entropy(x, y) if self.classes else self._squared_error(x, y)
        for number in range(len(inputs) - 1, -1, -1):
            x, (W, b), velocity = inputs[number], self.parameters[number], self.velocity[number]
            gradients = x.T @ dx, dx.sum(0)
            if number:
                dx = dx @ W.T
                dx *= x > 0
            for w, v, g in zip((W, b), velocity, gradients, strict=True):
                g += DECAY * w
                v *= MOMENTUM
                v += RATE / len(x) * g
                w -= v
        return loss

    @staticmethod
    def _cross_entropy(x, labels):
        rows = np.arange(len(x))
        x -= x.max(1, keepdims=True)
        wanted = x[rows, labels]
        np.exp(x, out=x)
        total = x.sum(1)
        x /= total[:, None]
        x[rows, labels] -= 1
        return float((np.log(total) - wanted).mean()), x

    @staticmethod
    def _squared_error(x, targets):
        np.tanh(x, out=x)
        difference = x - targets
        return float((difference**2).sum(1).mean()), difference * (1 - x * x)
