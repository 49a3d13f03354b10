"""The counts of a census as tables: of the terminal, of a page between its marks, and as JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

from ...results import plain_table
from ..pages import markdown
from .census import Counted
from .kinds import NET, OTHER, SOLVER
from .stages import STAGES

MARKS = ("<!-- census table: python -m caffe64.perf census -->", "<!-- end of census table -->")
WORDS = {
    "parse": "are parsed",
    "shape": "have the shapes of all blobs",
    "run": "run, with random weights",
    "export": "are exported to ONNX, equal in onnxruntime",
}
COUNTS, REASONS = ("files", "number", "of the nets"), ("they get no further because", "at", "nets")
Rows = list[list[str]]


def count_rows(found: Sequence[Counted]) -> Rows:
    """Of COUNTS: files by kind, and nets by the stages that they have got through."""
    kinds = Counter(each.kind for each in found)
    nets = [each for each in found if each.kind == NET]
    passed = Counter(stage for each in nets for stage in each.passed)
    rows = [["solvers", str(kinds[SOLVER]), ""], ["other texts", str(kinds[OTHER]), ""], ["nets", str(len(nets)), ""]]
    rows += [[f"... that {WORDS[stage]}", str(passed[stage]), _share(passed[stage], len(nets))] for stage in STAGES]
    for what, some in (
        ("... read with --deploy", [each for each in nets if each.deploy]),
        ("... with a shape that their file does not say", [each for each in nets if each.guessed]),
    ):
        rows += [[what, str(len(some)), _share(len(some), len(nets))]] if some else []
    return rows


def reason_rows(found: Sequence[Counted]) -> Rows:
    """Of REASONS: how many nets each reason holds up, the most first. A net counts at each of its reasons."""
    held = Counter((STAGES[len(each.passed)], reason) for each in found if each.kind == NET for reason in each.reasons)
    ordered = sorted(held.items(), key=lambda item: (-item[1], item[0]))
    return [[reason, stage, str(number)] for (stage, reason), number in ordered]


def text_tables(found: Sequence[Counted]) -> str:
    lines, rows = plain_table(COUNTS, count_rows(found)), reason_rows(found)
    return "\n".join([*lines, *(["", *plain_table(REASONS, rows, 2)] if rows else [])])


def page_tables(found: Sequence[Counted], command: str) -> str:
    """Markdown, after the command that has made it."""
    lines, rows = markdown(COUNTS, count_rows(found)), reason_rows(found)
    return "\n".join([f"`{command}`", "", *lines, *(["", *markdown(REASONS, rows)] if rows else [])])


def as_json(found: Sequence[Counted]) -> str:
    """The tables' numbers, and every file."""
    kinds, passed = Counter(each.kind for each in found), Counter(stage for each in found for stage in each.passed)
    reasons = [{"reason": reason, "stage": stage, "nets": int(nets)} for reason, stage, nets in reason_rows(found)]
    return json.dumps(
        {
            "kinds": {kind: kinds[kind] for kind in (NET, SOLVER, OTHER)},
            "passed": {stage: passed[stage] for stage in STAGES},
            "reasons": reasons,
            "files": [each.data for each in found],
        },
        indent=1,
    )


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else ""
