"""Hints about data and trainings that will hardly go well: features or targets of very different sizes, rare classes, a
loss that does not fall. `hints` is for Python, the functions below it for `caffe64 train`.

Thresholds are wide, so that what is said is worth reading. The gradient of a weight grows with the feature that it
multiplies, and so does the effect of its step: with a rate that features of size 1000 s bear, the weights of those of
size s do 1e-6 of what they could in a step. No usual number of epochs makes up for that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .api import History, Net
from .arguments import instance
from .conversion import ArrayLike
from .engine.textnet.layers.layer import TargetKind
from .engine.textnet.layout import NetLayout
from .engine.textnet.model import Model
from .engine.textnet.one_hot import OneHot

SEEN_ROWS = 10_000  # of the features, evenly spread
FAR_APART = 1000.0  # sizes of features, or of targets
RARE = 20  # a class with less than this part of an even share of the rows
LEAST_FALL = 1e-3  # of the loss, relative
LOOK_EPOCHS, LOOK_MINIBATCHES, LOOK_SHARE = 5, 100, 0.1  # how long a loss has to fall: the longest of these
MOST_NAMED = 3  # classes in one hint
SCALE = "scale each to mean 0 and deviation 1, or to [0, 1]; of tables --scale standard does"
BALANCE = "--class-weights balanced, in Python class_weight='balanced', gives all classes the same weight"


def hints(X: ArrayLike | OneHot, Y: ArrayLike, net: Net, history: History | None = None) -> list[str]:
    """What is unusual in X [N, F] and Y for `net`, and in the `history` of its training from the first epoch on, if
    there is one, each with what may help: features, or real targets, that differ by orders of magnitude or lie far from
    0, classes that are rare or missing, a loss that has not fallen. `caffe64 train` prints these texts.

    Looks at 10,000 rows of X at most, evenly spread. Raises the errors of `Net.evaluate` for data that do not fit.
    """
    model = instance("the net", net, Model, "a caffe64.Net")
    data, columns = model.checked(X, Y), getattr(X, "columns", None)  # those of a data frame
    found = data_hints(model.plan, data.inputs, data.targets, None if columns is None else list(map(str, columns)))
    if history is not None:
        losses = instance("history", history, History, "what Net.fit returns").loss
        when = time_to_look(len(data.inputs) // model.plan.spec.minibatch, len(losses))
        found += loss_hints(losses[:when]) if len(losses) >= when else []
    return found


def data_hints(
    plan: NetLayout,
    X: np.ndarray,
    Y: np.ndarray,
    names: Sequence[str] | None = None,
    labels: Sequence[str] | None = None,
    *,
    weighed: bool = False,
) -> list[str]:
    """About X float32 [N, F], with `names` of its columns, and Y [N, T], with `labels` of its classes or targets, both
    checked. One-hot inputs [N, H] are ones and zeros, and have no hints; nor have rare classes where rows are
    `weighed`."""
    found = size_hints("feature", X, names) if X.shape[1] == plan.features else []
    kind = None if plan.loss is None else plan.loss.target_kind
    if kind is TargetKind.CLASS:
        found += class_hints(Y, plan.outputs, labels, weighed=weighed)
    return found + (size_hints("target", Y, labels) if kind is TargetKind.REAL else [])


def size_hints(what: str, values: np.ndarray, names: Sequence[str] | None = None) -> list[str]:
    """About the sizes of features or targets: float32 [N, F], finite, `names` of the columns. Constant ones do not
    count."""
    rows = values[:: -(-len(values) // SEEN_ROWS) or 1]
    low, high = rows.min(axis=0).astype(np.float64), rows.max(axis=0).astype(np.float64)
    columns = np.flatnonzero(high > low)
    if not len(columns):
        return []
    low, high = low[columns], high[columns]
    size = np.maximum(high, -low)
    largest, smallest, far = int(size.argmax()), int(size.argmin()), int((size / (high - low)).argmax())

    def named(at: int) -> str:
        return f"{what} {columns[at] + 1}" + (f" ({names[columns[at]]})" if names else "")

    if size[largest] > FAR_APART * size[smallest]:
        found = f"{named(largest)} has values up to {_figure(size[largest])}, {named(smallest)} only up to "
        return [f"{found}{_figure(size[smallest])}: a rate that suits the one does not suit the other ({SCALE})"]
    if size[far] > FAR_APART * (high - low)[far]:
        found = f"{named(far)} runs from {low[far]:,.10g} to {high[far]:,.10g}, far from 0"
        return [f"{found}: its differences are lost beside its size ({SCALE})"]
    if size[largest] > FAR_APART or size[largest] * FAR_APART < 1:
        found = f"the {what}s have values up to {_figure(size[largest])}"
        return [f"{found}: a rate for values near 1 does not suit them ({SCALE})"]
    return []


def _figure(value: float) -> str:
    return f"{value:,.0f}" if 1000 <= value < 1e15 else f"{value:.3g}"


def class_hints(
    Y: np.ndarray, classes: int, labels: Sequence[str] | None = None, *, weighed: bool = False
) -> list[str]:
    """About rare and missing classes: Y float32 [N, 1], whole numbers in [0, classes), with `labels` of these. Said
    where a class with 1 / RARE of an even share would have a row at least."""
    shown_as = range(classes) if labels is None else list(map(repr, labels))
    counts = np.bincount(Y[:, 0].astype(np.int64), minlength=classes)
    if len(Y) < RARE * classes:
        return []
    rare = np.flatnonzero((counts > 0) & (counts * RARE * classes < len(Y)))
    found = []
    if len(rare) and not weighed:
        shown = ", ".join(f"{shown_as[each]} ({counts[each]} of {len(Y)} rows)" for each in rare[:MOST_NAMED])
        found.append(f"{_classes(shown, len(rare))} rare: a net hardly learns what it hardly sees ({BALANCE})")
    if len(missing := np.flatnonzero(counts == 0)):
        shown = ", ".join(str(shown_as[each]) for each in missing[:MOST_NAMED])
        found.append(
            f"{_classes(shown, len(missing))} missing, of {classes}: the net has outputs that it learns never to give "
            "(classes count from 0; is the number of outputs right?)"
        )
    return found


def time_to_look(steps: int, epochs: int) -> int:
    """After how many epochs of `steps` minibatches to ask whether the loss has fallen, in a training of `epochs`; more
    than these where it is too short to ask."""
    long = max(2, math.ceil(LOOK_MINIBATCHES / max(steps, 1)))
    return max(long, min(epochs, max(LOOK_EPOCHS, math.ceil(LOOK_SHARE * epochs))))


def loss_hints(losses: Sequence[float]) -> list[str]:
    """About the mean losses of the first epochs, two at least."""
    if not losses[0] - min(losses[1:]) < LEAST_FALL * abs(losses[0]):  # also where one is nan
        return []
    return [
        f"the loss has not fallen in {len(losses)} epochs, from {losses[0]:.6g} to {losses[-1]:.6g}: try a larger rate "
        "where it stands still, a smaller one where it jumps, features near 1, or lin K he for the first weights"
    ]


def _classes(shown: str, count: int) -> str:
    more = f" and {count - MOST_NAMED} more" if count > MOST_NAMED else ""
    return f"class {shown} is" if count == 1 else f"classes {shown}{more} are"
