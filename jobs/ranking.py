"""Results of many jobs -> settings, the best first. A setting is what jobs have in common that differ in their fold and
their seed alone: its scores are means over these."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, stdev
from typing import Any

from ..errors import UsageError
from ..wording import near_miss
from .records import Record

REPEATS = ("fold", "seed", "random_seed")  # fields of jobs that repeat a setting
LOWEST = ("loss", "error", "seconds")  # parts of the names of scores that are best low
PREFERRED = (
    ("validation_accuracy",),
    ("test", "accuracy"),
    ("validation_r2",),
    ("validation_loss",),
    ("test", "loss"),
    ("loss",),
)


@dataclass
class Setting:
    """`values` of the fields in which settings differ, and the `records` of its jobs by hash."""

    values: dict[str, Any]
    records: dict[str, Record] = field(default_factory=dict)

    def scores(self, name: str) -> list[float]:
        """What its jobs have of a score."""
        found = (score_of(record, name) for record in self.records.values())
        return [value for value in found if value is not None]

    def mean(self, name: str) -> float | None:
        """None where no job has it."""
        scores = self.scores(name)
        return fmean(scores) if scores else None

    def spread(self, name: str) -> float | None:
        """The standard deviation over jobs, of two or more."""
        scores = self.scores(name)
        return stdev(scores) if len(scores) > 1 else None

    @property
    def error(self) -> str | None:
        """The type of error of the first of its jobs that failed."""
        return next((each["error"]["type"] for each in self.records.values() if "error" in each), None)


class Ranking:
    """Settings of `jobs`, to which records are added. `fields` are those in which the settings differ, `values` what
    each has in them, in the order of the jobs; `each`: every job is a setting."""

    def __init__(self, jobs: Iterable[Mapping[str, Any]], *, each: bool = False):
        jobs = list(jobs)
        self._repeats = () if each else REPEATS
        self.fields = [name for name in varied(jobs) if name not in self._repeats]
        self.values = {name: distinct(job.get(name) for job in jobs) for name in self.fields}
        self.settings: dict[str, Setting] = {}

    def add(self, record: Record) -> None:
        job = {name: value for name, value in record["job"].items() if name not in self._repeats}
        key = json.dumps(job, sort_keys=True)
        if key not in self.settings:
            self.settings[key] = Setting({name: job.get(name) for name in self.fields})
        self.settings[key].records[record["hash"]] = record

    def add_all(self, records: Iterable[Record]) -> None:
        for record in records:
            self.add(record)

    @property
    def score_names(self) -> list[str]:
        """Of all records, and `seconds`."""
        names = {
            name: None
            for setting in self.settings.values()
            for record in setting.records.values()
            for name, value in record.get("result", {}).items()
            if value is None or _is_number(value)
        }
        return [*names, "seconds"] if names else []

    def best_score(self) -> str:
        """The name of the score by which settings are compared unless another is asked for; "" if there is none yet."""
        names = self.score_names
        for words in PREFERRED:
            found = [name for name in names if name.startswith(words[0]) and all(word in name for word in words)]
            if found:
                return found[0]
        return next((name for name in names if name not in ("iterations", "seconds")), "")

    def check_score(self, name: str) -> str:
        """`name`, which is a score. Raises UsageError."""
        names = self.score_names
        if name not in names:
            hint = near_miss(name, names) or f"there are {', '.join(names) or 'none: no job has ended well'}"
            raise UsageError(f"{name!r} is not a score of these results ({hint})")
        return name

    def ranked(self, by: str, lowest: bool | None = None) -> list[Setting]:
        """The best first, by `by`; those without it last. `lowest`: whether low is good, None by the name."""
        sign = 1 if (is_best_low(by) if lowest is None else lowest) else -1

        def key(setting: Setting) -> tuple[bool, float]:
            mean = setting.mean(by)
            return mean is None, 0.0 if mean is None else sign * mean

        return sorted(self.settings.values(), key=key)


def is_best_low(name: str) -> bool:
    return any(word in name for word in LOWEST)


def score_of(record: Record, name: str) -> float | None:
    """A score of a job; None if it has none."""
    value = record["run"].get("seconds") if name == "seconds" else record.get("result", {}).get(name)
    return float(value) if _is_number(value) and math.isfinite(value) else None


def varied(jobs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The fields in which jobs differ, in their order."""
    names = list(dict.fromkeys(name for job in jobs for name in job))
    return [name for name in names if len({json.dumps(job.get(name)) for job in jobs}) > 1]


def distinct(values: Iterable[Any]) -> list[Any]:
    """Each value once, in their order; lists among them."""
    return list({json.dumps(value): value for value in values}.values())


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
