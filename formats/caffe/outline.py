"""A walk over a prototxt before it is parsed: offsets and names of its layers, and fields that the schema does not
know.

protobuf's own text parser stops at the first unknown field and reports neither its layer nor the depth to which it
would have to descend. This walk needs no recursion: known messages nest as deep as the schema, unknown ones to a limit.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from ..text import quote
from .schema import NetParameter
from .upgrade import type_name

MOST_MESSAGES_OPEN = 100  # protobuf's own limit
MOST_UNKNOWN = 10_000
# A quantifier with a + behind it never gives back what it took, so no text needs more than one pass.
TEXT_TOKEN = re.compile(
    r"""(?:\s++|\#[^\n]*+)*+
    (?:(?P<name>[A-Za-z_]\w*+)
    |(?P<number>\.?[0-9](?:[eE][+-]|[\w.])*+)
    |(?P<string>"(?:[^"\\\n]++|\\.)*+"|'(?:[^'\\\n]++|\\.)*+')
    |(?P<sign>[][{}<>:;,./-]))""",
    re.VERBOSE | re.ASCII,
)
OWN_FIELDS = "own_fields"  # of LayerParameter, which no file has: it holds the text of fields that the schema lacks
SURROGATE = re.compile("[\ud800-\udfff]")  # the result of reading a byte that is not UTF-8
SPACE = re.compile(r"(?:\s++|#[^\n]*+)*+", re.ASCII)
LAYER_TYPES_OF_VERSIONS = ("LayerParameter", "V1LayerParameter", "V0LayerParameter")  # the last is inside of a V1 one
CLOSERS = {"{": "}", "<": ">", "[": "]"}


class Malformed(Exception):
    """The text at `offset` is not valid there."""

    def __init__(self, offset: int, found: str, expected: str = "", hint: str = ""):
        self.offset, self.found, self.expected, self.hint = offset, found, expected, hint
        super().__init__(found)


@dataclass
class LayerOutline:
    """A `layer` or `layers` entry, the `number`th: text[start:stop], as far as the walk has come. `type` is
    in V2's spelling, but unchanged for a V1 layer of a type unknown to Caffe; V0 layers have none."""

    number: int
    start: int
    stop: int | None = None
    name: str = ""
    type: str = ""

    def __str__(self) -> str:
        """For messages: "layer 'conv1'", "layer 3" if it has no name."""
        return f"layer {quote(self.name)}" if self.name else f"layer {self.number}"


@dataclass(frozen=True)
class Unknown:
    """text[start:stop], a field `name` that message `parent` does not have; or, with `value`, one whose enum has no
    such value."""

    start: int
    stop: int
    name: str
    parent: Descriptor
    value: str = ""


@dataclass
class Outline:
    """The layers and the unknown parts in the order of the text; `fields`: where each field of the whole first
    stands."""

    layers: list[LayerOutline] = field(default_factory=list)
    unknown: list[Unknown] = field(default_factory=list)
    fields: dict[str, int] = field(default_factory=dict)

    def layer_at(self, offset: int) -> LayerOutline | None:
        """The layer that text[offset] is in, or None."""
        number = bisect_right(self.layers, offset, key=lambda layer: layer.start)
        layer = self.layers[number - 1] if number else None
        return layer if layer and (layer.stop is None or offset < layer.stop) else None


@dataclass(frozen=True)
class _Open:
    """A message or a list of messages (`closer` is "]") that has begun."""

    message: Descriptor
    closer: str


class Walk:
    """Goes over `text` and fills `outline`; after a Malformed it holds all before it."""

    def __init__(self, text: str, root: Descriptor = NetParameter.DESCRIPTOR):
        self.text, self.outline = text, Outline()
        self.kind = self.token = ""
        self.start = self.stop = self.last_stop = 0
        self.stack = [_Open(root, "")]

    def run(self) -> Outline:
        """Raises Malformed where the text is not protobuf's."""
        self._advance()
        while self.kind or len(self.stack) > 1:
            here = self.stack[-1]
            if not self.kind:
                raise Malformed(len(self.text), "the text ends", f"{here.closer!r}", "was it copied completely?")
            if self.token == here.closer and self.kind == "sign":
                self._close()
            elif here.closer == "]":
                self._open(here.message)
            else:
                self._field(here.message)
            self._skip("," if here.closer == "]" else ",;")
        return self.outline

    def _advance(self) -> None:
        self.last_stop = self.stop
        match = TEXT_TOKEN.match(self.text, self.stop)
        if match and match.lastgroup:
            self.kind, self.start, self.stop = match.lastgroup, match.start(match.lastgroup), match.end()
            self.token = self.text[self.start : self.stop]
            if self.kind == "string" and SURROGATE.search(self.token):
                raise Malformed(self.start, f"found {quote(self.token)}", "a string in UTF-8")
            return
        space = SPACE.match(self.text, self.stop)
        offset = space.end() if space else self.stop
        if offset < len(self.text):
            raise _no_token(self.text[offset], offset)
        self.kind, self.token, self.start = "", "the end", offset

    def _skip(self, signs: str) -> bool:
        """Whether the token was one of `signs`, and is now passed."""
        fits = self.kind == "sign" and self.token in signs
        if fits:
            self._advance()
        return fits

    def _open(self, message: Descriptor) -> None:
        closer = CLOSERS.get(self.token) if self.kind == "sign" else None
        if closer is None or (closer == "]" and self.stack[-1].closer == "]"):
            raise Malformed(self.start, f"found {quote(self.token)}", "'{'")
        if closer != "]" and message.name in LAYER_TYPES_OF_VERSIONS[:2]:
            self.outline.layers.append(LayerOutline(len(self.outline.layers) + 1, self.start))
        self.stack.append(_Open(message, closer))
        self._advance()

    def _close(self) -> None:
        closed = self.stack.pop()
        if closed.closer != "]" and closed.message.name in LAYER_TYPES_OF_VERSIONS[:2]:
            self.outline.layers[-1].stop = self.stop
        self._advance()

    def _field(self, message: Descriptor) -> None:
        """One `name: value` or `name { ...`; an unknown one is skipped and noted."""
        start, name = self.start, self._name()
        if len(self.stack) == 1:
            self.outline.fields.setdefault(name, start)
        known = None if name == OWN_FIELDS else message.fields_by_name.get(name)
        colon = self._skip(":")
        if known is None:
            self._unknown_value(colon)
            self._note_unknown(start, name, message)
        elif known.message_type is not None:
            self._open(known.message_type)
        elif not colon:
            raise Malformed(self.start, f"found {quote(self.token)}", f"':' and the value of {name}")
        else:
            self._known_value(known, start)

    def _name(self) -> str:
        if self.kind == "name":
            name = self.token
            self._advance()
            return name
        if not self._skip("["):
            raise Malformed(self.start, f"found {quote(self.token)}", "the name of a field")
        start = self.start  # [an.extension], of which Caffe has none
        while self.kind == "name" or (self.kind == "sign" and self.token in "./-"):
            self._advance()
        name = f"[{self.text[start : self.last_stop]}]"
        if not self._skip("]"):
            raise Malformed(self.start, f"found {quote(self.token)}", "']'")
        return name

    def _known_value(self, known: FieldDescriptor, start: int) -> None:
        values = []
        if self._skip("["):
            while not self._skip("]"):
                values.append(self._scalar())
                if not self._skip(",") and self.token != "]":
                    raise Malformed(self.start, f"found {quote(self.token)}", "',' or ']'")
        else:
            values.append(self._scalar())
        if (
            known.name in ("name", "type") and known.containing_type.name in LAYER_TYPES_OF_VERSIONS
        ):  # a ParamSpec has a name as well
            self._note_layer(known, values[0] if values else "")
        if known.enum_type is not None:
            names = known.enum_type.values_by_name
            wrong = [value for value in values if value.isidentifier() and value not in names]
            if wrong:
                self._note_unknown(start, known.name, known.containing_type, wrong[0])

    def _note_layer(self, known: FieldDescriptor, text: str) -> None:
        layer = self.outline.layers[-1]
        if known.name == "name":
            layer.name = text[1:-1]
        elif known.enum_type is not None:
            values = known.enum_type.values_by_name
            layer.type = type_name(values[text].number) if text in values else text
        elif known.containing_type.name == "LayerParameter":
            layer.type = text[1:-1]

    def _note_unknown(self, start: int, name: str, parent: Descriptor, value: str = "") -> None:
        self._skip(",;")  # belongs to the field, which is removed as a whole
        self.outline.unknown.append(Unknown(start, self.last_stop, name, parent, value))
        if len(self.outline.unknown) > MOST_UNKNOWN:
            found = f"has more than {MOST_UNKNOWN} unknown fields"
            raise Malformed(start, found, "a net for Caffe", "is it of another program?")

    def _scalar(self) -> str:
        """One number, word or string (which may come in several pieces); returns its text."""
        start = self.start
        self._skip("-")
        if self.kind not in ("name", "number", "string"):
            raise Malformed(self.start, f"found {quote(self.token)}", "a value")
        strings = self.kind == "string"
        self._advance()
        while strings and self.kind == "string":
            self._advance()
        return self.text[start : self.last_stop]

    def _unknown_value(self, colon: bool) -> None:
        if self.kind != "sign" or self.token not in CLOSERS:
            if not colon:
                raise Malformed(self.start, f"found {quote(self.token)}", "':' or '{'")
            self._scalar()
            return
        closers = [CLOSERS[self.token]]
        while closers:
            self._advance()
            if not self.kind:
                raise Malformed(self.start, "the text ends", f"{closers[-1]!r}", "was it copied completely?")
            if self.kind == "sign" and self.token in CLOSERS:
                closers.append(CLOSERS[self.token])
                if len(self.stack) + len(closers) > MOST_MESSAGES_OPEN:
                    raise Malformed(self.start, f"messages are nested more than {MOST_MESSAGES_OPEN} deep")
            elif self.kind == "sign" and self.token in "}>]" and self.token != closers.pop():
                raise Malformed(self.start, f"found {quote(self.token)}", "the bracket that fits")
        self._advance()


def _no_token(character: str, offset: int) -> Malformed:
    """The error for a character that begins no token. Bytes that are not UTF-8 have been read as U+DC80 to U+DCFF."""
    if "\udc80" <= character <= "\udcff" or character < " ":
        found = f"found the byte 0x{ord(character) & 0xFF:02x}"
        return Malformed(offset, found, "text", "is it a binary .caffemodel?")
    if character in "\"'":
        return Malformed(offset, "found a string without an end", f"{character} on the same line")
    return Malformed(offset, f"found {quote(character)}", "a field or a value")
