"""One-hot inputs: rows of symbols that a net sees as ones and zeros, kept as symbols.

A window of H symbols out of an alphabet of C is H * C inputs, H of them 1: number h * C + s for symbol s at position h.
`OneHot` holds those H numbers per row, and the first layer's product gathers rows of W by them (`lin_one_hot.py`), so a
million windows of ten symbols out of fifty take 40 MB instead of 2 GB, and a twentieth of the arithmetic.
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np

from ...arguments import whole_number
from ...conversion import ArrayLike, as_numbers
from ...errors import UsageError
from .arrays import as_inputs, as_targets
from .layers import TABLE, lin_one_hot
from .layout import INPUTS, OUTPUTS, NetLayout

EXACT_IN_FLOAT32 = 1 << 24  # whole numbers up to here are exact in float32


class OneHot:
    """X for a net whose first layer after `inp` is `lin`: symbols [N, H], whole numbers in [0, classes).

    Stands for the float32 array [N, H * classes] with a 1 at h * classes + symbols[n, h], and trains and predicts to
    the same bits. Takes 4 * H bytes per row, for any `classes`. Raises UsageError for other symbols.
    """

    def __init__(self, symbols: ArrayLike, classes: int):
        classes = whole_number("classes", classes, 1, EXACT_IN_FLOAT32)
        found = as_numbers(symbols, "symbols")
        if found.ndim != 2 or found.dtype.kind not in "iu":
            raise UsageError(f"symbols are {found.dtype} {found.shape}, expected whole numbers [rows, positions]")
        if found.size and (found.min() < 0 or found.max() >= classes):
            raise UsageError(f"symbols run from {found.min()} to {found.max()}, expected [0, {classes})")
        self.classes, self.features = classes, found.shape[1] * classes
        if self.features > EXACT_IN_FLOAT32:
            raise UsageError(f"{found.shape[1]} positions of {classes} classes are more than {EXACT_IN_FLOAT32} inputs")
        self.ones = found.astype(np.float32)
        self.ones += np.arange(found.shape[1], dtype=np.float32) * classes

    def __len__(self) -> int:
        return len(self.ones)

    def __repr__(self) -> str:
        return f"OneHot({len(self)} rows, {self.features // self.classes} positions, {self.classes} classes)"

    def __getitem__(self, rows: slice | np.ndarray) -> OneHot:
        """Some of the rows: a view for a slice, a copy for row numbers. Raises UsageError for a single number."""
        if np.ndim(rows) == 0 and not isinstance(rows, slice):
            raise UsageError(f"rows are {rows!r}, expected a slice or an array of row numbers (X[3:4] is one row)")
        part = object.__new__(OneHot)
        part.classes, part.features, part.ones = self.classes, self.features, np.ascontiguousarray(self.ones[rows])
        return part

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """The array that this stands for."""
        dense = np.zeros((len(self), self.features), dtype or np.float32)
        np.put_along_axis(dense, self.ones.astype(np.int64), 1, axis=1)
        return dense


class Data(NamedTuple):
    """How to run a net on X, X as its loops read it (float32 [N, F], or the `ones` of a OneHot), and Y [N, T]."""

    plan: NetLayout
    inputs: np.ndarray
    targets: np.ndarray


def plan_inputs(
    plan: NetLayout, X: ArrayLike | OneHot, name: str = "X", *, finite: bool = True
) -> tuple[NetLayout, np.ndarray]:
    """The first two fields of a `Data`. Raises UsageError where X does not fit the net; NotFinite, if `finite`."""
    if not isinstance(X, OneHot):
        return plan, as_inputs(plan, X, name, finite=finite)
    if plan.features != X.features:
        raise UsageError(f"{name} has {X.features} features per row (one-hot), the net takes {plan.features}")
    return one_hot_plan(plan, X.ones.shape[1]), X.ones


def plan_data(plan: NetLayout, X: ArrayLike | OneHot, Y: ArrayLike, names: tuple[str, str] = ("X", "Y")) -> Data:
    """X and Y, checked as a pair, under these names in messages. Raises UsageError, NotFinite, LabelError."""
    ready, inputs = plan_inputs(plan, X, names[0])
    targets = as_targets(plan, Y, names[1])
    if len(inputs) != len(targets):
        raise UsageError(f"{names[0]} has {len(inputs)} rows and {names[1]} has {len(targets)}, expected the same")
    return Data(ready, inputs, targets)


def one_hot_plan(plan: NetLayout, positions: int = 1) -> NetLayout:
    """`plan` for inputs [N, positions], the numbers of the ones. Raises UsageError where no lin comes first."""
    if len(plan.layers) < 2 or plan.layers[1] is not TABLE["lin"]:
        raise UsageError("one-hot inputs need a lin as the first layer after inp")
    table = plan.table.copy()
    table[0, INPUTS] = positions
    first = dataclasses.replace(plan.infos[1], macs=positions * plan.infos[1].outputs)
    return dataclasses.replace(
        plan,
        layers=(plan.layers[0], lin_one_hot.LAYER, *plan.layers[2:]),
        infos=(plan.infos[0], first, *plan.infos[2:]),
        table=table,
        scratch_size=max(plan.scratch_size, lin_one_hot.scratch_size(int(table[1, OUTPUTS]))),
    )
