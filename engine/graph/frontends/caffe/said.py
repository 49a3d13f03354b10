"""A layer's fields in its file, or its attributes, as texts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from .....formats.caffe.outline import OWN_FIELDS
from .....formats.caffe.own_fields import parse_fields
from .....formats.caffe.schema import shortest_float
from ...ir.graph import Node
from .fields import is_message

PARAMETERS = re.compile(
    r"^(?!transform)\w+_param\."
)  # convolution_param.pad is shown as pad: a layer has one parameter message
STRUCTURE = {"name", "type", "bottom", "top", "blobs"}
MOST_SHOWN_FIELDS, LONGEST_VALUE = 60, 200  # per layer


def file_fields(node: Node) -> Iterator[tuple[str, str]]:
    """(field, value) pairs of a layer in its file, nested fields with dots, or the attributes of a layer that no Caffe
    file has; at most MOST_SHOWN_FIELDS."""
    said = _fields(node.origin, "", STRUCTURE) if is_message(node.origin, "LayerParameter") else _attributes(node)
    for number, (name, value) in enumerate(said):
        if number == MOST_SHOWN_FIELDS:
            yield "...", "more fields"
            return
        yield PARAMETERS.sub("", name), value if len(value) <= LONGEST_VALUE else value[:LONGEST_VALUE] + "..."


def _attributes(node: Node) -> Iterator[tuple[str, str]]:
    """Those that are given."""
    for name, value in vars(node.attributes).items() if node.attributes else ():
        if value not in (None, "", ()):
            texts = [shortest_float(each) if isinstance(each, float) else str(each) for each in _listed(value)]
            yield name, ", ".join(texts)


def _listed(value) -> list:
    return list(value) if isinstance(value, tuple) else [value]


def _fields(message, prefix: str, left_out=frozenset()) -> Iterator[tuple[str, str]]:
    for field, value in message.ListFields():
        if field.name in left_out:
            continue
        if field.name == OWN_FIELDS:
            for text in value:
                yield from _own_fields(parse_fields(text), prefix)
            continue
        values = [value] if isinstance(value, str | bytes) or not hasattr(value, "__len__") else list(value)
        if field.message_type is not None:
            for number, each in enumerate(values):
                index = f"[{number}]" if len(values) > 1 else ""
                yield from _fields(each, f"{prefix}{field.name}{index}.")
        else:
            yield prefix + field.name, ", ".join(_value_text(field, each) for each in values[:LONGEST_VALUE])


def _value_text(field, value) -> str:
    if field.enum_type is not None:
        return field.enum_type.values_by_number[value].name
    if isinstance(value, bool):
        return str(value).lower()
    return shortest_float(value) if isinstance(value, float) else str(value)


def _own_fields(fields: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    """Those of a layer of an unknown type, whose text is kept."""
    for name, value in fields.items():
        values = value if isinstance(value, list) else [value]
        for number, each in enumerate(values):
            if isinstance(each, dict):
                index = f"[{number}]" if len(values) > 1 else ""
                yield from _own_fields(each, f"{prefix}{name}{index}.")
        if plain := [str(each) for each in values[:LONGEST_VALUE] if not isinstance(each, dict)]:
            yield prefix + name, ", ".join(plain)
