"""What the file says of a layer, as texts."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .....formats.caffe.schema import shortest_float
from ...ir.graph import Node

PARAMETERS = re.compile(r"^(?!transform)\w+_param\.")  # convolution_param.pad is called pad, as there is one such
STRUCTURE = {"name", "type", "bottom", "top", "blobs"}
MOST_FIELDS, LONGEST_VALUE = 60, 200  # of what is told of one layer


def file_fields(node: Node) -> Iterator[tuple[str, str]]:
    """(field, value) of what the file says of a layer, nested fields with dots; no more than one can read."""
    for number, (name, value) in enumerate(_fields(node.origin, "", STRUCTURE)):
        if number == MOST_FIELDS:
            yield "...", "more fields"
            return
        yield PARAMETERS.sub("", name), value if len(value) <= LONGEST_VALUE else value[:LONGEST_VALUE] + "..."


def _fields(message, prefix: str, left_out=frozenset()) -> Iterator[tuple[str, str]]:
    for field, value in message.ListFields():
        if field.name in left_out:
            continue
        values = [value] if isinstance(value, str | bytes) or not hasattr(value, "__len__") else list(value)
        if field.message_type is not None:
            for number, each in enumerate(values):
                place = f"[{number}]" if len(values) > 1 else ""
                yield from _fields(each, f"{prefix}{field.name}{place}.")
        else:
            yield prefix + field.name, ", ".join(_value_text(field, each) for each in values[:LONGEST_VALUE])


def _value_text(field, value) -> str:
    if field.enum_type is not None:
        return field.enum_type.values_by_number[value].name
    if isinstance(value, bool):
        return str(value).lower()
    return shortest_float(value) if isinstance(value, float) else str(value)
