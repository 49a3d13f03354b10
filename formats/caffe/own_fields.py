"""Fields of layers of types that the package does not have: their text is kept, so that a net is written as it was
read, and a layer type of the user's own reads its parameters from it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

from google.protobuf.text_encoding import CUnescape

from .outline import CLOSERS, OWN_FIELDS, TEXT_TOKEN, LayerOutline, Unknown
from .schema import Message


def is_kept(unknown: Unknown, layer: LayerOutline | None, types: Collection[str] | None) -> bool:
    """Whether it is a field of a layer that is of none of `types`."""
    other = types is not None and layer is not None and bool(layer.type) and layer.type not in types
    return other and unknown.parent.name == "LayerParameter" and not unknown.value and unknown.name.isidentifier()


def as_field(text: str, escape: dict[int, str]) -> str:
    """What stands for such a field in the text that protobuf parses, in as many lines."""
    return f'{OWN_FIELDS}: "{text.translate(escape)}"' + "\n" * text.count("\n")


def format_own_fields(text: str, indent: str) -> list[str]:
    """The lines of such a text, indented."""
    lines, depth = [], 0
    for line in filter(None, map(str.strip, text.splitlines())):
        lines.append(indent + "  " * max(0, depth - line.startswith(tuple(CLOSERS.values()))) + line)
        depth += sum(line.count(opener) - line.count(closer) for opener, closer in CLOSERS.items())
    return lines


def layer_fields(layer: Message) -> dict[str, Any]:
    """The parameters of a layer: name of each message, such as "relu_param", -> its fields that are given. Numbers are
    int or float, words bool or str, repeated fields lists, messages dicts."""
    found: dict[str, Any] = {}
    for known, value in layer.ListFields():
        if known.name.endswith("_param"):
            found[known.name] = _given(value)
    for text in getattr(layer, OWN_FIELDS):
        for name, value in parse_fields(text).items():
            found[name] = value
    return found


def _given(value: Any) -> Any:
    if isinstance(value, Message):
        return {known.name: _named(known, each) for known, each in value.ListFields()}
    return value


def _named(known: Any, value: Any) -> Any:
    if known.enum_type is not None and isinstance(value, int):
        return known.enum_type.values_by_number[value].name
    if isinstance(value, Message | str | bytes | bool | int | float):
        return _given(value)
    return [_named(known, each) for each in value]


def parse_fields(text: str) -> dict[str, Any]:
    """The fields of a text in protobuf's format whose brackets fit (`Walk`)."""
    return _message(_tokens(text), "")


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at, string = 0, ""
    while (match := TEXT_TOKEN.match(text, at)) and match.lastgroup:
        at, kind, token = match.end(), match.lastgroup, match[match.lastgroup]
        if string and kind != "string":
            yield "string", string
            string = ""
        if kind == "string":  # which may come in several pieces
            string += token[1:-1]
        elif token not in (",", ";", ":"):  # which separate, and say nothing else
            yield kind, token
    if string:
        yield "string", string


def _message(tokens: Iterator[tuple[str, str]], closer: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _, name in tokens:
        if name == closer:
            break
        value = _value(tokens, next(tokens))
        if name in found:
            earlier = found[name] if isinstance(found[name], list) else [found[name]]
            value = earlier + (value if isinstance(value, list) else [value])
        found[name] = value
    return found


def _value(tokens: Iterator[tuple[str, str]], token: tuple[str, str]) -> Any:
    kind, text = token
    if text == "[" and kind == "sign":
        items = []
        while (token := next(tokens)) != ("sign", "]"):
            items.append(_value(tokens, token))
        return items
    if kind == "sign" and text in CLOSERS:
        return _message(tokens, CLOSERS[text])
    if kind == "sign":  # a minus
        _, text = next(tokens)
        return _number(f"-{text}")
    if kind == "string":
        return CUnescape(text).decode("utf-8", "replace")
    if kind == "number":
        return _number(text)
    return {"true": True, "false": False}.get(text, text)


def _number(text: str) -> Any:
    """An int or a float; the text itself if it is neither."""
    try:
        if re.fullmatch(r"-?(0[xX][0-9a-fA-F]+|0|[1-9][0-9]*)", text):
            return int(text, 0)
        return float(text.rstrip("fF") if text[-1] in "fF" and "inf" not in text.lower() else text)
    except ValueError:
        return text
