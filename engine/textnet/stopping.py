"""Early stopping: when a training ends before its last epoch, and the weights of its best one.

stopping.note(epoch, loss, model)   after each epoch, with its validation loss
while not stopping.done             the epochs go on
stopping.restore(model)             at the end: the best weights, if they are kept
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ...arguments import flag, whole_number
from .model import Model


class Stopping:
    """`patience` epochs without a lower validation loss end a training (None: they do not); `keep_best` keeps the
    weights of the epoch with the lowest one. A loss that is nan is not lower. Raises UsageError for other arguments."""

    def __init__(self, patience: int | None = None, keep_best: bool = False):
        self.patience = None if patience is None else whole_number("patience", patience, 1)
        self.keep_best = flag("keep_best", keep_best)
        self.best_epoch, self.best_loss = 0, math.inf  # 0: none yet
        self.best: np.ndarray | None = None  # parameters of that epoch, as the model has them
        self._last, self._waited = 0, 0  # the last epoch, and how many there were since the best one

    def __bool__(self) -> bool:
        """Whether it was asked for, so that epochs need a validation."""
        return self.patience is not None or self.keep_best

    @property
    def done(self) -> bool:
        return self.patience is not None and self._waited >= self.patience

    def note(self, epoch: int, loss: float, model: Model) -> None:
        """An epoch has ended with this validation loss and the parameters of `model`."""
        if self._count(epoch, loss) and self.keep_best:
            self.best = None if model.parameters is None else model.parameters.copy()

    def _count(self, epoch: int, loss: float) -> bool:
        """Whether this epoch is the best so far."""
        better = loss < self.best_loss
        self._last, self._waited = epoch, 0 if better else self._waited + 1
        if better:
            self.best_epoch, self.best_loss = epoch, loss
        return better

    def resume(self, history: Iterable[Mapping[str, Any]], best_epoch: int, best: np.ndarray | None) -> None:
        """Be as after the epochs of a checkpoint: of records with `epoch` and `validation_loss`, None where there was
        no validation, and of the best epoch with its parameters, if they were kept. Where they were not and are to be
        from now on, the epochs to come are compared among themselves."""
        if self.keep_best and best is None:
            return
        self.best = best if self.keep_best else None
        for record in history:
            loss = record.get("validation_loss")
            if loss is not None and (record["epoch"] >= best_epoch or not self.keep_best):
                self._count(record["epoch"], loss)

    def restore(self, model: Model) -> None:
        """Give `model` the weights of the best epoch. If that is the last one, it has them, and a training may go on;
        from others a new one begins."""
        if self.best is not None and self.best_epoch != self._last:
            model.parameters = self.best
