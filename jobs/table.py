"""A ranking as a table: a row per setting, the best first; long texts by number, explained below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..results import TextTable
from .ranking import Ranking, Setting

LONGEST_TEXT = 16  # in a cell
MOST_SCORES = 3  # columns beside the one that ranks


def ranking_table(
    ranking: Ranking, by: str, lowest: bool | None = None, most: int | None = None
) -> tuple[TextTable, list[str]]:
    """The `most` best settings by the score `by`, None for all, and lines that explain the texts in it."""
    settings = ranking.ranked(by, lowest)
    shown = settings if most is None else settings[:most]
    names = Numbered(ranking.values)
    repeated = any(len(setting.records) > 1 for setting in settings)
    others = [name for name in ranking.score_names if name not in (by, "seconds")][:MOST_SCORES]
    header = [*ranking.fields, *(["jobs"] if repeated else []), by, *(["±"] if repeated else []), *others, "seconds"]
    rows = []
    for setting in shown:
        cells = [names.cell(name, value) for name, value in setting.values.items()]
        cells += [_jobs(setting, by)] if repeated else []
        cells += [_score(setting, by)] + ([number(setting.spread(by))] if repeated else [])
        rows.append([*cells, *(number(setting.mean(name)) for name in others), number(setting.mean("seconds"))])
    return TextTable(header, rows, left=0), names.lines


def ranking_parts(
    ranking: Ranking, by: str, lowest: bool | None = None, most: int | None = None
) -> list[TextTable | str]:
    """The table, what explains it, how many settings more there are, and how many jobs failed; without a score `by` no
    table."""
    records = [record for setting in ranking.settings.values() for record in setting.records.values()]
    failed = [record["error"] for record in records if "error" in record]
    parts: list[TextTable | str] = []
    if by:
        table, lines = ranking_table(ranking, by, lowest, most)
        more = len(ranking.settings) - len(table.rows)
        parts += [table, *lines, *([f"and {more} more"] if more else [])]
    if failed:
        parts.append(f"{len(failed)} of {len(records)} jobs failed, the first: {failed[0]['message']}")
    return parts or ["no results yet"]


class Numbered:
    """Values of fields as cells. Texts that are too long for one are #1, #2 and so on, in the order of `values`;
    `lines` say what those are that were asked for."""

    def __init__(self, values: Mapping[str, Sequence[Any]]):
        texts = {name: [text for text in map(plain, each) if len(text) > LONGEST_TEXT] for name, each in values.items()}
        self._numbers = {name: {text: f"#{at}" for at, text in enumerate(each, 1)} for name, each in texts.items()}
        self._used: set[tuple[str, str]] = set()

    def cell(self, name: str, value: Any) -> str:
        text = plain(value)
        if len(text) <= LONGEST_TEXT:
            return text
        self._used.add((name, text))
        return self._numbers[name][text]

    @property
    def lines(self) -> list[str]:
        return [
            f"{name} {at}: {text}"
            for name, numbers in self._numbers.items()
            for text, at in numbers.items()
            if (name, text) in self._used
        ]


def plain(value: Any) -> str:
    """A value of a job."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return ",".join(map(plain, value)) if isinstance(value, list) else str(value)


def number(value: float | None) -> str:
    """A score."""
    if value is None:
        return "-"
    return f"{value:.4f}" if 1e-3 <= abs(value) < 1000 else f"{value:.4g}"


def _score(setting: Setting, by: str) -> str:
    mean = setting.mean(by)
    return (setting.error or "-") if mean is None else number(mean)


def _jobs(setting: Setting, by: str) -> str:
    """How many of its jobs have the score, of how many."""
    done, number_of_jobs = len(setting.scores(by)), len(setting.records)
    return str(done) if done == number_of_jobs else f"{done}/{number_of_jobs}"


def settings_data(settings: Sequence[Setting], names: Sequence[str]) -> list[dict[str, Any]]:
    """For JSON: values, jobs, and of each score the mean over jobs and their standard deviation."""
    return [
        {
            "setting": setting.values,
            "jobs": len(setting.records),
            "error": setting.error,
            "scores": {name: setting.mean(name) for name in names},
            "spread": {name: setting.spread(name) for name in names},
        }
        for setting in settings
    ]
