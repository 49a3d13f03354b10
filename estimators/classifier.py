"""Text nets as classifiers of scikit-learn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.preprocessing import LabelEncoder
from sklearn.utils.multiclass import check_classification_targets

from ..errors import UsageError
from .base import NetEstimator
from .weights import BALANCED_CLASSES, weights_of_classes


class Classifier(ClassifierMixin, NetEstimator):
    """A text net as a classifier of scikit-learn: `inp F B / hidden / lin K / sce`, for X [N, F] and K classes.

    hidden         sizes of the hidden layers, each with a ReLU behind it; or their lines as in a network file, such as
                   "lin 100 -1 / tnh / lin 50 -1 / tnh"
    minibatch      rows of a minibatch; all rows, where there are fewer
    rate, step, factor, decay, epochs, rule, second, epsilon, warmup, clip   as in `caffe64.Optimizer`
    momentum       as there; None: 0.9 for the rules that have one
    schedule       as there; or a function, which gives the rate of each minibatch after t epochs, as in `Net.fit`
    remainder      train on the rows that do not fill the last minibatch of an epoch too, as one of fewer rows; False
                   leaves them out, others in each epoch
    early_stopping        hold back rows, end after `patience` epochs (None: never) without a lower loss of these, and
                          keep the net of the epoch with the lowest
    validation_fraction   the share of rows that is held back, of each class alike
    class_weight   "balanced" (classes weigh alike, however many rows they have), or a dict of weights by label, 1 for
                   others
    standardize    shift and scale the columns of X to mean 0 and deviation 1, as in the first data that is fitted; rows
                   that are held back do not count
    random_state   an int, a RandomState or None, as everywhere in scikit-learn: of initial weights, order of rows, and
                   rows that are held back
    threads        None for as many as pay off. The result is the same for any number

    Initial weights have the deviation sqrt(2 / inputs) of their layer, sqrt(1 / inputs) in the last one. After `fit`,
    `classes_` are the labels in order, `net_` is the `caffe64.Net`, `scaler_` a StandardScaler or None, and
    `loss_curve_` the mean loss of each epoch; with early stopping `validation_loss_curve_` is that of the rows held
    back, in which all weigh alike, and `best_epoch_` the number, from 1, of its lowest; otherwise both are None. A copy
    or a pickle predicts the same, but `partial_fit` of it begins with no velocity, and in epoch 1.
    """

    _loss = "sce"

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
        class_weight: str | Mapping[Any, float] | None = None,
        standardize: bool = True,
        random_state: Any = None,
        threads: int | None = 1,
    ):  # its own, as scikit-learn reads the names of arguments here
        super().__init__(
            hidden, minibatch=minibatch, rate=rate, step=step, factor=factor, decay=decay, momentum=momentum,
            epochs=epochs, rule=rule, second=second, epsilon=epsilon, schedule=schedule, warmup=warmup, clip=clip,
            remainder=remainder, early_stopping=early_stopping, validation_fraction=validation_fraction,
            patience=patience, standardize=standardize, random_state=random_state, threads=threads,
        )  # fmt: skip
        self.class_weight = class_weight

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train a new net on X [N, F] and y [N], labels of any kind that can be sorted, for all epochs.

        `sample_weight` [N] multiplies losses and gradients of rows, those of weight 0 are left out. Weights count by
        their ratios: those of all rows, times those of their classes, are brought to the mean 1.

        Raises ValueError for data that are not as described or not finite, UsageError and InputError for wrong
        arguments, Diverged if the loss does not stay finite.
        """
        X, y = self._checked(X, y)
        check_classification_targets(y)
        self._know(y)
        return self._fit(X, self._labels.transform(y), sample_weight)

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Train for one more epoch, on these rows: the next one of the last `fit` or `partial_fit`, with its velocity
        and its schedule.

        The first call needs `classes`, all labels that may ever come. Weights are taken as they are, as those of other
        rows are not known; early stopping, the cosine schedule and balanced classes are refused. Raises as `fit` does.
        """
        self._check_partial()
        first = not hasattr(self, "net_")
        X, y = self._checked(X, y, reset=first)
        check_classification_targets(y)
        if first and classes is None:
            raise UsageError("classes is None, expected all labels that may come: the first partial_fit needs them")
        if not first and classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(f"classes are {np.unique(classes)}, expected those of the first call, {self.classes_}")
        if first:
            self._know(classes)
        return self._fit_more(X, self._labels.transform(y), sample_weight, first=first)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities float32 [N, K], a column for each of `classes_`. Raises NotFittedError, ValueError."""
        return self._outputs(X)

    def predict(self, X: Any) -> np.ndarray:
        """The most probable label of each row, [N]. Raises NotFittedError, ValueError."""
        probabilities = self._outputs(X)
        labels: np.ndarray = self.classes_[probabilities.argmax(axis=1)]
        return labels

    def _know(self, labels: Any) -> None:
        self._labels = LabelEncoder().fit(labels)
        self.classes_ = self._labels.classes_

    def _check_partial(self) -> None:
        super()._check_partial()
        if isinstance(self.class_weight, str) and self.class_weight == BALANCED_CLASSES:
            what = "partial_fit does not know how many rows of each class will come"
            raise UsageError(f"class_weight is {BALANCED_CLASSES!r}, but {what} (a dict of weights by label will do)")

    def _output_count(self) -> int:
        return len(self.classes_)

    def _targets(self, y: np.ndarray) -> np.ndarray:
        return y  # the places of labels in `classes_`

    def _strata(self, y: np.ndarray) -> np.ndarray:
        return y

    def _row_weights(self, y: np.ndarray, weights: np.ndarray | None) -> np.ndarray | None:
        if self.class_weight is None:
            return weights
        of_classes: np.ndarray = weights_of_classes(self.class_weight, self.classes_, y, weights)[y]
        return of_classes if weights is None else of_classes * weights
