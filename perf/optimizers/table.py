"""All optimisers on all models, outputs compared, as a Markdown table."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from importlib.metadata import version

import numpy as np

from ...errors import CheckFailed
from ..pages import markdown
from .cases import CASES, SIZE, FoldCase
from .tools import TOOLS, Tool, as_it_is

MARKS = ("<!-- optimizers table: python -m caffe64.perf optimizers -->", "<!-- end of optimizers table -->")
YES, NO = "yes", "-"
TOLERANCE = 1e-5  # of the largest output; float32, products of 27 or 72 terms


def installed_tools() -> dict[str, Tool]:
    return {name: tool for name, tool in TOOLS.items() if tool.installed}


def verdict(case: FoldCase, before: list[str], after: list[str]) -> str:
    """YES if only what must remain is left, NO if no operator went away, else those that are left."""
    if len(after) <= case.least:
        return YES
    return ", ".join(after) if len(after) < len(before) else NO


def judge(case: FoldCase, tools: Mapping[str, Tool]) -> list[str]:
    """The verdict on each tool. Raises CheckFailed where one changes the output: its verdict would be worth nothing."""
    x = np.random.default_rng(1).standard_normal((1, 3, SIZE, SIZE)).astype(np.float32)
    given = as_it_is(case.model())
    expected, cells = given.run(x), []
    for name, tool in tools.items():
        made = tool.optimise(case.model())
        found = made.run(x)
        apart = float(np.abs(found - expected).max()) if found.shape == expected.shape else np.inf
        if not apart <= TOLERANCE * np.abs(expected).max():
            raise CheckFailed(f"{name} on {case.name!r}: an output differs by {apart:.3g}")
        cells.append(verdict(case, given.operators, made.operators))
    return cells


def optimizers_table(tools: Mapping[str, Tool]) -> str:
    """Markdown: a row per model, a column per tool; versions and date; what only one tool does; what is missing."""
    rows = {case.name: judge(case, tools) for case in CASES}
    header = ["model, as exporters write it", *tools]
    lines = markdown(header, [[name, *cells] for name, cells in rows.items()])
    versions = ", ".join(f"{name} {version(tool.package)}" for name, tool in tools.items())
    lines += ["", f"{datetime.date.today().isoformat()}: {versions}."]
    if alone := [
        name for name, cells in rows.items() if [cell for cell in cells if cell == YES] == [YES] == cells[-1:]
    ]:
        lines += ["", f"No other folds these: {'; '.join(alone)}."]
    if missing := [name for name in TOOLS if name not in tools]:
        lines += ["", f"Not installed, so not tried: {', '.join(missing)}."]
    return "\n".join(lines)
