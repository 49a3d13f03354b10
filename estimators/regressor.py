"""Text nets as regressors of scikit-learn."""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np
from sklearn.base import MultiOutputMixin, RegressorMixin
from sklearn.preprocessing import StandardScaler

from ..arguments import flag
from .base import NetEstimator


class Regressor(MultiOutputMixin, RegressorMixin, NetEstimator):
    """A text net as a regressor of scikit-learn: `inp F B / hidden / lin K / l2l`, for X [N, F] and y [N] or [N, K].

    The arguments and attributes are those of `Classifier`, apart from class_weight. `standardize` is for the targets as
    well, by `target_scaler_`, and the losses are those of targets so scaled.
    """

    _loss = "l2l"

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train a new net on X [N, F] and y [N] or [N, K] for all epochs, with a weight for each row, as
        `Classifier.fit` does. Raises as that does."""
        X, y = self._checked(X, y, multi_output=True, y_numeric=True)
        self._shape = y.shape[1:]
        return self._fit(X, y, sample_weight)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one more epoch, on these rows: the next one of the last `fit` or `partial_fit`, with its velocity
        and its schedule, as `Classifier.partial_fit` does. Raises as that does."""
        self._check_partial()
        first = not hasattr(self, "net_")
        X, y = self._checked(X, y, reset=first, multi_output=True, y_numeric=True)
        if first:
            self._shape = y.shape[1:]
        elif y.shape[1:] != self._shape:
            raise ValueError(f"y has the shape {y.shape}, expected {('rows', *self._shape)}, as in the first call")
        return self._fit_more(X, y, sample_weight, first=first)

    def predict(self, X: Any) -> np.ndarray:
        """Targets float64, [N] or [N, K] as the y of `fit`. Raises NotFittedError, ValueError."""
        found = self._outputs(X).astype(np.float64)
        if self.target_scaler_ is not None:
            found = self.target_scaler_.inverse_transform(found)
        return found.reshape(-1, *self._shape)

    def _learn_scales(self, X: np.ndarray, y: np.ndarray) -> None:
        super()._learn_scales(X, y)
        self.target_scaler_ = StandardScaler().fit(_columns(y)) if flag("standardize", self.standardize) else None

    def _output_count(self) -> int:
        return math.prod(self._shape)

    def _targets(self, y: np.ndarray) -> np.ndarray:
        return _columns(y) if self.target_scaler_ is None else self.target_scaler_.transform(_columns(y))


def _columns(y: np.ndarray) -> np.ndarray:
    """y [N] or [N, K] as float64 [N, K]."""
    return y.astype(np.float64).reshape(len(y), -1)
