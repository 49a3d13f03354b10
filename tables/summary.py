"""What `caffe64 info` shows of a bundle: its net, and the columns of its table."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ..results import Result, TextTable
from ..summaries import TextSummary
from .columns import Feature, TableColumns
from .columns_json import columns_to_json
from .raw import CATEGORY

SHOWN = 4  # values of a category, or labels


@dataclass(frozen=True, repr=False)
class BundleSummary(Result):
    """`columns` is None for a net that was not trained on a table."""

    net: TextSummary
    columns: TableColumns | None

    @property
    def parts(self) -> list[TextTable | str]:
        if self.columns is None:
            return [*self.net.parts, "no columns: trained on plain numbers"]
        rows = [[each.name, each.kind, *_facts(each)] for each in self.columns.features]
        table = TextTable(["feature", "kind", "if missing", "shift", "factor", "values"], rows, 3)
        return [*self.net.parts, "", table, *_targets(self.columns)]

    @property
    def data(self) -> dict[str, Any]:
        columns = None if self.columns is None else json.loads(columns_to_json(self.columns))
        return {**self.net.data, "columns": columns}


def _facts(feature: Feature) -> tuple[str, str, str, str]:
    missing = "refused" if feature.fill is None else f"{feature.fill:g}" if feature.kind != CATEGORY else feature.fill
    scaled = feature.shift != 0 or feature.factor != 1
    shift, factor = (f"{feature.shift:g}", f"{feature.factor:g}") if scaled else ("", "")
    return str(missing), shift, factor, _some(feature.values)


def _targets(columns: TableColumns) -> list[TextTable | str]:
    if columns.labels is not None:
        return [f"target {columns.target_names[0]}: {_some(columns.output_names)}"]
    if not columns.scales_targets:
        return [f"targets: {', '.join(columns.target_names)}"]
    rows = [[each.name, f"{each.shift:g}", f"{each.factor:g}"] for each in columns.target_columns]
    return ["", TextTable(["target", "shift", "factor"], rows)]


def _some(values: tuple[str, ...] | list[str]) -> str:
    more = len(values) - SHOWN
    return ", ".join(values[:SHOWN]) + (f" and {more} more" if more > 0 else "")
