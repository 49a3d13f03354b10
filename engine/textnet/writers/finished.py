"""A trained net as its writers read it: what each layer computes, without what only training needs."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ....errors import UsageError
from ..layout import S_SIZE, S
from ..named_arrays import layer_arrays

if TYPE_CHECKING:
    from ..model import Model

BATCH_NORM_EPSILON = 1e-5
BATCH_NORM_ARRAYS = ("scale", "shift", "mean", "variance")


@dataclass(frozen=True)
class Outside:
    """What is around a net. Its inputs are `(x - shift) * factor`, float32 [F], None for x itself, and its values
    `outputs / target_factor + target_shift`, float32 [K], None for the outputs; the names of its F inputs and of its K
    outputs, which are either the labels of classes or the names of targets. Empty: not known."""

    shift: np.ndarray | None = None
    factor: np.ndarray | None = None
    target_shift: np.ndarray | None = None
    target_factor: np.ndarray | None = None
    feature_names: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    target_names: tuple[str, ...] = ()

    @property
    def names(self) -> dict[str, tuple[str, ...]]:
        """Those that are known, by what they name."""
        found = {
            "feature_names": self.feature_names,
            "labels": self.labels,
            "target_names": self.target_names,
        }
        return {key: names for key, names in found.items() if names}


@dataclass(frozen=True)
class FinishedLayer:
    """Line `index` of a net: its word, widths, numbers, and arrays by name."""

    index: int
    word: str
    inputs: int
    outputs: int
    numbers: tuple[float, ...]
    arrays: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class FinishedNet:
    """All layers, the first of which is `inp`; `text` has the net's lines, separated by " / "."""

    text: str
    layers: tuple[FinishedLayer, ...]
    outside: Outside = field(default_factory=Outside)

    @property
    def features(self) -> int:
        return self.layers[0].inputs

    @property
    def outputs(self) -> int:
        return self.layers[-1].outputs


def finish(model: Model, outside: Outside | None = None) -> FinishedNet:
    """The layers of a net with weights. Raises UsageError without weights, and for some that are not finite."""
    plan, arrays = model.plan, layer_arrays(model)
    layers = []
    for index, (row, info) in enumerate(zip(plan.table, plan.infos, strict=True)):
        numbers = tuple(map(float, plan.settings[row[S] : row[S] + row[S_SIZE]]))
        layers.append(FinishedLayer(index, info.word, info.inputs, info.outputs, numbers, arrays[index]))
    return FinishedNet(" / ".join(info.text for info in plan.infos), tuple(layers), outside or Outside())


def require_words(net: FinishedNet, known: Container[str], what: str) -> None:
    """Raises UsageError that names the layers of words which `what` does not have."""
    if unknown := [layer for layer in net.layers if layer.word not in known]:
        named = ", ".join(f"layer {layer.index} ({layer.word})" for layer in unknown)
        raise UsageError(
            f"{what} has no {named}: layers of your own cannot be written (net.layers[i] has their parameters)"
        )
