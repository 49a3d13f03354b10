"""Message classes of Caffe's schema, built when this module is imported; any protobuf from 4.25 to 7 will do.

They live in a descriptor pool of their own, so another caffe_pb2 in the same process does not clash.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from . import definitions

if TYPE_CHECKING:

    class Message:
        """A message for type checkers: its class is made at run time, so its fields and methods are of any type."""

        DESCRIPTOR: ClassVar[Any]

        def __init__(self, **fields: Any): ...
        def __getattr__(self, name: str) -> Any: ...
        def __setattr__(self, name: str, value: Any) -> None: ...

else:
    from google.protobuf.message import Message

FIELD = re.compile(r"(\w+)=(\d+)(?:\[([^]]*)\])?")
Field = descriptor_pb2.FieldDescriptorProto


def _file() -> descriptor_pb2.FileDescriptorProto:
    """The definitions as protobuf's own description of a .proto file."""
    file = descriptor_pb2.FileDescriptorProto(name="caffe64/caffe.proto", package="caffe", syntax="proto2")
    message: Any = None
    values_of: Any = None
    for line in definitions.ALL.splitlines():
        words = line.split()
        if line.startswith("message "):
            message = file.message_type.add(name=words[1])
        elif "enum" in words:
            values_of = (message if line[0] == " " else file).enum_type.add(name=words[1])
            _add_values(values_of, words[2:])
        elif words and "=" in words[0]:  # a long enum goes on
            _add_values(values_of, words)
        elif words:
            _add_fields(message, line)
    enums, messages = {enum.name for enum in file.enum_type}, {found.name for found in file.message_type}
    for message in file.message_type:
        _resolve_types(message, enums, messages)
    return file


def _add_values(enum: descriptor_pb2.EnumDescriptorProto, words: list[str]) -> None:
    for word in words:
        name, number = word.split("=")
        enum.value.add(name=name, number=int(number))


def _add_fields(message: descriptor_pb2.DescriptorProto, line: str) -> None:
    *modifier, kind = FIELD.sub("", line).split()
    for name, number, default in FIELD.findall(line):
        field = message.field.add(name=name, number=int(number), type_name=kind, label=Field.LABEL_OPTIONAL)
        if modifier:
            field.label = Field.LABEL_REPEATED
            field.options.packed = modifier == ["packed"]
        if default:
            field.default_value = default


def _resolve_types(message: descriptor_pb2.DescriptorProto, enums: set[str], messages: set[str]) -> None:
    """`type_name` holds each field's type as written: a message's, an enum's (first this message's own), a scalar's."""
    own = {enum.name for enum in message.enum_type}
    for field in message.field:
        kind = field.type_name
        if kind in own:
            field.type, field.type_name = Field.TYPE_ENUM, f".caffe.{message.name}.{kind}"
        elif kind in enums or kind in messages:
            field.type = Field.TYPE_ENUM if kind in enums else Field.TYPE_MESSAGE
            field.type_name = f".caffe.{kind}"
        else:
            field.ClearField("type_name")
            field.type = Field.Type.Value(f"TYPE_{kind.upper()}")


def _classes(file: descriptor_pb2.FileDescriptorProto) -> dict[str, Any]:
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    types = pool.FindFileByName(file.name).message_types_by_name
    return {name: message_factory.GetMessageClass(descriptor) for name, descriptor in types.items()}


MESSAGES = _classes(_file())  # all of them, since protobuf keeps no class without a reference
NetParameter: type[Message] = MESSAGES["NetParameter"]
LayerParameter: type[Message] = MESSAGES["LayerParameter"]
BlobProto: type[Message] = MESSAGES["BlobProto"]


def enum_name(message: Message, field: str) -> str:
    """The value of an enum field by its name in text, such as "MAX" for `pool`."""
    return str(message.DESCRIPTOR.fields_by_name[field].enum_type.values_by_number[getattr(message, field)].name)


def shortest_float(value: float) -> str:
    """The decimal that reads back as the same float32, with as few digits as C++ tries: 1, 0.017, 1e-05, inf, nan."""
    for digits in (6, 7, 8):
        text = f"{value:.{digits}g}"
        if float(np.float32(text)) == value:
            return text
    return f"{value:.9g}"
