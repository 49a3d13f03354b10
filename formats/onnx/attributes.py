"""Attributes of a node -> Python values, of the types that the operator has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...errors import InputError
from .order import title
from .tensors import Tensors

READ_AS: dict[str, tuple[str, Callable[[Any], Any]]] = {  # by the type's word: its field, and what that becomes
    "FLOAT": ("f", float),
    "INT": ("i", int),
    "STRING": ("s", lambda text: text.decode("utf-8", "backslashreplace")),
    "FLOATS": ("floats", lambda values: tuple(map(float, values))),
    "INTS": ("ints", lambda values: tuple(map(int, values))),
    "STRINGS": ("strings", lambda texts: tuple(text.decode("utf-8", "backslashreplace") for text in texts)),
}


def read_attributes(node: Any, tensors: Tensors) -> dict[str, Any]:
    """The attributes by name: ints, floats, strings, tuples of them, arrays. Others, such as subgraphs, are left
    out. Raises InputError."""
    found: dict[str, Any] = {}
    for attribute in node.attribute:
        word = attribute_type(attribute)
        if word in READ_AS:
            field, convert = READ_AS[word]
            found[attribute.name] = convert(getattr(attribute, field))
        elif word == "TENSOR":
            what = f"attribute {attribute.name!r} of {title(node)}"
            found[attribute.name] = tensors.read(attribute.t, what)
    return found


def attribute_type(attribute: Any) -> str:
    """ONNX's word for an attribute's type, "UNDEFINED" for one that it does not have."""
    try:
        return str(attribute.AttributeType.Name(attribute.type))
    except ValueError:
        return "UNDEFINED"


def check_node(path: str, node: Any, schema: Any) -> None:
    """Raises InputError unless a node has as many inputs and outputs, and attributes of the names and types, as its
    operator has."""
    _check_number(path, node, "inputs", len(node.input), schema.min_input, schema.max_input)
    _check_number(path, node, "outputs", len(node.output), schema.min_output, schema.max_output)
    required = {name for name, each in schema.attributes.items() if each.required}
    seen: set[str] = set()
    for attribute in node.attribute:
        name = attribute.name
        if name not in schema.attributes:
            known = ", ".join(sorted(schema.attributes)) or "none"
            raise InputError(path, f"{title(node)} has an attribute {name!r}", f"those of its operator: {known}")
        wanted, word = schema.attributes[name].type.name, attribute_type(attribute)
        if word != wanted:
            raise InputError(path, f"attribute {name!r} of {title(node)} is of type {word}", wanted)
        if name in seen:
            raise InputError(path, f"{title(node)} has two attributes {name!r}", "one")
        if attribute.ref_attr_name:
            raise InputError(path, f"attribute {name!r} of {title(node)} refers to one of a function", "a value")
        seen.add(name)
    if required - seen:
        raise InputError(path, f"{title(node)} has no attribute {min(required - seen)!r}", "one: it is required")


def _check_number(path: str, node: Any, what: str, found: int, least: int, most: int) -> None:
    if not least <= found <= most:
        expected = str(least) if least == most else f"{least} to {most}" if most < 1 << 16 else f"{least} or more"
        raise InputError(path, f"{title(node)} has {found} {what}", expected)
