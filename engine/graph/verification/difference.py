"""The difference of two results, and its bound.

A value b may differ from a by floor + tolerance * scale, where the scale is that of a's channel (`scale.py`). There are
two figures: the largest |a - b|, and the largest (|a - b| - floor) / scale, which `tolerance` bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ....arguments import FLOOR
from ....errors import CheckFailed, UsageError
from ..ir.op import NO_ROW
from .rows import TINY, FoundRows


@dataclass(frozen=True)
class Difference:
    """The difference of two results of one output.

    absolute    the largest |a - b|
    relative    the largest (|a - b| - floor) / scale, 0 where no value is beyond the floor
    place       indices of the value with the largest relative difference, or else with the largest absolute one
    values      (a, b) there
    note        what there is to say of it
    """

    output: str
    absolute: float
    relative: float
    place: tuple[int, ...]
    values: tuple[float, float]
    note: str = ""


def difference(
    name: str, expected: np.ndarray, found: np.ndarray, scale: np.ndarray | float | FoundRows, floor: float = FLOOR
) -> Difference:
    """Of two arrays of one shape; `scale` is broadcast to it. Equal values differ by 0, NaN and NaN too; what differs
    otherwise from a value that is not finite, by inf. Raises UsageError for arrays of other shapes.

    Of rows as they are found, for the scale `FoundRows`, shapes may differ. A row without a partner differs by inf from
    NaN, and `place` is a row of those found and, behind them, missed, and a column."""
    if isinstance(scale, FoundRows):
        expected, found, scale = scale.aligned(expected, found, floor)
        if not expected.size:
            return Difference(name, 0.0, 0.0, (0, 0), (NO_ROW, NO_ROW), "nothing is found in these inputs")
    if expected.shape != found.shape:
        raise UsageError(f"the output {name!r} has the shapes {expected.shape} and {found.shape}")
    if not expected.size:
        return Difference(name, 0.0, 0.0, (), ())
    with np.errstate(invalid="ignore", over="ignore"):
        error = np.abs(expected.astype(np.float64) - found.astype(np.float64))
    same = (expected == found) | (np.isnan(expected) & np.isnan(found))
    error = np.where(same, 0, np.where(np.isnan(error), np.inf, error))
    relative = np.maximum(error - floor, 0) / np.maximum(scale, TINY)
    worst = relative if relative.any() else error
    place = tuple(map(int, np.unravel_index(worst.argmax(), worst.shape)))
    values = float(expected[place]), float(found[place])
    return Difference(name, float(error.max()), float(relative.max()), place, values)


def check_close(
    differences: Sequence[Difference],
    tolerance: float,
    floor: float,
    subject: str,
    more: Callable[[Sequence[Difference]], str] | None = None,
) -> None:
    """Raises CheckFailed that names the outputs which differ by more than that, or else hold no values that could
    differ; `subject` begins the message: "the nets differ"; what `more` says of those outputs ends it."""
    if empty := [each.output for each in differences if not each.values]:
        named = ", ".join(map(repr, empty))
        raise CheckFailed(f"nothing to compare: no values in {named} for these inputs (are they batches of 0?)")
    wrong = [each for each in differences if not each.relative <= tolerance]
    if wrong:
        found = ", ".join(
            f"{each.output!r} by {each.relative:.2g} relative, {each.absolute:.2g} absolute "
            f"({each.values[0]:.6g} and {each.values[1]:.6g} at {list(each.place)})"
            for each in wrong
        )
        allowed = f"allowed is {tolerance:g} relative, beyond a floor of {floor:g}"
        raise CheckFailed(f"{subject}: {found}; {allowed}{more(wrong) if more else ''}")


def count_not_finite(outputs: Mapping[str, np.ndarray]) -> dict[str, int]:
    """How many values are inf or NaN in those outputs that have some."""
    counts = {name: values.size - int(np.isfinite(values).sum()) for name, values in outputs.items()}
    return {name: count for name, count in counts.items() if count}
