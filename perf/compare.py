"""Compare two result files: entries that became slower or faster, and those in one file only.

Compared are the entries' `relative`: speed over that of the machine's peak in the same rounds. A slower machine, or
other load on the same one, slows both and cancels out.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import UsageError
from ..results import plain_table
from .results import Results


@dataclass(frozen=True)
class Change:
    """One entry of both files. `change` is the new speed over the old one, minus 1."""

    key: str
    old: float
    new: float

    @property
    def change(self) -> float:
        return self.new / self.old - 1


@dataclass(frozen=True)
class Changes:
    """`regressions` and `improvements` lie beyond the threshold, worst and best first."""

    compared: int
    regressions: list[Change]
    improvements: list[Change]
    only_old: list[str]
    only_new: list[str]


def compare(old: Results, new: Results, threshold: float) -> Changes:
    """Match the entries by suite, name and threads; `threshold` is a fraction. A speed divided by 1 + threshold is a
    regression, one multiplied by it an improvement."""
    before = {entry.key: entry.relative for entry in old.entries}
    after = {entry.key: entry.relative for entry in new.entries}
    changes = [Change(key, before[key], after[key]) for key in before if key in after]
    if not changes:
        raise UsageError("the two files have no entry in common: were they made with the same --suite?")
    changes.sort(key=lambda change: change.change)
    limit = 1 + threshold
    return Changes(
        compared=len(changes),
        regressions=[change for change in changes if change.old > limit * change.new],
        improvements=[change for change in reversed(changes) if change.new > limit * change.old],
        only_old=[key for key in before if key not in after],
        only_new=[key for key in after if key not in before],
    )


def parse_threshold(text: str) -> float:
    """ "10%" or "0.1" as a fraction. Raises UsageError."""
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = -1
    if not 0 < value < 10:
        raise UsageError(f"--threshold is {text!r}, expected a share such as 10%")
    return value


def comparison_lines(found: Changes) -> list[str]:
    """The tables of what changed, the names of what is missing, and a summary."""
    lines = []
    for title, changes in (("slower", found.regressions), ("faster", found.improvements)):
        if changes:
            rows = [(c.key, f"{c.old:.4g}", f"{c.new:.4g}", f"{c.change:+.1%}") for c in changes]
            lines += [*plain_table((title, "old / peak", "new / peak", "speed"), rows), ""]
    lines += [f"only in the old file: {key}" for key in found.only_old]
    lines += [f"only in the new file: {key}" for key in found.only_new]
    slower, faster = len(found.regressions), len(found.improvements)
    return [*lines, f"{found.compared} compared: {slower} slower, {faster} faster"]
