"""X and Y as the caller holds them -> as the compiled loops read them: float32, C-contiguous, checked once.

as_inputs    X [N, F], finite
as_targets   Y [N, T], finite, and such as the loss of the net takes

An array that is float32 and C-contiguous is taken without a copy. The check of all values is one sum, which is not
finite if one of them is not: a pass at the speed of memory.
"""

from __future__ import annotations

import math

import numpy as np

from ...conversion import as_numbers, column_label
from ...errors import LabelError, NotFinite, TargetError, UsageError
from ...formats.network import loss_words
from .layers.layer import TargetKind
from .layout import NetLayout

SEARCHED_ROWS = 1 << 16  # rows searched at a time for the first value that is not finite
SUM_TOLERANCE = 1e-3  # of probabilities: that of numbers printed with a few decimals


def as_inputs(plan: NetLayout, array, name: str = "X", *, finite: bool = True) -> np.ndarray:
    """`array` as float32 C-contiguous [N, F]: itself if it is that already, else a copy.

    One dimension is taken as N values of a net with one feature. Raises UsageError for another width or no numbers, and
    unless `finite` is False, NotFinite for the first value that is nan, infinite or too large for float32.
    """
    found = _as_matrix(array, plan.features, name, "features of the net")
    return _float32(found, array, name, finite=finite)


def as_targets(plan: NetLayout, array, name: str = "Y") -> np.ndarray:
    """`array` as float32 C-contiguous [N, T], its values checked.

    Raises UsageError for another width, LabelError for the first label that is not a whole number in [0, K), NotFinite
    for the first target that is not finite, TargetError for the first share that is not in [0, 1] and for the first row
    of probabilities that do not sum to 1.
    """
    if plan.loss is None:
        raise UsageError(f"the net has no loss layer, so it takes no targets (end it with {loss_words()})")
    kind = plan.loss.target_kind
    found = _as_matrix(array, plan.targets, name, "targets per row of the net", kind, plan.outputs)
    targets = _float32(found, array, name, finite=kind is not TargetKind.CLASS)
    if kind is TargetKind.CLASS:
        _check_labels(targets, plan.outputs, name)
    elif kind is not TargetKind.REAL:
        _check_shares(targets, kind, name)
    return targets


def is_finite(array: np.ndarray) -> bool:
    """Whether all values of a float32 array are finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(np.add.reduce(array, axis=None))) or bool(np.isfinite(array).all())


def _as_matrix(
    array, columns: int, name: str, meaning: str, kind: TargetKind = TargetKind.REAL, outputs: int = 0
) -> np.ndarray:
    found = as_numbers(array, name)
    if found.ndim == 1 and columns == 1:
        found = found.reshape(-1, 1)
    if found.ndim != 2 or found.shape[1] != columns:
        hint = _target_hint(found.shape, name, kind, outputs) or _shape_hint(found.shape, columns, name)
        raise UsageError(f"{name} has the shape {found.shape}, expected [rows, {columns}], the {meaning}{hint}")
    return found


def _target_hint(shape: tuple[int, ...], name: str, kind: TargetKind, outputs: int) -> str:
    """What targets of this shape probably are, in parentheses, if they are those of another loss."""
    if kind is TargetKind.CLASS and len(shape) == 2 and shape[1] == outputs:
        return f" (one-hot rows become classes by {name}.argmax(axis=1); probabilities need a net that ends with sft)"
    shares = kind in (TargetKind.PROBABILITIES, TargetKind.SHARES)
    if shares and shape != (outputs,) and (len(shape) == 1 or shape[1:] == (1,)):
        return f" (numbers of classes need a net that ends with sce, or become rows by numpy.eye({outputs})[{name}])"
    return ""


def _shape_hint(shape: tuple[int, ...], columns: int, name: str) -> str:
    """What an array of this shape probably holds, in parentheses."""
    if shape == (columns,):
        return f" (one row is {name}.reshape(1, -1))"
    if len(shape) == 1 and shape[0] and shape[0] % columns == 0:
        return f" (rows one after another are {name}.reshape(-1, {columns}))"
    if len(shape) > 2 and math.prod(shape[1:]) == columns:
        return f" ({name}.reshape(len({name}), -1) makes each a row)"
    if len(shape) == 2 and shape[0] == columns:
        return f" (a row for each sample: {name}.T)"
    return ""


def _float32(found: np.ndarray, array, name: str, *, finite: bool) -> np.ndarray:
    """`found` as the loops read it. `array` is what it was made from, for the names of its columns."""
    with np.errstate(over="ignore"):  # what becomes infinite is found below
        matrix = np.ascontiguousarray(found, np.float32)
    if finite and not is_finite(matrix):
        for start in range(0, len(matrix), SEARCHED_ROWS):
            wrong = np.argwhere(~np.isfinite(matrix[start : start + SEARCHED_ROWS]))
            if len(wrong):
                row, column = start + int(wrong[0][0]), int(wrong[0][1])
                raise NotFinite(name, row, column, float(found[row, column]), column_label(array, column))
    return matrix


def _check_labels(targets: np.ndarray, classes: int, name: str) -> None:
    wrong = ~((targets >= 0) & (targets < classes) & (targets == np.floor(targets)))
    if wrong.any():
        row, column = (int(index) for index in np.argwhere(wrong)[0])
        hint = {}
        if targets.min() == 1 and targets.max() == classes:
            hint = {"hint": f"they run from 1 to {classes}, but classes count from 0: subtract 1"}
        raise LabelError(name, row, column, float(targets[row, column]), classes, **hint)


def _check_shares(targets: np.ndarray, kind: TargetKind, name: str) -> None:
    """That finite targets [N, T] are in [0, 1] and, of probabilities, that each row sums to 1."""
    if targets.size and (targets.min() < 0 or targets.max() > 1):
        row, column = (int(index) for index in np.argwhere((targets < 0) | (targets > 1))[0])
        found = f"row {row + 1}, column {column + 1} holds {targets[row, column]:g}"
        raise TargetError(name, row, column, found, "a number from 0 to 1")
    if kind is TargetKind.PROBABILITIES:
        sums = targets.sum(axis=1, dtype=np.float64)
        wrong = np.abs(sums - 1) > SUM_TOLERANCE
        if wrong.any():
            row = int(wrong.argmax())
            found = f"row {row + 1} sums to {sums[row]:g}"
            hint = "divide each row by its sum, or, if each column is a label of its own, end the net with bce"
            raise TargetError(name, row, 0, found, f"probabilities that sum to 1, give or take {SUM_TOLERANCE}", hint)
