"""An epoch of the suite `train` in PyTorch, eager: indexed minibatches, autograd, the fused SGD.

torch.compile is left out: for network5 it compiled for a minute, and its epochs were no faster.
"""

from __future__ import annotations

import time

import numpy as np
import torch

from ..suites.nets import CHECKED, DECAY, MOMENTUM, NETS, RATE, NetCase


class Job:
    """See `worker`. `facts`: mean losses of the verified passes, seconds of the first epoch."""

    def __init__(self, net: str, rows: int, threads: int):
        torch.set_num_threads(threads)
        case = NETS[net]
        checked = case.minibatch * CHECKED[0]
        model = _Model(case, checked)
        order = torch.arange(checked)
        losses = [float(torch.stack(model.pass_over(order)).mean()) for _ in range(CHECKED[1])]
        model = _Model(case, rows)
        self.run = lambda: model.pass_over(torch.randperm(rows))
        started = time.perf_counter()
        self.run()
        self.facts = {"losses": losses, "first": time.perf_counter() - started}


class _Model:
    def __init__(self, case: NetCase, rows: int):
        self.minibatch = case.minibatch
        self.X, self.Y = map(torch.from_numpy, case.data(rows))
        layers = []
        for W, b in case.parameters():
            linear = torch.nn.Linear(*W.shape)
            with torch.no_grad():
                linear.weight.copy_(torch.from_numpy(np.ascontiguousarray(W.T)))
                linear.bias.copy_(torch.from_numpy(b))
            layers += [linear, torch.nn.ReLU()]
        layers.pop()
        if case.loss == "sce":
            self.criterion, self.factor = torch.nn.CrossEntropyLoss(), 1
        else:
            layers.append(torch.nn.Tanh())
            self.criterion, self.factor = _half_squared_error, 2
        self.net = torch.nn.Sequential(*layers)
        decay = DECAY / case.minibatch
        self.optimizer = torch.optim.SGD(
            self.net.parameters(), lr=RATE, momentum=MOMENTUM, weight_decay=decay, fused=True
        )

    def pass_over(self, order: torch.Tensor) -> list[torch.Tensor]:
        """Train on the rows in this order; the mean loss per row of each minibatch."""
        losses = []
        for start in range(0, len(order) - self.minibatch + 1, self.minibatch):
            batch = order[start : start + self.minibatch]
            self.optimizer.zero_grad()
            loss = self.criterion(self.net(self.X[batch]), self.Y[batch])
            loss.backward()
            self.optimizer.step()
            losses.append(self.factor * loss.detach())
        return losses


def _half_squared_error(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return 0.5 * ((x - y) ** 2).sum(1).mean()
