"""What `caffe64 info` shows of a bundle: its net, and the columns of its table."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ..results import Result, TextTable, shortened
from ..summaries import TextSummary
from .columns import TableColumns
from .columns_json import columns_to_json
from .features import Feature
from .raw import CATEGORY

SHOWN = 4  # values of a category, or labels, at most
LONGEST = 16  # characters of a name or a value
CELL, LINE = 32, 50  # characters for the values in the table and the labels below it, so that lines have 80 at most


@dataclass(frozen=True, repr=False)
class BundleSummary(Result):
    """`columns` is None for a net that was not trained on a table."""

    net: TextSummary
    columns: TableColumns | None

    @property
    def parts(self) -> list[TextTable | str]:
        if self.columns is None:
            return [*self.net.parts, "no columns: trained on plain numbers"]
        rows = [[shortened(each.name, LONGEST), each.kind, *_facts(each)] for each in self.columns.features]
        table = TextTable(["feature", "kind", "if missing", "inputs"], rows, 4)
        return [*self.net.parts, "", table, *_targets(self.columns)]

    @property
    def data(self) -> dict[str, Any]:
        columns = None if self.columns is None else json.loads(columns_to_json(self.columns))
        return {**self.net.data, "columns": columns}


def _facts(feature: Feature) -> tuple[str, str]:
    """What stands for a missing value, and what becomes of one."""
    missing = "refused" if feature.fill is None else f"{feature.fill:g}" if feature.kind != CATEGORY else feature.fill
    if feature.kind == CATEGORY:
        inputs = _some(feature.values, CELL)
    elif feature.shift != 0 or feature.factor != 1:
        inputs = f"(value {'+' if feature.shift < 0 else '-'} {abs(feature.shift):g}) * {feature.factor:g}"
    else:
        inputs = "value"
    return shortened(str(missing), LONGEST), inputs


def _targets(columns: TableColumns) -> list[TextTable | str]:
    if columns.labels is not None:
        return [f"target {columns.target_names[0]}: {_some(columns.output_names, LINE)}"]
    if not columns.scales_targets:
        return [f"targets: {', '.join(columns.target_names)}"]
    rows = [[each.name, f"{each.shift:g}", f"{each.factor:g}"] for each in columns.target_columns]
    return ["", TextTable(["target", "shift", "factor"], rows)]


def _some(values: tuple[str, ...] | list[str], length: int) -> str:
    """The first ones, as many as fit into so many characters with the number of the others, one at least."""
    text = ""
    for count in range(min(SHOWN, len(values)), 0, -1):
        shown = ", ".join(shortened(value, LONGEST) for value in values[:count])
        more = len(values) - count
        text = f"{shown} and {more} more" if more else shown
        if len(text) <= length:
            break
    return text
