"""The parameters of Python layers, `param_str`: YAML, JSON or a dictionary in Python's notation, as text.

    'feat_stride': 16                       {"feat_stride": 16, "scales": [8, 16]}
    scales: !!python/tuple [8, 16, 32]      scales: (8, 16, 32)

Files come from strangers, so nothing is built but numbers, strings and lists of them, and nothing is evaluated: tags of
YAML (!!...) are skipped. Indentation has no meaning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

Value = int | float | str | list["Value"]
TOKEN = re.compile(
    r"""(?P<skipped>\s+|\#[^\n]*|!!?[\w/.:]*)
    |(?P<text>'[^'\n]*'|"[^"\n]*")
    |(?P<mark>[][(){},:])
    |(?P<word>[^][\s(){},:'"\#]+)""",
    re.VERBOSE,
)
CLOSING = {"[": "]", "(": ")"}
WHOLE = re.compile(r"[-+]?\d+")
DEEPEST = 8  # lists in lists
LONGEST_LITERAL = 40  # characters


def read_param_str(text: str) -> dict[str, Value]:
    """Its keys and values. Raises ValueError that says what was found, and where."""
    tokens = _Tokens(text)
    braces = tokens.take_if("{")
    found: dict[str, Value] = {}
    while tokens.kind and tokens.token != "}":
        key = tokens.take_word("a key")
        if key in found:
            raise ValueError(f"{key!r} is given twice")
        tokens.take_mark(":")
        found[key] = _value(tokens, 0)
        tokens.take_if(",")
    if braces:
        tokens.take_mark("}")
    if tokens.kind:
        raise ValueError(f"{tokens.described()} follows the end")
    return found


class _Tokens:
    """The tokens of a text, one ahead: `kind` is "text", "mark", "word", or "" at the end."""

    def __init__(self, text: str):
        self._all = _split(text)
        self.kind, self.token = "", ""
        self._next()

    def _next(self) -> None:
        self.kind, self.token = next(self._all, ("", ""))

    def described(self) -> str:
        return repr(self.token) if self.kind else "the end"

    def take_if(self, mark: str) -> bool:
        found = (self.kind, self.token) in (("mark", mark), ("word", mark))
        if found:
            self._next()
        return found

    def take_mark(self, mark: str) -> None:
        if not self.take_if(mark):
            raise ValueError(f"{self.described()} in place of {mark!r}")

    def take_word(self, what: str) -> str:
        if self.kind not in ("text", "word"):
            raise ValueError(f"{self.described()} in place of {what}")
        token = self.token
        self._next()
        return token


def _split(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(text):
        match = TOKEN.match(text, at)
        if match is None:
            raise ValueError(f"a quote that does not end: {text[at : at + 20]!r}")
        at, kind = match.end(), str(match.lastgroup)
        if kind == "text":
            yield kind, match.group()[1:-1]
        elif kind != "skipped":
            yield kind, match.group()


def _value(tokens: _Tokens, depth: int) -> Value:
    if depth > DEEPEST:
        raise ValueError(f"lists in lists, more than {DEEPEST} deep")
    for opening, closing in CLOSING.items():
        if tokens.kind == "mark" and tokens.take_if(opening):
            return _items(tokens, closing, depth + 1)
    if tokens.kind == "word" and tokens.token == "-":  # the items of a list, a line each
        items: list[Value] = []
        while tokens.kind == "word" and tokens.take_if("-"):
            items.append(_value(tokens, depth + 1))
        return items
    quoted = tokens.kind == "text"
    word = tokens.take_word("a value")
    return word if quoted else _number(word)


def _items(tokens: _Tokens, closing: str, depth: int) -> list[Value]:
    items: list[Value] = []
    while not tokens.take_if(closing):
        items.append(_value(tokens, depth))
        if not tokens.take_if(","):
            tokens.take_mark(closing)
            break
    return items


def _number(word: str) -> Value:
    """The number that a word is, or the word."""
    if len(word) > LONGEST_LITERAL:
        return word
    if WHOLE.fullmatch(word):
        return int(word)
    try:
        return float(word)
    except ValueError:
        return word
