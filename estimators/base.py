"""What the estimators share: the arguments, and the net with its training."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from ..api import History, Net
from ..arguments import finite_number, flag, whole_number
from ..errors import UsageError
from ..formats.optimizer import WITHOUT_MOMENTUM, Optimizer
from .nets import net_between, with_minibatch
from .weights import of_mean_one, rows_that_weigh

try:
    from sklearn.utils.validation import validate_data
except ImportError:  # scikit-learn before 1.6

    def validate_data(estimator: Any, *arrays: Any, **options: Any) -> Any:
        return estimator._validate_data(*arrays, **options)


FLOATS = [np.float64, np.float32]  # X is taken as one of them; other numbers become the first
USUAL_MOMENTUM = 0.9


class NetEstimator(BaseEstimator, ABC):
    """The arguments, and the net with its training. What depends on the kind of targets is in methods at the end."""

    _loss: str  # the last line of the net
    loss_curve_: list[float]
    validation_loss_curve_: list[float] | None
    best_epoch_: int | None

    def __init__(
        self,
        hidden: Any = (100,),
        *,
        minibatch: int = 20,
        rate: float = 0.01,
        step: int = 0,
        factor: float = 0.1,
        decay: float = 1e-4,
        momentum: float | None = None,
        epochs: int = 100,
        rule: str = "sgd",
        second: float | None = None,
        epsilon: float | None = None,
        schedule: str | Callable[[float], float] = "step",
        warmup: float = 0.0,
        clip: float = 0.0,
        remainder: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        patience: int | None = 10,
        standardize: bool = True,
        random_state: Any = None,
        threads: int | None = 1,
    ):
        self.hidden = hidden
        self.minibatch = minibatch
        self.rate = rate
        self.step = step
        self.factor = factor
        self.decay = decay
        self.momentum = momentum
        self.epochs = epochs
        self.rule = rule
        self.second = second
        self.epsilon = epsilon
        self.schedule = schedule
        self.warmup = warmup
        self.clip = clip
        self.remainder = remainder
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.standardize = standardize
        self.random_state = random_state
        self.threads = threads

    def _fit(self, X: np.ndarray, y: np.ndarray, sample_weight: Any) -> Self:
        """Train a new net for all epochs. X [N, F] and y are checked; `_outputs_of` knows the outputs."""
        X, y, weights = rows_that_weigh(X, y, sample_weight)
        random, held_out = self._begin(), None
        if flag("early_stopping", self.early_stopping):
            train, others = self._hold_back(y, random)
            held_out = X[others], y[others]
            X, y, weights = X[train], y[train], None if weights is None else weights[train]
        net = self._new_net(X, y)
        weights = self._row_weights(y, weights)
        history = self._train(net, X, y, None if weights is None else of_mean_one(weights), self.epochs, held_out)
        if held_out:
            self.validation_loss_curve_ = [evaluation.loss for evaluation in history.validation]
            self.best_epoch_ = history.best_epoch
        return self

    def _fit_more(self, X: np.ndarray, y: np.ndarray, sample_weight: Any, *, first: bool) -> Self:
        """Train for one epoch, a new net if `first`."""
        X, y, weights = rows_that_weigh(X, y, sample_weight)
        if first:
            self._begin()
        net = self._new_net(X, y) if first else self.net_
        self._train(net, X, y, self._row_weights(y, weights), 1)
        return self

    def _check_partial(self) -> None:
        """Raise UsageError for arguments that `partial_fit` cannot follow."""
        if flag("early_stopping", self.early_stopping):
            raise UsageError("partial_fit does not support early_stopping=True: fit does, which holds rows back")
        if isinstance(self.schedule, str) and self.schedule == "cosine":
            what = "schedule='cosine' ends with the last epoch, and partial_fit does not know which that is"
            raise UsageError(f"{what} (a function of the epochs done will do)")

    def _begin(self) -> np.random.RandomState:
        """Until it is trained, the estimator is not fitted. Returns the random numbers behind the seed."""
        self.__dict__.pop("net_", None)
        self.loss_curve_, self.validation_loss_curve_, self.best_epoch_ = [], None, None
        random: np.random.RandomState = check_random_state(self.random_state)
        self._seed = int(random.randint(2**31 - 1))
        return random

    def _hold_back(self, y: np.ndarray, random: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of the rows to train on, and of those for the validation."""
        share = finite_number("validation_fraction", self.validation_fraction)
        if not 0 < share < 1:
            raise UsageError(f"validation_fraction is {share:g}, expected a number between 0 and 1")
        try:
            train, others = train_test_split(
                np.arange(len(y)), test_size=share, random_state=random, stratify=self._strata(y)
            )
        except ValueError as error:
            raise ValueError(f"early_stopping cannot hold back {share:g} of {len(y)} rows: {error}") from None
        return train, others

    def _new_net(self, X: np.ndarray, y: np.ndarray) -> Net:
        """A net without weights, and the scalers, for data like these."""
        self._learn_scales(X, y)
        return net_between(self.hidden, X.shape[1], self._output_count(), self._loss, self._rows(X))

    def _train(
        self,
        net: Net,
        X: np.ndarray,
        y: np.ndarray,
        weights: np.ndarray | None,
        epochs: int,
        held_out: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> History:
        net, validation = with_minibatch(net, self._rows(X)), None
        if held_out:
            validation = self._scaled(held_out[0]), self._targets(held_out[1])
        history = net.fit(
            self._scaled(X),
            self._targets(y),
            self._optimizer(epochs),
            seed=self._seed,
            threads=self.threads,
            remainder=self.remainder,
            sample_weight=weights,
            schedule=self.schedule if callable(self.schedule) else None,
            validation=validation,
            patience=self.patience if validation else None,
            keep_best=validation is not None,
        )
        self.loss_curve_ += history.loss
        self.net_ = net
        return history

    def _optimizer(self, epochs: int) -> Optimizer:
        momentum = self.momentum
        if momentum is None:
            momentum = 0.0 if self.rule in WITHOUT_MOMENTUM else USUAL_MOMENTUM
        return Optimizer(
            self.rate,
            self.step,
            self.factor,
            self.decay,
            momentum,
            epochs,
            rule=self.rule,
            second=self.second,
            epsilon=self.epsilon,
            schedule="step" if callable(self.schedule) else self.schedule,
            warmup=self.warmup,
            clip=self.clip,
        )

    def _rows(self, X: np.ndarray) -> int:
        """The rows of a minibatch: as many as there are, if there are fewer than asked for."""
        return min(whole_number("minibatch", self.minibatch, 1), len(X))

    def _scaled(self, X: np.ndarray) -> np.ndarray:
        return X if self.scaler_ is None else self.scaler_.transform(X)

    def _checked(self, *arrays: Any, **options: Any) -> Any:
        """Data as arrays. Raises ValueError, TypeError."""
        return validate_data(self, *arrays, dtype=FLOATS, **options)

    def _outputs(self, X: Any) -> np.ndarray:
        """What the net gives: float32 [N, K]. Raises NotFittedError, ValueError for an X unlike that of `fit`."""
        check_is_fitted(self, "net_")
        X = self._checked(X, reset=False)
        found = self.net_.predict(self._scaled(X), threads=self.threads)
        wrong = np.flatnonzero(~np.isfinite(found).all(axis=1))
        if len(wrong):  # which would be the first label
            raise ValueError(f"row {wrong[0] + 1} of X holds numbers that are too large for the net, which has float32")
        return found

    def _learn_scales(self, X: np.ndarray, y: np.ndarray) -> None:
        self.scaler_ = StandardScaler().fit(X) if flag("standardize", self.standardize) else None

    @abstractmethod
    def _output_count(self) -> int:
        """K, the outputs of the net."""

    @abstractmethod
    def _targets(self, y: np.ndarray) -> np.ndarray:
        """What the net is to give for the labels or targets y: [N] or [N, K]."""

    def _strata(self, y: np.ndarray) -> np.ndarray | None:
        """[N], of which each value has its share among the rows that are held back; None: any rows are."""
        return None

    def _row_weights(self, y: np.ndarray, weights: np.ndarray | None) -> np.ndarray | None:
        """The weights of rows, times those that their classes have."""
        return weights
