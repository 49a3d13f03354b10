"""Text nets as estimators of scikit-learn, which `caffe64.sklearn` exports: `Classifier` and `Regressor`.

    X [N, F] -> columns of mean 0, deviation 1 -> inp F B / hidden / lin K / sce or l2l -> classes, or targets [N, K]

The data say the number of inputs and outputs, the arguments all else. They are checked by `fit`, not before, as
scikit-learn wants it.
"""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, MultiOutputMixin, RegressorMixin
from sklearn.preprocessing import LabelEncoder, StandardScaler
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from .api import Net
from .arguments import flag, sizes, whole_number
from .errors import InputError, UsageError
from .formats.network import GRAMMAR, LayerSpec, NetSpec
from .formats.optimizer import Optimizer

try:
    from sklearn.utils.validation import validate_data
except ImportError:  # scikit-learn before 1.6

    def validate_data(estimator: Any, *arrays: Any, **options: Any) -> Any:
        return estimator._validate_data(*arrays, **options)


FLOATS = [np.float64, np.float32]  # X is taken as one of them; other numbers become the first


class _Estimator(BaseEstimator):
    """What both have: the arguments, and the net with its training."""

    _loss: str  # the last line of the net

    def __init__(
        self,
        hidden: Any = (100,),
        *,
        minibatch: int = 20,
        rate: float = 0.01,
        step: int = 0,
        factor: float = 0.1,
        decay: float = 1e-4,
        momentum: float = 0.9,
        epochs: int = 100,
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
        self.standardize = standardize
        self.random_state = random_state
        self.threads = threads

    def _begin(self, X: np.ndarray, outputs: int) -> Net:
        """A net without weights, for data like X [N, F]. Until it is trained, the estimator is not fitted."""
        self.__dict__.pop("net_", None)
        self.scaler_ = StandardScaler().fit(X) if flag("standardize", self.standardize) else None
        self.loss_curve_: list[float] = []
        self._seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        return Net(_spec(self.hidden, X.shape[1], outputs, self._loss, self._rows(X)))

    def _train(self, net: Net, X: np.ndarray, Y: np.ndarray, epochs: int) -> Self:
        optimizer = Optimizer(self.rate, self.step, self.factor, self.decay, self.momentum, epochs)
        net = _with_minibatch(net, self._rows(X))
        history = net.fit(self._scaled(X), Y, optimizer, seed=self._seed, threads=self.threads)
        self.loss_curve_ += history.loss
        self.net_ = net
        return self

    def _rows(self, X: np.ndarray) -> int:
        """The rows of a minibatch: as many as there are, if there are fewer than asked for."""
        return min(whole_number("minibatch", self.minibatch, 1), len(X))

    def _scaled(self, X: np.ndarray) -> np.ndarray:
        return X if self.scaler_ is None else self.scaler_.transform(X)

    def _outputs(self, X: Any) -> np.ndarray:
        """What the net gives: float32 [N, K]. Raises NotFittedError, ValueError for an X unlike that of `fit`."""
        check_is_fitted(self, "net_")
        X = validate_data(self, X, reset=False, dtype=FLOATS)
        found = self.net_.predict(self._scaled(X), threads=self.threads)
        wrong = np.flatnonzero(~np.isfinite(found).all(axis=1))
        if len(wrong):  # which would be the first label
            raise ValueError(f"row {wrong[0] + 1} of X holds numbers that are too large for the net, which has float32")
        return found


class Classifier(ClassifierMixin, _Estimator):
    """A text net as a classifier of scikit-learn: `inp F B / hidden / lin K / sce`, for X [N, F] and K classes.

    hidden         sizes of the hidden layers, each with a ReLU behind it; or their lines as in a network file, such as
                   "lin 100 -1 / tnh / lin 50 -1 / tnh"
    minibatch      rows of a minibatch; all rows, where there are fewer. Those that do not fill the last minibatch of an
                   epoch are left out of it: others in each epoch, by the order that is drawn
    rate, step, factor, decay, momentum, epochs   as in `caffe64.Optimizer`
    standardize    shift and scale the columns of X to mean 0 and deviation 1, as in the first data that is fitted
    random_state   an int, a RandomState or None, as everywhere in scikit-learn: of initial weights and order of rows
    threads        None for as many as pay off. The result is the same for any number

    Initial weights have the deviation sqrt(2 / inputs) of their layer, sqrt(1 / inputs) in the last one. After `fit`,
    `classes_` are the labels in order, `net_` is the `caffe64.Net`, `scaler_` a StandardScaler or None, and
    `loss_curve_` the mean loss of each epoch. A copy or a pickle predicts the same, but `partial_fit` of it begins with
    no velocity, and in epoch 1.
    """

    _loss = "sce"

    def fit(self, X: Any, y: Any) -> Self:
        """Train a new net on X [N, F] and y [N], labels of any kind that can be sorted, for all epochs.

        Raises ValueError for data that are not as described or not finite, UsageError and InputError for wrong
        arguments, Diverged if the loss does not stay finite.
        """
        X, y = validate_data(self, X, y, dtype=FLOATS)
        check_classification_targets(y)
        net = self._know(X, y)
        return self._train(net, X, self._labels.transform(y), self.epochs)

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> Self:
        """Train for one more epoch, on these rows: the next one of the last `fit` or `partial_fit`, with its velocity
        and its schedule.

        The first call needs `classes`, all labels that may ever come. Raises as `fit` does.
        """
        first = not hasattr(self, "net_")
        X, y = validate_data(self, X, y, reset=first, dtype=FLOATS)
        check_classification_targets(y)
        if first and classes is None:
            raise UsageError("classes is None, expected all labels that may come: the first partial_fit needs them")
        if not first and classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(f"classes are {np.unique(classes)}, expected those of the first call, {self.classes_}")
        net = self._know(X, classes) if first else self.net_
        return self._train(net, X, self._labels.transform(y), 1)

    def _know(self, X: np.ndarray, labels: Any) -> Net:
        self._labels = LabelEncoder().fit(labels)
        self.classes_ = self._labels.classes_
        return self._begin(X, len(self.classes_))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities float32 [N, K], a column for each of `classes_`. Raises NotFittedError, ValueError."""
        return self._outputs(X)

    def predict(self, X: Any) -> np.ndarray:
        """The most probable label of each row, [N]. Raises NotFittedError, ValueError."""
        probabilities = self._outputs(X)
        labels: np.ndarray = self.classes_[probabilities.argmax(axis=1)]
        return labels


class Regressor(MultiOutputMixin, RegressorMixin, _Estimator):
    """A text net as a regressor of scikit-learn: `inp F B / hidden / lin K / l2l`, for X [N, F] and y [N] or [N, K].

    The arguments and attributes are those of `Classifier`. `standardize` is for the targets as well, by
    `target_scaler_`, and `loss_curve_` the loss of targets so scaled.
    """

    _loss = "l2l"

    def fit(self, X: Any, y: Any) -> Self:
        """Train a new net on X [N, F] and y [N] or [N, K] for all epochs. Raises as `Classifier.fit` does."""
        X, y = validate_data(self, X, y, dtype=FLOATS, multi_output=True, y_numeric=True)
        net = self._know(X, y)
        return self._train(net, X, self._targets(y), self.epochs)

    def partial_fit(self, X: Any, y: Any) -> Self:
        """Train for one more epoch, on these rows: the next one of the last `fit` or `partial_fit`, with its velocity
        and its schedule. Raises as `fit` does."""
        first = not hasattr(self, "net_")
        X, y = validate_data(self, X, y, reset=first, dtype=FLOATS, multi_output=True, y_numeric=True)
        net = self._know(X, y) if first else self.net_
        return self._train(net, X, self._targets(y), 1)

    def _know(self, X: np.ndarray, y: np.ndarray) -> Net:
        self._shape = y.shape[1:]
        self.target_scaler_ = StandardScaler().fit(_columns(y)) if flag("standardize", self.standardize) else None
        return self._begin(X, math.prod(self._shape))

    def _targets(self, y: np.ndarray) -> np.ndarray:
        """What the net is to give, [N, K]."""
        if y.shape[1:] != self._shape:
            raise ValueError(f"y has the shape {y.shape}, expected {('rows', *self._shape)}, as in the first call")
        return _columns(y) if self.target_scaler_ is None else self.target_scaler_.transform(_columns(y))

    def predict(self, X: Any) -> np.ndarray:
        """Targets float64, [N] or [N, K] as the y of `fit`. Raises NotFittedError, ValueError."""
        found = self._outputs(X).astype(np.float64)
        if self.target_scaler_ is not None:
            found = self.target_scaler_.inverse_transform(found)
        return found.reshape(-1, *self._shape)


def _columns(y: np.ndarray) -> np.ndarray:
    """y [N] or [N, K] as float64 [N, K]."""
    return y.astype(np.float64).reshape(len(y), -1)


def _spec(hidden: Any, features: int, outputs: int, loss: str, rows: int) -> NetSpec:
    """The whole net. Raises UsageError or InputError for hidden layers that do not make one."""
    lines = hidden if isinstance(hidden, str) else _relu_layers(hidden, features)
    try:
        front = Net(f"inp {features} {rows} / {lines}")
    except InputError as error:  # whose place is that in another text
        raise InputError("hidden", error.found, error.expected, error.hint) from None
    for layer in front.spec.layers[1:]:
        if GRAMMAR[layer.word].role != "hidden":
            what = "expected the layers between: input, output and loss follow from the data"
            raise UsageError(f"hidden has the line {str(layer)!r}, {what}")
    last = LayerSpec("lin", (outputs, _exponent(1 / front.layers[-1].outputs)))
    return NetSpec((*front.spec.layers, last, LayerSpec(loss)))


def _relu_layers(hidden: Any, inputs: int) -> str:
    lines = []
    for size in sizes("hidden", hidden):
        lines += [f"lin {size} {_exponent(2 / inputs)}", "rel"]
        inputs = size
    return " / ".join(lines)


def _exponent(variance: float) -> float:
    """The e of `lin K e`, whose weights have the deviation 10**e."""
    return round(math.log10(variance) / 2, 3)


def _with_minibatch(net: Net, rows: int) -> Net:
    """`net`, or where its minibatches have another number of rows, a net with its weights and progress."""
    if net.spec.minibatch == rows:
        return net
    inputs, *others = net.spec.layers
    other = Net(NetSpec((LayerSpec(inputs.word, (net.spec.features, rows)), *others)))
    other.parameters = net.parameters  # laid out alike for any number of rows
    other.progress = net.progress  # after the parameters, whose assignment begins anew
    return other
