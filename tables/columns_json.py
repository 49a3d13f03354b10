"""columns.json: the `TableColumns` of a net, in its bundle.

{"format": "caffe64 columns", "version": 1,
 "features": [{"name": "age", "kind": "number", "fill": 31.5, "shift": 30.25, "factor": 0.0625},
              {"name": "city", "kind": "category", "values": ["Bern", "Oslo"], "fill": null},
              {"name": "member", "kind": "boolean", "fill": null}],
 "targets": [{"name": "species", "shift": 0.0, "factor": 1.0}],
 "labels": ["setosa", "virginica"]}           null where targets are numbers
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import Any

import numpy as np

from ..arguments import LARGEST_FLOAT
from ..errors import InputError
from ..formats.text import quote
from .columns import TableColumns, TargetColumn
from .features import Feature
from .raw import CATEGORY, KINDS, NUMBER

COLUMNS_FORMAT, COLUMNS_VERSION = "caffe64 columns", 1
_FIELDS = {"format", "version", "features", "targets", "labels"}


def columns_to_json(columns: TableColumns) -> str:
    """The same text for the same columns."""
    features = ",\n              ".join(_json(_described(feature)) for feature in columns.features)
    targets = ", ".join(_json(asdict(target)) for target in columns.target_columns)
    labels = None if columns.labels is None else list(columns.labels)
    return (
        f'{{"format": {_json(COLUMNS_FORMAT)}, "version": {COLUMNS_VERSION},\n'
        f' "features": [{features}],\n'
        f' "targets": [{targets}],\n'
        f' "labels": {_json(labels)}}}\n'
    )


def columns_from_json(text: str, path: str) -> TableColumns:
    """`path` names the text in messages. Raises InputError for one that `columns_to_json` does not write."""
    try:
        content = json.loads(text)
        if not isinstance(content, dict) or content.keys() != _FIELDS:
            raise ValueError("other fields than " + ", ".join(sorted(_FIELDS)))
        if (content["format"], content["version"]) != (COLUMNS_FORMAT, COLUMNS_VERSION):
            raise ValueError(f"format {content['format']!r} of version {content['version']!r}")
        features = tuple(map(_feature, _list(content["features"], "features")))
        targets = tuple(map(_target, _list(content["targets"], "targets")))
        labels = None if content["labels"] is None else _labels(content["labels"])
        if not features or not targets or (labels is not None and len(targets) != 1):
            raise ValueError("no features or targets, or labels of several targets")
        columns = TableColumns(features, targets, labels)
        names = [*(feature.name for feature in features), *columns.target_names]
        if len(set(names)) != len(names):
            raise ValueError("two columns of one name")
        if labels is not None and columns.scales_targets:
            raise ValueError("labels of a target that is scaled")
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError) as error:
        raise InputError(path, f"is damaged: {quote(str(error), 120)}") from None
    return columns


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _described(feature: Feature) -> dict[str, Any]:
    described: dict[str, Any] = {"name": feature.name, "kind": feature.kind}
    if feature.kind == CATEGORY:
        described["values"] = list(feature.values)
    described["fill"] = feature.fill
    if feature.kind == NUMBER:
        described |= {"shift": feature.shift, "factor": feature.factor}
    return described


def _feature(entry: Any) -> Feature:
    if not isinstance(entry, dict) or entry.get("kind") not in KINDS:
        raise ValueError(f"a feature {entry!r}")
    kind = entry["kind"]
    fields = {"name", "kind", "fill"} | {NUMBER: {"shift", "factor"}, CATEGORY: {"values"}}.get(kind, set())
    if entry.keys() != fields:
        raise ValueError(f"a feature with the fields {sorted(entry)}")
    (name,) = _texts([entry["name"]], "name")
    fill = entry["fill"]
    if kind == CATEGORY:
        values = tuple(_texts(entry["values"], "values"))
        if fill is not None and fill not in values:
            raise ValueError(f"the fill {fill!r} of {name!r}")
        return Feature(name, kind, values, fill)
    fill = None if fill is None else _finite(fill)
    if kind != NUMBER:
        return Feature(name, kind, (), fill)
    return Feature(name, kind, (), fill, _finite(entry["shift"]), _finite(entry["factor"]))


def _target(entry: Any) -> TargetColumn:
    if not isinstance(entry, dict) or entry.keys() != {"name", "shift", "factor"}:
        raise ValueError(f"a target {entry!r}")
    (name,) = _texts([entry["name"]], "name")
    shift, factor = _finite(entry["shift"]), _finite(entry["factor"])
    if not np.float32(factor) > 0:
        raise ValueError(f"the factor {factor!r} of the target {name!r}")
    return TargetColumn(name, shift, factor)


def _list(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{name} is not a list")
    return value


def _texts(value: Any, name: str) -> list[str]:
    if not all(isinstance(each, str) for each in _list(value, name)) or len(set(value)) != len(value) or not value:
        raise ValueError(f"{name} is not a list of different texts")
    return list(value)


def _labels(value: Any) -> tuple[Any, ...]:
    """All of one kind: texts, booleans, or finite numbers."""
    labels = _list(value, "labels")
    texts, truths = (all(isinstance(each, kind) for each in labels) for kind in (str, bool))
    if not (texts or truths):
        for each in labels:
            _finite(each)
    if len(labels) < 2 or len(set(labels)) != len(labels):
        raise ValueError("labels are not two or more different ones")
    return tuple(labels)


def _finite(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is not a finite number")
    if abs(value) > LARGEST_FLOAT:
        raise ValueError(f"{value!r} is too large for float32")
    return float(value)
