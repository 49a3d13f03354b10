"""Fields of a layer's message -> attributes, and back, by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .....formats.caffe.schema import MESSAGES
from ...ir.filler import Filler
from ...ir.graph import Node

Write = Callable[[Any, Any], None]  # (layer, value)


def no_fillers(layer) -> tuple[Filler, ...]:
    return ()


@dataclass(frozen=True)
class Reader:
    """How the parameters of a layer type are read. `read(node, layer)` returns the attributes in a LayerParameter; it
    raises node.error(...) where fields contradict each other. `write`: attribute -> a function that sets it in a layer,
    for those that fields have. `said(attributes)`: attributes of the same meaning, in one way of several to say it.
    `fillers(layer)`: one per blob of weights, or none."""

    read: Callable[[Node, Any], Any]
    write: Mapping[str, Write] = field(default_factory=dict)
    fillers: Callable[[Any], tuple[Filler, ...]] = no_fillers
    said: Callable[[Any], Any] = lambda attributes: attributes


def by_name(kind: type, parameter: str, **fillers: float) -> Reader:
    """The reader of attributes with the names of the fields of the message `parameter`; `fillers` as in
    `reads_fillers`."""
    return Reader(
        lambda node, layer: read_fields(kind, getattr(layer, parameter)),
        {each.name: writes(parameter, each.name, optional=each.default is None) for each in dataclasses.fields(kind)},
        reads_fillers(parameter, **fillers),
    )


def reads_fillers(parameter: str, **fillers: float) -> Callable[[Any], tuple[Filler, ...]]:
    """A function that reads these fields of the message `parameter`, which say how blobs are filled, or else with which
    constants; that of the bias is left out where there is none."""

    def read(layer) -> tuple[Filler, ...]:
        message = getattr(layer, parameter)
        return tuple(
            filler_of(message, name, default)
            for name, default in fillers.items()
            if name != "bias_filler" or message.bias_term
        )

    return read


def filler_of(message, name: str, default: float) -> Filler:
    """The filler in that field, or else a constant."""
    return read_fields(Filler, getattr(message, name)) if message.HasField(name) else Filler(value=default)


def read_fields(kind: type, message, **given) -> Any:
    """A `kind`, a dataclass, from the message's fields of the same names and the values `given`. A field that the
    message does not have is None where the dataclass's default is None."""
    for each in dataclasses.fields(kind):
        if each.name not in given:
            absent = each.default is None and not message.HasField(each.name)
            given[each.name] = None if absent else _value(message, each.name)
    return kind(**given)


def _value(message, name: str):
    value = getattr(message, name)
    return tuple(value) if hasattr(value, "extend") else value


def writes(parameter: str, name: str, *, optional: bool = False) -> Write:
    """A function that sets that field of the message `parameter` of a layer; `optional` as for `set_field`."""
    return lambda layer, value: set_field(getattr(layer, parameter), name, value, optional=optional)


def set_field(message, name: str, value, *, optional: bool = False) -> None:
    """Set a field of a message to `value`; clear it where that is the default, or if `optional`, where it is None: then
    to say the default is not the same as to say nothing."""
    message.ClearField(name)
    if isinstance(value, tuple):
        getattr(message, name).extend(value)
    elif value is not None and (optional or value != message.DESCRIPTOR.fields_by_name[name].default_value):
        setattr(message, name, value)


def is_message(origin: Any, kind: str) -> bool:
    """Whether what a graph or node was read from is this message of a Caffe file."""
    return isinstance(origin, MESSAGES[kind])


def copy_message(message):
    """A message of the same kind and content."""
    twin = type(message)()
    twin.CopyFrom(message)
    return twin
