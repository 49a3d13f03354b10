"""The difference of two results that are rows as they are found, detections: any number of them, equal ones in any
order.

Which rows there are depends on comparisons: of a score with a threshold, an overlap with another. Where one is as near
as rounding, either result is right. So there are results of more runs, on values that are changed as much: a row must
be there where all of these have it, and may be there where any has.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..ir.op import NO_ROW

TINY = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True)
class FoundRows:
    """In place of the scale of an output. `keys`: how many of the first columns tell which rows may be the same one, as
    in Op; `moved`: the results, [..., rows, columns], of runs that are changed by rounding."""

    keys: int
    moved: tuple[np.ndarray, ...]

    def aligned(
        self, expected: np.ndarray, found: np.ndarray, floor: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Two tables of the same rows, and the scale of each column, its largest value: of each found row and its
        partner, and of those expected ones that are missed; NaN stands for a row that is not there."""
        first, second, *moved = (self._found(each) for each in (expected, found, *self.moved))
        scale = np.abs(np.concatenate([first, second])).max(axis=0, initial=TINY)

        def apart(some: np.ndarray, partners: np.ndarray) -> np.ndarray:
            errors = np.nan_to_num((np.abs(some - partners) - floor) / scale, nan=np.inf)
            return errors.max(axis=1, initial=0)

        of_second = [self._partners(second, each, scale) for each in (first, *moved)]
        nearest = np.argmin([apart(second, each) for each in of_second], axis=0)
        of_second = np.array(of_second)[nearest, np.arange(len(second))]
        of_first = self._partners(first, second, scale)
        least = np.max([apart(first, self._partners(first, each, scale)) for each in moved], axis=0)
        missed = apart(first, of_first) > least
        return np.concatenate([of_second, first[missed]]), np.concatenate([second, of_first[missed]]), scale

    def _found(self, values: np.ndarray) -> np.ndarray:
        rows = values.reshape(-1, values.shape[-1])
        return rows[rows[:, self.keys - 1] != NO_ROW]

    def _partners(self, some: np.ndarray, others: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """For each row the nearest of the others with its key, none of which is taken twice; NaN where there is
        none."""
        partners = np.full_like(some, np.nan)
        for key in np.unique(some[:, : self.keys], axis=0):
            mine, theirs = (np.flatnonzero((each[:, : self.keys] == key).all(axis=1)) for each in (some, others))
            for number, other in _pairs(some[mine], others[theirs], scale):
                partners[mine[number]] = others[theirs[other]]
        return partners


def _pairs(some: np.ndarray, others: np.ndarray, scale: np.ndarray) -> Iterator[tuple[int, int]]:
    """Pairs of near rows; those that have a near one choose before those that do not."""
    apart = np.zeros((len(some), len(others)), np.float32)
    for mine, theirs, size in zip(some.T, others.T, scale, strict=True):
        np.maximum(apart, np.abs(mine[:, None] - theirs) / size, out=apart)
    for number in np.argsort(apart.min(axis=1, initial=np.inf), kind="stable")[: len(others)]:
        other = apart[number].argmin()
        apart[:, other] = np.inf
        yield number, other
