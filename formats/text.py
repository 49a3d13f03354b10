"""Small text files (network, optimizer): reading them whole, their tokens with positions, numbers in plain decimals.

A `#` starts a comment that ends with its line. Lines end with LF or CRLF.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from ..errors import InputError
from .content import HEAD, refuse_others
from .files import open_input

MOST_TEXT_BYTES = 1 << 20  # bytes; the longest real network file has a few hundred
INTEGER = re.compile(r"[+-]?[0-9]+")
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


class Token(NamedTuple):
    """A word or number of a file; line and column count from 1."""

    text: str
    line: int
    column: int


def read_text(path: str | os.PathLike[str], expected: str, *own: str) -> str:
    """All of a small UTF-8 file. Raises InputError if it is larger than 1 MiB, not text, or recognised as another kind
    than `expected`, whose files may resemble the kinds `own` (`content`)."""
    with open_input(path) as file:
        data = file.read(MOST_TEXT_BYTES + 1)
    refuse_others(path, data[:HEAD], expected, "text", "a binary file", *own)
    if len(data) > MOST_TEXT_BYTES:
        raise InputError(path, "is larger than 1 MiB", "a short text file", "are the files given in the right order?")
    try:
        text = data.decode("utf-8-sig")
        junk = data.find(b"\0")
    except UnicodeDecodeError as error:
        text, junk = "", error.start
    if junk >= 0:
        line, column = data.count(b"\n", 0, junk) + 1, junk - data.rfind(b"\n", 0, junk)
        found = f"found the byte 0x{data[junk]:02x}"
        raise InputError(path, found, "text", "is it a binary file?", line=line, column=column)
    return text


def lines_of_tokens(text: str, separators: str = "") -> Iterator[list[Token]]:
    """The tokens of each line that has some. White space and the characters of `separators` separate them."""
    pattern = re.compile(rf"[^\s{re.escape(separators)}]+")
    for number, line in enumerate(text.split("\n"), start=1):
        found = pattern.finditer(line.partition("#")[0])
        tokens = [Token(match[0], number, match.start() + 1) for match in found]
        if tokens:
            yield tokens


def plain_decimal(value: float) -> str:
    """The shortest decimal that reads back as `value`, without an exponent (the original program reads none)."""
    return f"{Decimal(repr(value)):f}".removesuffix(".0")


def quote(token: str, limit: int = 40) -> str:
    """A piece of a file for a message: one line, shortened, control characters escaped."""
    return repr(token if len(token) <= limit else token[:limit] + "...")
