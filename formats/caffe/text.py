"""Prototxt files: text -> NetParameter in Caffe's newest form, NetParameter -> text as Caffe itself writes it."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from google.protobuf import text_format
from google.protobuf.descriptor import FieldDescriptor

from ...errors import InputError
from ...wording import near_miss
from ..atomic import write_atomically
from ..content import A_PROTOTXT, A_SOLVER, HEAD, ORDER, refuse_others, refuse_stand_ins
from ..files import open_input
from ..text import quote
from .fork_fields import obey, of_other_layers, why_left_out
from .outline import OWN_FIELDS, Malformed, Outline, Unknown, Walk
from .own_fields import as_field, format_own_fields, is_kept
from .schema import MESSAGES, Message, NetParameter, shortest_float
from .upgrade import upgrade_net

MOST_PROTOTXT_BYTES = (
    4 << 20
)  # bytes; a RetinaFace of 210 layers has 42,382. Text this long takes 14 s and 470 MB at worst
MOST_NOTICES = 20
CONTENT = "<net>"  # stands for the name of a file
ESCAPES = str.maketrans(
    {chr(code): f"\\{code:03o}" for code in (*range(32), 127)}
    | {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "'": "\\'", "\\": "\\\\"}
)
ALLOW = "--allow-unknown leaves it out; results may then differ"
SOLVER_FIELDS = {"net", "train_net", "test_net", "base_lr", "test_iter", "lr_policy", "max_iter"}


@dataclass
class ParsedNet:
    """A net as read: `message` is a NetParameter with `layer` entries only, for a file of any version.

    `notices` are sentences about upgraded or dropped fields.
    """

    message: Message
    notices: list[str] = field(default_factory=list)
    path: str = "<net>"

    def state(self, *others: Message | None) -> Message:
        """The NetState of the net, with those of a solver merged over it: level and stages."""
        found: Message = MESSAGES["NetState"]()
        for each in (self.message.state, *others):
            if each is not None:
                found.MergeFrom(each)
        return found


def read_prototxt(
    source: str | os.PathLike[str] | bytes, *, allow_unknown: bool = False, types: Collection[str] | None = None
) -> ParsedNet:
    """Reads a net of any version, a file or its contents. Raises InputError naming line, column, layer and field.

    Fields of Caffe, of SSD and the known ones of other forks (`fork_fields`) are read. Any other is an error, or with
    `allow_unknown` left out with a notice. In layers of other types than `types`, if given, it is not an error, and
    kept as it is (`own_fields`).
    """
    if isinstance(source, bytes):
        path, data = CONTENT, source
        refuse_stand_ins(path, data[:HEAD])
    else:
        path = os.fspath(source)
        with open_input(path) as file:
            data = file.read(MOST_PROTOTXT_BYTES + 1)
    if not data:
        raise InputError(path, "is empty", "a prototxt", "was it copied completely?")
    refuse_others(path, data[:HEAD], "a prototxt, which is text", "text", A_PROTOTXT, A_SOLVER)
    if len(data) > MOST_PROTOTXT_BYTES:
        raise InputError(path, f"is larger than {MOST_PROTOTXT_BYTES >> 20} MiB", "a prototxt", ORDER)
    # Comments may be in any encoding; in a string, other bytes than UTF-8's are an error.
    text = data.decode("utf-8-sig", "surrogateescape")
    return parse_prototxt(text, path, allow_unknown=allow_unknown, types=types)


def parse_prototxt(
    text: str, name: str = "<net>", *, allow_unknown: bool = False, types: Collection[str] | None = None
) -> ParsedNet:
    """`read_prototxt` of a text; `name` stands for the file in errors."""
    walk = Walk(text)
    try:
        outline = walk.run()
    except Malformed as error:
        raise text_error(name, text, walk.outline, error) from None
    kept = {each for each in outline.unknown if is_kept(each, outline.layer_at(each.start), types)}
    matters = [
        each
        for each in outline.unknown
        if each not in kept and (allow_unknown or not of_other_layers(each, outline, types))
    ]
    reasons = {unknown: why_left_out(unknown, text) for unknown in matters}
    refused = [unknown for unknown in matters if reasons[unknown] is None]
    if refused and not allow_unknown:
        raise text_error(name, text, outline, unknown_field(refused[0]))
    notices = _notices(name, text, outline, reasons)
    message = NetParameter()
    try:
        text_format.Parse(_without(text, outline.unknown, kept), message)
    except (text_format.ParseError, ValueError) as error:
        raise text_error(name, text, outline, malformed(error, text)) from None
    notices += upgrade_net(message, name)
    _name_old_types(message, outline)
    obey(message, name)
    return ParsedNet(message, notices, name)


def upgraded(message: Message, name: str) -> ParsedNet:
    """A net of any version that was parsed as part of another message. Raises InputError (of `name`)."""
    net = NetParameter()
    net.CopyFrom(message)
    notices = upgrade_net(net, name)
    obey(net, name)
    return ParsedNet(net, notices, name)


def _name_old_types(message: Message, outline: Outline) -> None:
    """Restore the types of V1 layers that Caffe does not know; these layers follow the one that `input` became."""
    if any(unknown.name == "type" and unknown.parent.name == "V1LayerParameter" for unknown in outline.unknown):
        for layer, upgraded in zip(reversed(outline.layers), reversed(message.layer), strict=False):
            upgraded.type = upgraded.type or layer.type


def format_prototxt(message: Message) -> str:
    """The text of a message, as Caffe prints it: fields by number, two spaces per level, enums by name; every float is
    the shortest decimal that reads back as the same float32. Unknown fields have no text and are left out."""
    lines: list[str] = []
    _format_fields(message, "", lines)
    return "".join(line + "\n" for line in lines)


def write_prototxt(path: str | os.PathLike[str], message: Message) -> None:
    """Writes `format_prototxt` of the message. Raises OutputError."""
    with write_atomically(path, "w") as file:
        file.write(format_prototxt(message))


def _format_fields(message: Message, indent: str, lines: list[str]) -> None:
    for known, value in message.ListFields():
        for item in value if _is_repeated(known, value) else [value]:
            if known.name == OWN_FIELDS:
                lines += format_own_fields(item, indent)
            elif known.message_type is None:
                lines.append(f"{indent}{known.name}: {_format_scalar(known, item)}")
            else:
                lines.append(f"{indent}{known.name} {{")
                _format_fields(item, indent + "  ", lines)
                lines.append(f"{indent}}}")


def _is_repeated(known: FieldDescriptor, value: object) -> bool:
    # `label` is gone from newer protobufs, `is_repeated` is missing from older ones.
    return not isinstance(value, Message | str | bytes | bool | int | float)


def _format_scalar(known: FieldDescriptor, value: Any) -> str:
    if known.enum_type is not None:
        return str(known.enum_type.values_by_number[value].name)
    if isinstance(value, str):
        return f'"{value.translate(ESCAPES)}"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if known.type == known.TYPE_FLOAT:
        return shortest_float(value)
    return repr(value).removesuffix(".0")


def _without(text: str, unknown: list[Unknown], kept: Collection[Unknown]) -> str:
    """`text` with the unknown parts blanked, every other character where it was, but for the parts behind one of `kept`
    on its last line."""
    pieces, done = [], 0
    for part in unknown:
        own = text[part.start : part.stop]
        pieces += [text[done : part.start], as_field(own, ESCAPES) if part in kept else re.sub(r"[^\n]", " ", own)]
        done = part.stop
    return "".join([*pieces, text[done:]])


def unknown_field(unknown: Unknown) -> Malformed:
    parent, name = unknown.parent, unknown.name
    if unknown.value:
        known = list(parent.fields_by_name[name].enum_type.values_by_name)
        found, expected = f"{name}: {quote(unknown.value)} is unknown", "one of " + ", ".join(known)
        hint = ALLOW
        if name == "type" and parent.name == "V1LayerParameter":
            expected, hint = "a type of Caffe's", ""
        return Malformed(unknown.start, found, expected, near_miss(unknown.value, known) or hint)
    found = f"unknown field {quote(name)}"
    expected = f"a field of {parent.name}"
    if parent.name == "NetParameter" and name in SOLVER_FIELDS:
        return Malformed(unknown.start, found, expected, "this looks like a solver: give the net that it names")
    return Malformed(unknown.start, found, expected, near_miss(name, list(parent.fields_by_name)) or ALLOW)


def _notices(name: str, text: str, outline: Outline, reasons: Mapping[Unknown, str | None]) -> list[str]:
    """One sentence per unknown field, and one for all known fields of forks that are left out for the same reason."""
    notices = []
    for reason in dict.fromkeys(filter(None, reasons.values())):
        fields = [unknown for unknown in reasons if reasons[unknown] == reason]
        names = list(dict.fromkeys(_quoted(unknown) for unknown in fields))
        are = "are" if len(names) > 1 else "is"
        notices.append(f"{_where(name, text, outline, fields[0])}: {', '.join(names)} {are} left out: {reason}")
    unknown = [unknown for unknown, reason in reasons.items() if reason is None]
    for each in unknown[:MOST_NOTICES]:
        where = _where(name, text, outline, each)
        notices.append(f"{where}: {_quoted(each)} is left out: it is unknown, and results may differ")
    if len(unknown) > MOST_NOTICES:
        notices.append(f"{name}: {len(unknown) - MOST_NOTICES} more unknown fields are left out")
    return notices


def _quoted(unknown: Unknown) -> str:
    return quote(f"{unknown.name}: {unknown.value}" if unknown.value else unknown.name)


def _where(name: str, text: str, outline: Outline, unknown: Unknown) -> str:
    layer = outline.layer_at(unknown.start)
    return f"{name}:{line_and_column(text, unknown.start)[0]}" + (f": {layer}" if layer else "")


def malformed(error: Any, text: str) -> Malformed:
    """protobuf's error. It counts lines and columns from 1, where known."""
    line = error.GetLine() if isinstance(error, text_format.ParseError) else None
    found, offset = str(error), 0
    if line:
        for _ in range(line - 1):
            offset = text.index("\n", offset) + 1
        rest = text[offset:].partition("\n")[0]  # which protobuf quotes whole, unless it has passed the end
        found = re.sub(r"^[0-9]+:[0-9]+ : ", "", found).removeprefix(f"'{rest}': ").removeprefix("'': ")
        offset += (error.GetColumn() or 1) - 1
    return Malformed(offset, quote(" ".join(found.split()), 200)[1:-1])


def text_error(name: str, text: str, outline: Outline, error: Malformed) -> InputError:
    line, column = line_and_column(text, error.offset)
    layer = outline.layer_at(error.offset)
    found = f"{layer}: {error.found}" if layer else error.found
    return InputError(name, found, error.expected, error.hint, line=line, column=column)


def line_and_column(text: str, offset: int) -> tuple[int, int]:
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)
